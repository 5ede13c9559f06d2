"""An operation's outcome and the time it took -> the observation a device prints."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from pacslab.model.device import Layer, Observation


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one exchange ended: which layer answered or refused, and what it said."""

    ok: bool
    layer: Layer
    status: str
    detail: str = ""


DONE = Outcome(ok=True, layer=Layer.LOCAL, status="done")


@dataclass(frozen=True, slots=True)
class Watch:
    """An operation that has begun."""

    operation: str
    peer: str
    started: float

    def end(self, outcome: Outcome, **facts: Any) -> Observation:
        """Say how the operation ended."""
        return Observation(
            operation=self.operation,
            peer=self.peer,
            ok=outcome.ok,
            layer=outcome.layer,
            status=outcome.status,
            detail=outcome.detail,
            elapsed_s=round(time.monotonic() - self.started, 4),
            facts=facts,
        )


def begin(operation: str, peer: str = "") -> Watch:
    """Start the clock of an operation."""
    return Watch(operation, peer, time.monotonic())


def say(text: str) -> None:
    """Write one line of progress or log to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def network_failure(error: OSError) -> str:
    """Name a connection's failure in a few fixed words."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "connection reset"
    return (error.strerror or str(error)).lower()


def wait_forever() -> Outcome:
    """Wait for SIGTERM or SIGINT, which end the process."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say("stopped")
    return Outcome(True, Layer.LOCAL, "stopped")
