"""A target -> the sockets that probe from it and watch its end of the cable, all in its own namespace."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from pacslab.fabric.capture import Capture
from pacslab.fabric.netns import inside, open_namespace
from pacslab.fabric.refusal import NotANode
from pacslab.fabric.wiring import NODE_INTERFACE
from pacslab.model.sweep import Target

RESET_ON_CLOSE = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 s: neither end keeps anything
_SIOCGIFADDR, _SIOCGIFFLAGS = 0x8915, 0x8913
_IFF_UP = 1


@dataclass(frozen=True, slots=True)
class Position:
    """A node's own place in the lab."""

    target: Target
    address: int
    mac: bytes  # of its end of the cable
    namespace: int  # file descriptor: the same namespace to the end of the sweep, whatever happens to the process
    capture: Capture
    sender: socket.socket  # sends IPv4 packets as they are, through the node's own routes, by its own cable
    framer: socket.socket  # puts packets on the cable past the node's routes
    extras: tuple[str, ...] = ()  # links and IPv6 addresses that are not the cable's own

    def stream(self, version: int = 4, *, by_cable: bool = True) -> socket.socket:
        """A TCP socket of this node, non-blocking."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with inside(self.namespace):
            stream = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if by_cable:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, NODE_INTERFACE.encode())
        return stream

    def close(self) -> None:
        """Leave the position."""
        self.capture.close()
        self.sender.close()
        self.framer.close()
        os.close(self.namespace)


@dataclass(frozen=True, slots=True)
class Seat:
    """A target's place in a sweep: who should be there, and its position if somebody is."""

    target: Target
    address: int
    text: str  # the address, as sockets want it
    position: Position | None
    absence: str = ""  # why there is no position


def take_seat(target: Target) -> Seat:
    """Open a target's position if its process, namespace and cable are there."""
    address, text = int(target.address), str(target.address)
    try:
        return Seat(target, address, text, take(target))
    except NotANode as refusal:
        return Seat(target, address, text, None, refusal.message)


def take(target: Target) -> Position:
    """Open a target's position.

    Raises:
        NotANode: Its process is gone, or its cable does not end there.
    """
    namespace = open_namespace(target.pid)
    try:
        with inside(namespace):
            return _open(target, namespace)
    except BaseException:
        os.close(namespace)
        raise


def _open(target: Target, namespace: int) -> Position:
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW)
    try:
        _refuse_other(target, sender)
        # Whatever is wrong with the node's routes: a probe leaves by the cable or not at all.
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, NODE_INTERFACE.encode())
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        framer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
        extras = tuple(extra_links({NODE_INTERFACE})) + tuple(extra_addresses(target.address6))
        capture = Capture(NODE_INTERFACE)
    except BaseException:
        sender.close()
        raise
    mac = capture.socket.getsockname()[4]
    return Position(target, int(target.address), mac, namespace, capture, sender, framer, extras)


def extra_links(own: Collection[str]) -> Iterator[str]:
    """Links of the namespace this thread is in that are up and not its own; loopback is everybody's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asker:
        for _, name in socket.if_nameindex():
            request = struct.pack("16sh22x", name.encode(), 0)
            (flags,) = struct.unpack_from("h", fcntl.ioctl(asker.fileno(), _SIOCGIFFLAGS, request), 16)
            if flags & _IFF_UP and name != "lo" and name not in own:
                yield f"link {name}"


def extra_addresses(own: IPv6Address | None) -> Iterator[str]:
    """IPv6 addresses of the namespace this thread is in that are not its own; loopback's is everybody's."""
    file = Path("/proc/thread-self/net/if_inet6")
    if file.exists():  # not with a kernel without IPv6
        for line in file.read_text(encoding="ascii").splitlines():
            number, *_, link = line.split()
            address = IPv6Address(int(number, 16))
            if link != "lo" and address != own:
                yield f"address {address} on {link}"


def _refuse_other(target: Target, sock: socket.socket) -> None:
    """A process id may have gone to another process since the host looked."""
    request = struct.pack("16s16x", NODE_INTERFACE.encode())
    try:
        found = IPv4Address(fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, request)[20:24])
    except OSError:
        raise NotANode(f"{target.node} has no {NODE_INTERFACE} with an address") from None
    if found != target.address:
        raise NotANode(f"{NODE_INTERFACE} of {target.node} has {found}, not {target.address}")
