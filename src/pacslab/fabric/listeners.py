"""Plugs -> every socket that listens in each node's namespace, TCP and UDP, with the program that holds it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from pacslab.fabric.netns import inside, open_namespace
from pacslab.fabric.refusal import NotANode
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Listener, ListenReport, ListenRequest, Unseen

Progress = Callable[[str, int, int], None]

# proc_net_tcp(5): local address, remote address, state; inode in the tenth column. `/proc` and not sock_diag, whose
# kernel modules (tcp_diag, udp_diag) many hosts lack.
_TABLES = (("tcp", Protocol.TCP), ("tcp6", Protocol.TCP), ("udp", Protocol.UDP), ("udp6", Protocol.UDP))
# net/tcp_states.h: a TCP socket that listens is TCP_LISTEN; a bound UDP socket without a peer is TCP_CLOSE.
_WAITING = {Protocol.TCP: "0A", Protocol.UDP: "07"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A socket that waits, as the kernel lists it."""

    address: IPv4Address | IPv6Address
    port: int
    inode: int


def listen(request: ListenRequest, progress: Progress) -> ListenReport:
    """Say what listens in every node that can be looked into, and which node cannot, and why."""
    found: list[tuple[str, Protocol, Waiting]] = []
    unseen: list[Unseen] = []
    namespaces: set[tuple[int, int]] = set()
    for done, plug in enumerate(request.plugs, 1):
        try:
            identity, tables = _tables(plug.pid)
        except NotANode as refusal:
            unseen.append(Unseen(plug.cable.node, refusal.message))
        else:
            namespaces.add(identity)
            found += [
                (plug.cable.node, protocol, one) for protocol, table in tables for one in waiting(table, protocol)
            ]
        progress("listeners", done, len(request.plugs))
    holders = _holders(namespaces)
    sockets = (Listener(node, protocol, w.address, w.port, holders.get(w.inode, "")) for node, protocol, w in found)
    return ListenReport(tuple(sockets), tuple(unseen))


def _tables(pid: int) -> tuple[tuple[int, int], list[tuple[Protocol, str]]]:
    """The identity of a node's namespace, and its tables of sockets."""
    namespace = open_namespace(pid)
    try:
        status = os.fstat(namespace)
        with inside(namespace):
            # A thread's own view: `/proc/net` would be that of the process's first thread.
            return (status.st_dev, status.st_ino), [(protocol, _read(name)) for name, protocol in _TABLES]
    finally:
        os.close(namespace)


def _read(table: str) -> str:
    try:
        return Path("/proc/thread-self/net", table).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""  # a kernel without IPv6


def waiting(table: str, protocol: Protocol) -> Iterator[Waiting]:
    """Every socket in a table of `/proc/net` that waits for whoever comes."""
    for line in table.splitlines()[1:]:
        columns = line.split()
        if columns[3] == _WAITING[protocol]:
            address, port = columns[1].split(":")
            yield Waiting(_address(address), int(port, 16), int(columns[9]))


def _address(text: str) -> IPv4Address | IPv6Address:
    """Words of 32 bits, each printed as this machine's number of what stands in memory in network order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


def _holders(namespaces: set[tuple[int, int]]) -> dict[int, str]:
    """Socket inode -> name of the first program that holds it, of the programs that live in these namespaces."""
    holders: dict[int, str] = {}
    mount = _socket_mount()
    for process in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with suppress(OSError):  # a program may end while it is looked at, or not let anybody look
            own = os.stat(f"/proc/{process}/ns/net")  # noqa: PTH116 - as netns does
            if (own.st_dev, own.st_ino) in namespaces:
                name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
                for inode in _sockets(process, mount):
                    holders.setdefault(inode, name)
    return holders


def _sockets(process: int, mount: str) -> Iterator[int]:
    # `fdinfo` and not `fd`: the latter is its owner's, and the fabric has no capability to read other people's files.
    # Kernels before 5.14 name no inode there: the program cannot be told then.
    for descriptor in os.scandir(f"/proc/{process}/fdinfo"):
        with suppress(OSError):
            fields = _fields(Path(descriptor.path))
            if fields.get("mnt_id") == mount and "ino" in fields:
                yield int(fields["ino"])


def _socket_mount() -> str:
    """The mount that all sockets live on: inodes of other mounts may have the same numbers."""
    with socket.socket(socket.AF_UNIX) as own:
        return _fields(Path(f"/proc/self/fdinfo/{own.fileno()}")).get("mnt_id", "")


def _fields(file: Path) -> dict[str, str]:
    """Of proc_pid_fdinfo(5): lines of a name, a colon, a tab and a value."""
    pairs = (line.partition(":") for line in file.read_text(encoding="ascii", errors="replace").splitlines())
    return {name: value.strip() for name, _, value in pairs}
