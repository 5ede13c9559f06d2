"""Requests -> the fabric's reports: each verb is one `docker exec` of `python3 -m pacslab.fabric`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pacslab.engine.docker import Docker
from pacslab.errors import Exit, PacslabError
from pacslab.model import codec
from pacslab.model.fabric import (
    GreetReport,
    GreetRequest,
    ListenReport,
    ListenRequest,
    LookReport,
    LookRequest,
    WireReport,
    WireRequest,
)
from pacslab.model.plan import File
from pacslab.model.sweep import SweepReport, SweepRequest
from pacslab.model.trial import TrialReport, TrialRequest

T = TypeVar("T")
Progress = Callable[[str, int, int], None]  # step, done, of how many

_FOLDER = "/run/pacslab"


def _silent(_step: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


class Fabric:
    """The fabric of one running lab."""

    def __init__(self, docker: Docker, container: str) -> None:
        self._docker = docker
        self._container = container

    def wire(self, request: WireRequest, progress: Progress = _silent) -> WireReport:
        """Lay these cables and take away every other one."""
        return codec.decode(WireReport, self._ask("wire", request, progress))  # type: ignore[no-any-return]

    def observe(self, request: WireRequest) -> WireReport:
        """Say which of these cables are as they should be."""
        return codec.decode(WireReport, self._ask("observe", request))  # type: ignore[no-any-return]

    def look(self, request: LookRequest) -> LookReport:
        """Say what the fabric's and the nodes' namespaces hold."""
        return codec.decode(LookReport, self._ask("look", request))  # type: ignore[no-any-return]

    def listen(self, request: ListenRequest, progress: Progress = _silent) -> ListenReport:
        """Say what listens in the nodes' namespaces."""
        return codec.decode(ListenReport, self._ask("listen", request, progress))  # type: ignore[no-any-return]

    def greet(self, request: GreetRequest, progress: Progress = _silent) -> GreetReport:
        """Greet services from inside their own nodes until they answer."""
        return codec.decode(GreetReport, self._ask("greet", request, progress))  # type: ignore[no-any-return]

    def sweep(self, request: SweepRequest, progress: Progress = _silent) -> SweepReport:
        """Send probes and say where each one ended."""
        return codec.decode(SweepReport, self._ask("sweep", request, progress))  # type: ignore[no-any-return]

    def trial(self, request: TrialRequest, progress: Progress = _silent) -> TrialReport:
        """Put other rules in force for the time of one sweep; the fabric puts the planned ones back by itself.

        Raises:
            PacslabError: nft refuses them, or the fabric's rules are not as loaded.
        """
        return codec.decode(TrialReport, self._ask("trial", request, progress))  # type: ignore[no-any-return]

    def settled(self, limit_s: float) -> bool:
        """Whether the rules in force are those that were loaded last, or become so within `limit_s`."""
        return bool(self._ask_file("settled", "settled.txt", str(limit_s).encode()))

    def load(self, ruleset: str) -> str:
        """Load a ruleset in one transaction.

        Returns:
            SHA-256 of its text, in hexadecimal.

        Raises:
            PacslabError: nft refuses it; nothing was changed.
        """
        return str(self._ask_file("load", "ruleset.nft", ruleset.encode())["sha256"])

    def ruleset(self) -> dict[str, Any]:
        """What the kernel has loaded: the document that `nft -j list ruleset` prints."""
        document: dict[str, Any] = self._run("ruleset", ())
        return document

    def monitor(self) -> Iterator[tuple[str, ...]]:
        """Changes of the loaded rules as they happen, as `nft monitor` writes them, until somebody ends it.

        What was written at once comes at once: a whole ruleset is one change, not thousands.
        """
        # Its own process id comes first, so that it can be ended: an engine lets an exec live on without its client.
        stream = self._docker.exec_stream(self._container, ("sh", "-c", "echo $$; exec nft monitor"))
        lines, pid = _Lines(), ""
        try:
            for name, chunk in stream:
                said = [line.decode(errors="replace") for line in lines.take(chunk)] if name == "stdout" else []
                if said and not pid:
                    pid, *said = said
                if said:
                    yield tuple(said)
        finally:
            if pid.isdigit():
                self._docker.exec(self._container, ("kill", pid))

    def _ask(self, verb: str, request: Any, progress: Progress = _silent) -> Any:
        return self._ask_file(verb, f"{verb}.json", codec.dumps(request).encode(), progress)

    def _ask_file(self, verb: str, name: str, data: bytes, progress: Progress = _silent) -> Any:
        path = f"{_FOLDER}/{name}"
        self._docker.put_files(self._container, ((File(path, "", 0o600, 0), data),))
        return self._run(verb, (path,), progress)

    def _run(self, verb: str, arguments: tuple[str, ...], progress: Progress = _silent) -> Any:
        argv = ("python3", "-m", "pacslab.fabric", verb, *arguments)
        stream = self._docker.exec_stream(self._container, argv)
        lines, errors = _Lines(), bytearray()
        last: dict[str, Any] = {}
        for name, chunk in stream:
            if name == "stderr":
                errors += chunk
                continue
            for line in lines.take(chunk):
                last = json.loads(line)
                if last["event"] == "progress":
                    progress(str(last["step"]), int(last["done"]), int(last["total"]))
        match last.get("event"):
            case "result":
                return last["value"]
            case "error":
                raise PacslabError(f"the fabric cannot {verb}: {last['message']}", hint=last.get("hint", ""))
        tail = errors.decode(errors="replace").strip().splitlines()[-12:]
        raise PacslabError(
            f"the fabric ended without an answer to {verb} (exit {stream.exit_code})\n" + "\n".join(tail),
            hint="see its log with: docker logs " + self._container,
            exit_code=Exit.REFUSED,
        )


class _Lines:
    """Chunks -> whole lines."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, chunk: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line for line in lines if line.strip()]
