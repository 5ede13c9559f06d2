"""Tables of `/proc/net`, as this kernel writes them of sockets made here."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

import pytest

from pacslab.fabric import listeners
from pacslab.fabric.listeners import waiting
from pacslab.model.dicom import Protocol

TCP, UDP = (socket.SOCK_STREAM, Protocol.TCP), (socket.SOCK_DGRAM, Protocol.UDP)


def _table(name: str) -> str:
    return Path("/proc/self/net", name).read_text(encoding="ascii")


@pytest.mark.parametrize(
    ("family", "kind", "name", "address"),
    [
        (socket.AF_INET, TCP, "tcp", "127.0.0.1"),
        (socket.AF_INET, TCP, "tcp", "0.0.0.0"),  # noqa: S104
        (socket.AF_INET, UDP, "udp", "127.0.0.1"),
        (socket.AF_INET6, TCP, "tcp6", "::1"),
        (socket.AF_INET6, TCP, "tcp6", "::"),
        (socket.AF_INET6, UDP, "udp6", "::1"),
    ],
)
def test_a_socket_that_waits_is_found_with_its_address_and_inode(
    family: socket.AddressFamily, kind: tuple[socket.SocketKind, Protocol], name: str, address: str
) -> None:
    if family is socket.AF_INET6 and not Path("/proc/self/net/tcp6").exists():
        pytest.skip("this kernel has no IPv6")
    with socket.socket(family, kind[0]) as own:
        own.bind((address, 0))
        if kind is TCP:
            own.listen()
        port, inode = own.getsockname()[1], os.fstat(own.fileno()).st_ino
        assert (ip_address(address), port, inode) in [
            (one.address, one.port, one.inode) for one in waiting(_table(name), kind[1])
        ]


def test_connections_and_their_clients_are_not_listeners() -> None:
    with ExitStack() as sockets:
        server, client, caller = (sockets.enter_context(socket.socket()) for _ in range(3))
        caller.close()
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        accepted = sockets.enter_context(server.accept()[0])
        asker = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        asker.connect(("127.0.0.1", 53))
        inodes = {one.inode for one in (*waiting(_table("tcp"), Protocol.TCP), *waiting(_table("udp"), Protocol.UDP))}
        assert os.fstat(server.fileno()).st_ino in inodes
        for other in (client, accepted, asker):
            assert os.fstat(other.fileno()).st_ino not in inodes


def test_an_address_of_ipv4_written_in_ipv6_is_ipv4() -> None:
    line = "0: 0000000000000000FFFF00000100007F:1F90 0:0 0A 0:0 0:0 0 0 0 77 1"
    (one,) = waiting(f"sl\n{line}\n", Protocol.TCP)
    assert (str(one.address), one.port, one.inode) == ("127.0.0.1", 8080, 77)


def test_the_program_that_holds_a_socket_is_told() -> None:
    status = Path("/proc/self/ns/net").stat()
    with socket.socket() as own:
        holders = listeners._holders({(status.st_dev, status.st_ino)})
        inode = os.fstat(own.fileno()).st_ino
        if inode not in holders:
            pytest.skip("a kernel before 5.14 says no inode in fdinfo")
        assert holders[inode] == Path("/proc/self/comm").read_text().strip()


def test_programs_of_other_namespaces_are_not_asked() -> None:
    assert listeners._holders({(0, 0)}) == {}
