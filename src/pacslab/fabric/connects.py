"""Probes to confirm -> full TCP connections from their sources' namespaces, many at a time."""

from __future__ import annotations

import errno
import itertools
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import Ledger
from pacslab.fabric.position import RESET_ON_CLOSE, Position
from pacslab.fabric.volley import source_port
from pacslab.model.sweep import Address, Confirmation, Connect

OUTCOMES = {
    0: Connect.CONNECTED,
    errno.ECONNREFUSED: Connect.REFUSED,
    errno.ECONNRESET: Connect.REFUSED,
    errno.ETIMEDOUT: Connect.TIMED_OUT,
}  # anything else: unreachable
_AT_ONCE = 128
_TRIES = 2
_LOOK_S = 0.02


@dataclass(slots=True)
class Connection:
    """A connection being tried, or how it ended."""

    probe: int
    position: Position | None
    source: Address
    destination: Address
    to_port: int
    at: int  # target that should see it
    tries: int = 0
    outcome: Connect = Connect.NOT_TRIED
    port: int = 0
    started: float = 0.0
    stream: socket.socket | None = None
    error: int = 0  # errno so far; EINPROGRESS while it is under way
    source_seen: Address | None = None

    @property
    def confirmation(self) -> Confirmation:
        """What the host is told."""
        return Confirmation(self.probe, self.outcome, self.tries, self.source_seen)


@dataclass(slots=True)
class Connections:
    """Connects, each at most twice."""

    ledger: Ledger
    ears: Ears
    timeout_s: float
    # All sources share one walk, so that a port names one connection at the receiver.
    _walk: itertools.count[int] = field(default_factory=lambda: itertools.count(random.getrandbits(14)))

    def confirm(self, wanted: Iterable[Connection]) -> tuple[Connection, ...]:
        """Try each; says how it ended and which source the receiver saw."""
        connections = tuple(wanted)
        waiting = deque(one for one in connections if one.position is not None)
        flying: dict[int, Connection] = {}
        with select.epoll() as poll:
            while waiting or flying:
                while waiting and len(flying) < _AT_ONCE:
                    connection = waiting.popleft()
                    number = self._start(connection)
                    flying[number] = connection
                    poll.register(number, select.EPOLLOUT)
                ready = {number for number, _ in poll.poll(_LOOK_S)}
                self.ears.hear()
                for number, connection in list(flying.items()):
                    if not self._is_over(connection, is_ready=number in ready):
                        continue
                    del flying[number]
                    self._finish(connection)
                    if connection.outcome is not Connect.CONNECTED and connection.tries < _TRIES:
                        waiting.append(connection)
        return connections

    def _start(self, connection: Connection) -> int:
        if connection.position is None:
            raise ValueError(f"probe {connection.probe} has no position to connect from")
        version = connection.destination.version
        connection.stream = stream = connection.position.stream(version)
        connection.tries += 1
        connection.started = time.monotonic()
        connection.error = errno.EADDRINUSE
        while connection.error == errno.EADDRINUSE:  # the node may listen, or be connected, on any one of them
            connection.port = source_port(next(self._walk))
            try:
                stream.bind((str(connection.source), connection.port))
                connection.error = stream.connect_ex((str(connection.destination), connection.to_port))
            except OSError as error:
                connection.error = error.errno or errno.EIO
        return stream.fileno()

    def _is_over(self, connection: Connection, *, is_ready: bool) -> bool:
        """Whether the connection ended in one way or other; sets its outcome."""
        if connection.error == errno.EINPROGRESS and is_ready and connection.stream is not None:
            connection.error = connection.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        elif connection.error == errno.EINPROGRESS:
            connection.outcome = Connect.TIMED_OUT
            return time.monotonic() - connection.started >= self.timeout_s
        connection.outcome = OUTCOMES.get(connection.error, Connect.UNREACHABLE)
        return True

    def _finish(self, connection: Connection) -> None:
        if connection.stream is not None:
            connection.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            connection.stream.close()
            connection.stream = None
        version = connection.destination.version
        seen = self.ledger.connects.get((connection.at, version, connection.port, connection.to_port))
        if seen is not None:
            connection.source_seen = IPv4Address(seen) if version == 4 else IPv6Address(seen)
