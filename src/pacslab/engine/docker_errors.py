"""What the engine refuses, in its own words -> one sentence for the user, with a hint what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pacslab.errors import PacslabError

HTTP_NOT_FOUND = 404
HTTP_CONFLICT = 409


def refusal(doing: str, said: str, status: int | None) -> PacslabError:
    """Explain an error answer (`said`, with its HTTP status) to what was being done ("start pacslab-x-pacs")."""
    lower = said.lower()
    if "no space left on device" in lower:
        return disk_full(doing)
    if status == HTTP_NOT_FOUND and "no such image" in lower:
        return PacslabError(f"cannot {doing}: {said}", hint="run `pacslab images build`")
    if status == HTTP_NOT_FOUND and "no such container" in lower:
        return PacslabError(f"cannot {doing}: it is not there", hint="`pacslab status` shows what is")
    if status == HTTP_CONFLICT and "already in use" in lower:
        return PacslabError(
            f"cannot {doing}: another container has that name",
            hint="if it is a lab's, `pacslab down` removes it; if not, remove or rename it yourself",
        )
    if "is not running" in lower:
        return PacslabError(f"cannot {doing}: it is not running", hint="`pacslab status` shows what is")
    return PacslabError(f"cannot {doing}: {said}", hint="`pacslab doctor` checks the engine")


def disk_full(doing: str) -> PacslabError:
    """Say that the engine's disk is full, and what may be thrown away."""
    return PacslabError(
        f"cannot {doing}: no space left on the engine's disk",
        hint="free some (`docker system df` shows what takes it; `docker builder prune` and `docker image prune` are "
        "safe) and try again: images that were finished are kept",
    )


def unreachable(address: str, error: BaseException) -> PacslabError:
    """Explain why no engine answers at `address`."""
    if "permission denied" in _causes(error).lower():
        return PacslabError(
            f"you may not use the Docker engine at {address}",
            hint="join the group that owns the socket (`sudo usermod -aG docker $USER`, log in again), or use sudo",
        )
    return PacslabError(
        f"no Docker engine answers at {address}",
        hint="run `lab/bootstrap`, start the engine, or point DOCKER_HOST at one; `pacslab doctor` tells more",
    )


def build_failure(tag: str, step: str, error: str, last_lines: tuple[str, ...]) -> PacslabError:
    """Say which step of a build failed, and show the last lines it wrote."""
    tail = "\n".join(f"  | {line}" for line in last_lines)
    if "no space left on device" in f"{error}\n{tail}".lower():
        return disk_full(f"build {tag}")
    place = f" at {step!r}" if step else ""
    return PacslabError(
        f"the build of {tag} failed{place}: {error}\n{tail}".rstrip(),
        hint="read the lines above; where packages could not be fetched, check the network and try again",
    )


def error_of(event: Mapping[str, Any]) -> str:
    """The error in one event of a pull, an import or a build; empty if it is none."""
    return str(event.get("error", ""))


def _causes(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__} {error}")
        error = error.__cause__ or error.__context__
    return "; ".join(texts)
