"""A log entry says who was denied what, by names."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest

from pacslab.firewall.denials import Denied, name_denial
from pacslab.model.plan import Plan


def _ipv4(source: str, destination: str, protocol: int, transport: bytes, options: bytes = b"") -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 0, 0, 0, 64, protocol, 0)
    return head + IPv4Address(source).packed + IPv4Address(destination).packed + options + transport


SYN = struct.pack("!HHIIBBHHH", 40000, 2762, 1, 0, 0x50, 2, 0, 0, 0)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (_ipv4("198.18.60.11", "198.18.20.10", 6, SYN), ("vendor-remote/vendor-1", "pacs-core/pacs", "dicom-tls")),
        (_ipv4("198.18.60.11", "198.18.20.10", 17, SYN), ("vendor-remote/vendor-1", "pacs-core/pacs", "2762/udp")),
        (_ipv4("198.18.60.11", "8.8.8.8", 6, SYN, b"\x01" * 4), ("vendor-remote/vendor-1", "8.8.8.8", "2762/tcp")),
        (_ipv4("198.18.60.11", "198.18.20.10", 1, b"\x08"), ("vendor-remote/vendor-1", "pacs-core/pacs", "icmp")),
        (b"\x60" + bytes(5) + b"\x3a\xff" + IPv6Address("fe80::1").packed + IPv6Address("ff02::1").packed,
         ("fe80::1", "ff02::1", "icmpv6")),
    ],
)  # fmt: skip
def test_zone_and_node_are_recovered(minimal: Plan, packet: bytes, expected: tuple[str, str, str]) -> None:
    assert name_denial(minimal, "pacslab:no-conduit ", packet) == Denied("no-conduit", *expected)


WHOLE = _ipv4("198.18.60.11", "198.18.20.10", 6, SYN)


@pytest.mark.parametrize(
    ("prefix", "packet"),
    [("other", WHOLE), ("pacslab:x", b""), ("pacslab:x", WHOLE[:19]), ("pacslab:x", b"\x00" * 60)],
)
def test_what_is_no_entry_of_ours_has_no_name(minimal: Plan, prefix: str, packet: bytes) -> None:
    assert name_denial(minimal, prefix, packet) is None
