"""Netlink messages <-> bytes, and the socket that carries them.

pyroute2 would do; but its 0.7 and 0.9 differ in when a socket is opened, which decides its namespace, its import takes
as long as wiring a whole lab, and one datagram can hold all the messages of a cable's end.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

ROUTE = 0  # NETLINK_ROUTE
NETFILTER = 12  # NETLINK_NETFILTER

REQUEST = 0x1
ACK = 0x4
CREATE_NEW = 0x400 | 0x200  # NLM_F_CREATE | NLM_F_EXCL
REPLACE = 0x400 | 0x100  # NLM_F_CREATE | NLM_F_REPLACE
DUMP = 0x300
NESTED = 0x8000  # NLA_F_NESTED
TYPE_MASK = 0x3FFF

_ERROR, _DONE = 2, 3
_ACK_TLVS = 0x200
_EXTENDED_MESSAGE = 1  # NLMSGERR_ATTR_MSG
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_SOL_NETLINK = 270
_CAP_ACK, _EXT_ACK = 10, 11
_SO_RCVBUFFORCE = 33
_RECEIVE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Message:
    """One request: its type, flags besides REQUEST, and what follows the header."""

    kind: int
    flags: int
    body: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | NESTED, b"".join(attributes))


def attributes(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """The (type, payload) pairs in `data` from `offset` on; stops where the bytes stop making sense."""
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > end:
            return
        yield kind & TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def messages(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The (type, flags, sequence, body) of every message in a datagram."""
    offset = 0
    while offset + 16 <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < 16:
            return
        yield kind, flags, sequence, datagram[offset + 16 : offset + length]
        offset += (length + 3) & ~3


class Netlink:
    """A netlink socket in the namespace the thread is in when it is opened."""

    def __init__(self, protocol: int, receive_buffer_bytes: int = 0) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self.socket.bind((0, 0))
        self.socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self.socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        if receive_buffer_bytes:
            enlarge_receive_buffer(self.socket, receive_buffer_bytes)
        self._sequence = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def request(self, requests: Sequence[Message]) -> None:
        """Send all requests in one datagram and wait until the kernel has acknowledged each.

        Raises:
            OSError: The kernel refused one of them; the others were tried as well.
        """
        failures = [failure for failure in self.attempt(requests) if failure is not None]
        if failures:
            raise failures[0]

    def attempt(self, requests: Sequence[Message]) -> list[OSError | None]:
        """As `request`, but returns what the kernel said to each."""
        first = self._send(requests, ACK)
        answers: list[OSError | None] = [None] * len(requests)
        waiting = len(requests)
        while waiting:
            for kind, flags, sequence, body in messages(self.socket.recv(_RECEIVE_BYTES)):
                if kind == _ERROR and 0 <= sequence - first < len(requests):
                    answers[sequence - first] = _failure(flags, body)
                    waiting -= 1
        return answers

    def dump(self, request: Message) -> list[bytes]:
        """Send one dump request; returns the bodies of all messages of the answer.

        Raises:
            OSError: The kernel refused it.
        """
        first = self._send([request], DUMP)
        bodies: list[bytes] = []
        while True:
            for kind, flags, sequence, body in messages(self.socket.recv(_RECEIVE_BYTES)):
                if sequence != first:
                    continue
                if kind == _DONE:
                    return bodies
                if kind == _ERROR:
                    raise _failure(flags, body) or OSError(0, "netlink acknowledged a dump")
                bodies.append(body)

    def _send(self, requests: Iterable[Message], flags: int) -> int:
        numbered = [(next(self._sequence), request) for request in requests]
        self.socket.send(
            b"".join(
                _HEADER.pack(16 + len(r.body), r.kind, REQUEST | flags | r.flags, number, 0)
                + r.body
                + bytes(-len(r.body) % 4)
                for number, r in numbered
            ),
        )
        return numbered[0][0]


def _failure(flags: int, body: bytes) -> OSError | None:
    number = -struct.unpack_from("=i", body)[0]
    if number == 0:
        return None
    text = os.strerror(number)
    if flags & _ACK_TLVS:
        extended = dict(attributes(body, 20)).get(_EXTENDED_MESSAGE, b"").rstrip(b"\0").decode(errors="replace")
        text = f"{text} ({extended})" if extended else text
    return OSError(number, text)


def enlarge_receive_buffer(sock: socket.socket, size_bytes: int) -> None:
    """Give a socket a receive buffer of `size_bytes`, beyond net.core.rmem_max where that is permitted."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
    with suppress(PermissionError):  # in a user namespace the limit of rmem_max stays
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size_bytes)
