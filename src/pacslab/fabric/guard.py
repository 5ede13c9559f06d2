"""Planned rules and a time limit -> a process that puts them back when its parent is done, late or dead.

Whoever has other rules loaded may be killed at any moment (kill -9, out of memory, a closed laptop: an engine lets an
exec go on without its client, and ends it with the container only). The guard holds the other end of a pipe: the
kernel closes it with the parent, however that ends.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

_DONE = b"."


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard on its post."""

    pid: int
    pipe: int

    def dismiss(self) -> bool:
        """Tell the guard that the planned rules are back; returns whether it had nothing to do."""
        try:
            os.write(self.pipe, _DONE)
        except BrokenPipeError:  # it has acted, and is gone
            pass
        finally:
            os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status) == 0


def post(put_back: Callable[[], object], limit_s: float) -> Guard:
    """Start a guard that calls `put_back` unless it is dismissed in time.

    Args:
        put_back: Restores what was; it must be able to run twice.
        limit_s: How long the guard waits.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os._exit(_watch(reading, put_back, limit_s))
    os.close(reading)
    return Guard(pid, writing)


def _watch(pipe: int, put_back: Callable[[], object], limit_s: float) -> int:
    """Wait; returns the exit code: 0 if there was nothing to do, 3 if the rules were put back, 4 if they could not."""
    try:
        os.setsid()  # what ends the parent's group must not end its guard
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        ready, _, _ = select.select([pipe], [], [], limit_s)
        if ready and os.read(pipe, 1) == _DONE:
            return 0
        put_back()
    except BaseException as error:  # noqa: BLE001 - the last one here: nobody else could say it
        print(f"the guard could not put the planned rules back: {error}", file=sys.stderr, flush=True)
        return 4
    return 3
