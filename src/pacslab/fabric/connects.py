"""Probes to confirm -> full TCP connections from their sources' namespaces, many at a time."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import Ledger
from pacslab.fabric.position import Seat
from pacslab.fabric.volley import Ports
from pacslab.model.fabric import Connect, Probe

_AT_ONCE = 128
_TRIES = 2
_LOOK_S = 0.02
_RESET_ON_CLOSE = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 s: neither end keeps anything
_CONNECTIONS = 0  # all sources share one walk, so that a port names one connection at the receiver
_OUTCOMES = {
    0: Connect.CONNECTED,
    errno.ECONNREFUSED: Connect.REFUSED,
    errno.ECONNRESET: Connect.REFUSED,
    errno.ETIMEDOUT: Connect.TIMED_OUT,
}  # anything else: unreachable


@dataclass(slots=True)
class Connection:
    """A connection being tried, or how it ended."""

    index: int
    probe: Probe
    tries: int = 0
    outcome: Connect = Connect.NOT_TRIED
    port: int = 0
    started: float = 0.0
    stream: socket.socket | None = None
    error: int = 0  # errno so far; EINPROGRESS while it is under way
    source_seen: IPv4Address | None = None


def confirm(
    probes: Iterable[tuple[int, Probe]],
    seats: Mapping[str, Seat],
    *,
    ledger: Ledger,
    ears: Ears,
    ports: Ports,
    timeout_s: float,
) -> tuple[Connection, ...]:
    """Connect for each (index, probe), at most twice; says how it ended and which source the receiver saw."""
    connections = [Connection(index, probe) for index, probe in probes]
    waiting = deque(connection for connection in connections if seats[connection.probe.source].position)
    flying: dict[int, Connection] = {}
    with select.epoll() as poll:
        while waiting or flying:
            while waiting and len(flying) < _AT_ONCE:
                connection = waiting.popleft()
                number = _start(connection, seats, ports)
                flying[number] = connection
                poll.register(number, select.EPOLLOUT)
            ready = {number for number, _ in poll.poll(_LOOK_S)}
            ears.hear()
            for number, connection in list(flying.items()):
                if not _is_over(connection, timeout_s, is_ready=number in ready):
                    continue
                del flying[number]
                _finish(connection, ledger, seats)
                if connection.outcome is not Connect.CONNECTED and connection.tries < _TRIES:
                    waiting.append(connection)
    return tuple(connections)


def _start(connection: Connection, seats: Mapping[str, Seat], ports: Ports) -> int:
    source, destination = seats[connection.probe.source], seats[connection.probe.destination]
    if source.position is None:
        raise ValueError(f"{connection.probe.source} has no position to connect from")
    connection.stream = stream = source.position.stream()
    connection.tries += 1
    connection.started = time.monotonic()
    connection.error = errno.EADDRINUSE
    while connection.error == errno.EADDRINUSE:  # the node may listen, or be connected, on any one of them
        connection.port = ports.take(_CONNECTIONS)
        try:
            stream.bind((source.text, connection.port))
            connection.error = stream.connect_ex((destination.text, connection.probe.port))
        except OSError as error:
            connection.error = error.errno or errno.EIO
    return stream.fileno()


def _is_over(connection: Connection, timeout_s: float, *, is_ready: bool) -> bool:
    """Whether the connection ended in one way or other; sets its outcome."""
    if connection.error == errno.EINPROGRESS and is_ready and connection.stream is not None:
        connection.error = connection.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    elif connection.error == errno.EINPROGRESS:
        connection.outcome = Connect.TIMED_OUT
        return time.monotonic() - connection.started >= timeout_s
    connection.outcome = _OUTCOMES.get(connection.error, Connect.UNREACHABLE)
    return True


def _finish(connection: Connection, ledger: Ledger, seats: Mapping[str, Seat]) -> None:
    if connection.stream is not None:
        connection.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.stream.close()
        connection.stream = None
    at = seats[connection.probe.destination].address
    seen = ledger.connects.get((at, connection.port, connection.probe.port))
    connection.source_seen = IPv4Address(seen) if seen is not None else connection.source_seen
