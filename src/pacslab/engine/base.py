"""Nothing but an engine -> the base image: one that is there, else pulled, else made from Debian's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Image
from pacslab.errors import PacslabError

SUITE = "trixie"
PUBLISHED = "debian:trixie-slim"
PULL_SILENCE_S = 20.0
_TIDY_UP_S = 60
_MIRROR = "http://deb.debian.org/debian"
_SECURITY_MIRROR = "http://deb.debian.org/debian-security"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def ensure_base(docker: Docker, tag: str, on_line: Callable[[str], None]) -> Image:
    """Have an image of that tag: keep it, or tag Debian's own, or pull that, or make one with mmdebstrap.

    Raises:
        PacslabError: None of the ways is open here.
    """
    if base := docker.image(tag):
        return base
    if not docker.image(PUBLISHED) and not _pulled(docker, on_line):
        return _debootstrapped(docker, tag, on_line)
    docker.tag(PUBLISHED, tag)
    on_line(f"{tag} is {PUBLISHED}")
    return docker.image(tag) or _lost(tag)


def _pulled(docker: Docker, on_line: Callable[[str], None]) -> bool:
    on_line(f"pulling {PUBLISHED}")
    try:
        docker.pull(PUBLISHED, silence_s=PULL_SILENCE_S)
    except PacslabError as error:
        on_line(f"{error.message}; making the base image here instead")
        return False
    return True


def _debootstrapped(docker: Docker, tag: str, on_line: Callable[[str], None]) -> Image:
    _ensure_mmdebstrap(on_line)
    # Beside no repository file and removed whatever happens: the tar is 130 MB.
    with tempfile.TemporaryDirectory(prefix="pacslab-base-") as place:
        tar = Path(place) / "base.tar"
        on_line(f"making a Debian {SUITE} from its packages")
        _run(mmdebstrap_argv(tar, host_apt_sources()), on_line, doing="make the base image with mmdebstrap")
        on_line(f"importing it as {tag}")
        return docker.import_tar(tar, tag)


def mmdebstrap_argv(tar: Path, sources: str) -> list[str]:
    """The command that makes a minimal Debian.

    Args:
        tar: Where it goes.
        sources: The host's own apt configuration; its Debian mirrors are used.
    """
    mirror, security = mirrors(sources)
    lines = [f"deb {mirror} {SUITE} main", f"deb {mirror} {SUITE}-updates main"]
    lines += [f"deb {security} {SUITE}-security main"] if security else []
    keyring = [f"--keyring={_KEYRING}"] if _KEYRING.exists() else []
    slim = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "locale", "info")]
    return [
        "mmdebstrap", "--variant=minbase", "--include=ca-certificates", "--format=tar", *slim, *keyring,
        SUITE, str(tar), *lines,
    ]  # fmt: skip


def mirrors(sources: str) -> tuple[str, str]:
    """The Debian mirror and the security mirror in an apt configuration; the security mirror is empty if it has none.

    A host that is not Debian, or names no mirror, gets Debian's own.
    """
    addresses = [address.rstrip("/") for address in re.findall(r"https?://[^\s\]]+", _without_comments(sources))]
    security = [address for address in addresses if address.endswith("/debian-security")]
    plain = [address for address in addresses if address.endswith("/debian")]
    if not plain:
        return _MIRROR, _SECURITY_MIRROR
    return plain[0], security[0] if security else (_SECURITY_MIRROR if plain[0] == _MIRROR else "")


def host_apt_sources() -> str:
    """The text of this machine's apt sources, both formats; empty where there is no apt."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    readable = [place for place in places if place.suffix in {".list", ".sources"} and os.access(place, os.R_OK)]
    return "\n".join(place.read_text(errors="replace") for place in readable)


def _without_comments(sources: str) -> str:
    return "\n".join(line for line in sources.splitlines() if not line.lstrip().startswith("#"))


def _ensure_mmdebstrap(on_line: Callable[[str], None]) -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise PacslabError(
            f"there is no base image: {PUBLISHED} cannot be pulled, and mmdebstrap, which could make one, is missing",
            hint="install mmdebstrap and debian-archive-keyring (as root, on Debian or Ubuntu: `apt-get install "
            f"mmdebstrap debian-archive-keyring`), or `docker load` {PUBLISHED} from another machine",
        )
    on_line("installing mmdebstrap")
    _run(["apt-get", "update", "-q"], on_line, doing="read the package lists")
    packages = ["mmdebstrap", "debian-archive-keyring"]
    argv = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    _run(argv, on_line, doing="install mmdebstrap")


def _run(argv: Sequence[str], on_line: Callable[[str], None], *, doing: str) -> None:
    """Run a program of this machine to its end, its lines to the caller."""
    last: deque[str] = deque(maxlen=10)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            errors="replace", env=environment,
        ) as process:  # fmt: skip
            try:
                for line in process.stdout or ():
                    last.append(line.rstrip())
                    on_line(last[-1])
            except BaseException:
                # Interrupted: it tidies up after itself, if it may still write what it has to say.
                process.terminate()
                process.communicate(timeout=_TIDY_UP_S)
                raise
    except OSError as error:
        raise PacslabError(f"cannot {doing}: {error.strerror}", hint="see `pacslab doctor`") from error
    if process.returncode:
        tail = "\n".join(f"  | {line}" for line in last if line)
        full = "no space left on device" in tail.lower()
        hint = "free some disk space and try again" if full else "check the network and the mirrors in /etc/apt"
        raise PacslabError(f"cannot {doing}: exit code {process.returncode}\n{tail}", hint=hint)


def _lost(tag: str) -> Image:
    raise PacslabError(f"{tag} was tagged and is gone", hint="does something else clean images up? try again")
