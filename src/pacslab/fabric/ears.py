"""All captures and the firewall's log, polled together -> entries in the ledger."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping
from typing import Self

from pacslab.fabric.ledger import Ledger
from pacslab.fabric.nflog import Log
from pacslab.fabric.packets import parse
from pacslab.fabric.position import Position


class Ears:
    """Hears what happens at every node's end of its cable and at the firewall."""

    def __init__(self, positions: Mapping[int, Position], log: Log, ledger: Ledger) -> None:
        self._ledger = ledger
        self._log = log
        self._positions = {one.capture.socket.fileno(): (at, one) for at, one in positions.items()}
        self._poll = select.epoll()
        self._poll.register(log.socket.fileno(), select.EPOLLIN)
        for number in self._positions:
            self._poll.register(number, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._poll.close()

    def hear(self, timeout_s: float = 0.0) -> None:
        """Enter all that is waiting; if nothing is, wait for something at most so long."""
        for number, _ in self._poll.poll(timeout_s):
            found = self._positions.get(number)
            if found is None:
                self._read_log()
            else:
                self._read_capture(*found)

    def hear_until(self, is_over: Callable[[], bool], timeout_s: float) -> None:
        """Go on hearing until `is_over` says so or the time has passed; then once more, for what came with the last."""
        end = time.monotonic() + timeout_s
        while not is_over() and (left_s := end - time.monotonic()) > 0:
            self.hear(left_s)
        self.hear()

    def deafened(self) -> set[int]:
        """The targets whose capture lost packets since the last call."""
        return {at for at, position in self._positions.values() if position.capture.losses()}

    @property
    def lost_entries(self) -> int:
        """How many of the log's entries the kernel could not hand over."""
        return self._log.lost

    def _read_log(self) -> None:
        for entry in self._log.entries():
            self._ledger.note_drop(entry.prefix, parse(entry.packet))

    def _read_capture(self, at: int, position: Position) -> None:
        note = self._ledger.note_frame
        for outgoing, data in position.capture.frames():
            segment = parse(data)
            if segment is not None:
                note(at, segment, outgoing=outgoing)
