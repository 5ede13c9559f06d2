"""Packets: checksums against RFC 1071's and a real kernel's, and what is built is what is read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacslab.fabric import packets
from pacslab.fabric.packets import (
    ACK,
    ICMP,
    ICMPV6,
    RST,
    SYN,
    TCP,
    UDP,
    Ends,
    Segment,
    checksum,
    fragments,
    icmp_packet,
    is_echo_reply,
    other_packet,
    parse,
    tcp_packet,
    udp_packet,
)

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
PORTS = st.tuples(U16, U16)

# A SYN of Linux 6.18 as it passed a firewall: 198.18.0.12:37684 -> 198.18.0.11:104, its header's checksum final.
KERNEL_SYN = bytes.fromhex(
    "4500003c223440003f068d4cc612000cc612000b933400684a673ef500000000a002faf08c6a0000"
    "020405b40402080a1e47c3e2000000000103030a",
)
# A SYN from a machine without checksum offload, RFC 1071's sum over pseudo header and segment.
RFC_1071_EXAMPLE = bytes.fromhex("0001f203f4f5f6f7")


def pseudo_sum(packet: bytes, protocol: int) -> int:
    """What a receiver computes over a valid segment, and finds to be nothing."""
    segment = packet[20:]
    return checksum(packet[12:20] + struct.pack("!HH", protocol, len(segment)) + segment)


def test_checksum_of_the_rfcs_own_example() -> None:
    assert checksum(RFC_1071_EXAMPLE) == ~0xDDF2 & 0xFFFF


def test_checksum_of_a_header_a_kernel_made() -> None:
    header = KERNEL_SYN[:20]
    assert checksum(header) == 0
    assert checksum(header[:10] + b"\0\0" + header[12:]) == int.from_bytes(header[10:12], "big")


@given(st.binary(max_size=200))
def test_appending_the_checksum_makes_the_sum_nothing(data: bytes) -> None:
    even = data + bytes(len(data) % 2)
    assert checksum(even + checksum(even).to_bytes(2, "big")) == 0


@given(U32, U32, PORTS, U32)
def test_a_tcp_probe_is_valid_and_reads_back(
    source: int, destination: int, ports: tuple[int, int], number: int
) -> None:
    packet = tcp_packet(Ends(source, destination), ports, number=number)
    assert checksum(packet[:20]) == 0
    assert pseudo_sum(packet, TCP) == 0
    assert int.from_bytes(packet[2:4], "big") == len(packet)
    assert parse(packet) == Segment(source, destination, TCP, *ports, SYN, number)


@given(U32, U32, PORTS, U32)
def test_a_udp_probe_is_valid_and_reads_back(
    source: int, destination: int, ports: tuple[int, int], number: int
) -> None:
    packet = udp_packet(Ends(source, destination), ports, number=number)
    assert checksum(packet[:20]) == 0
    assert pseudo_sum(packet, UDP) == 0
    assert packet[26:28] != b"\0\0"  # RFC 768: would mean that there is none
    assert parse(packet) == Segment(source, destination, UDP, *ports, number=number)


def test_a_udp_checksum_of_nothing_is_sent_as_all_ones() -> None:
    # RFC 768: zero means that there is none. A port of 0 leaves out what is to be summed up to zero.
    rest = ~int.from_bytes(udp_packet(Ends(1, 2), (0, 4), number=5)[26:28], "big") & 0xFFFF
    packet = udp_packet(Ends(1, 2), (~rest & 0xFFFF, 4), number=5)
    assert packet[26:28] == b"\xff\xff"


@given(U32, U32, PORTS, U32)
def test_a_reply_names_the_number_it_answers(
    source: int, destination: int, ports: tuple[int, int], number: int
) -> None:
    after = (number + 1) & 0xFFFFFFFF
    packet = tcp_packet(Ends(source, destination), ports, number=7, flags=RST | ACK, acknowledge=after)
    segment = parse(packet)
    assert segment is not None
    assert (segment.flags, segment.acknowledged) == (RST | ACK, number)


def test_a_real_kernels_syn_is_read() -> None:
    assert parse(KERNEL_SYN) == Segment(0xC612000C, 0xC612000B, TCP, 37684, 104, SYN, 0x4A673EF5)


@pytest.mark.parametrize("kind", [3, 11, 12])
@pytest.mark.parametrize("quoted_bytes", [28, 60])  # RFC 792 asks for eight bytes after the header, kernels give more
def test_an_icmp_error_names_the_packet_it_is_about(kind: int, quoted_bytes: int) -> None:
    head = bytes.fromhex("4500001c000040004001") + b"\0\0" + bytes(8)
    segment = parse(head + bytes([kind, 10, 0, 0, 0, 0, 0, 0]) + KERNEL_SYN[:quoted_bytes])
    assert segment is not None
    assert segment.protocol == ICMP
    assert segment.quoted is not None
    assert (segment.quoted.number, segment.quoted.destination_port) == (0x4A673EF5, 104)


def test_an_echo_reply_quotes_nothing() -> None:
    head = bytes.fromhex("4500001c000040004001") + b"\0\0" + bytes(8)
    segment = parse(head + bytes(4) + b"\0\1\0\2" + KERNEL_SYN)
    assert segment == Segment(0, 0, ICMP, number=0x10002)
    assert is_echo_reply(segment)


def test_a_later_fragment_is_nobodys() -> None:
    assert parse(KERNEL_SYN[:6] + b"\x00\x10" + KERNEL_SYN[8:]) is None


def test_other_datagrams_carry_no_id() -> None:
    packet = udp_packet(Ends(1, 2), (3, 4), number=5)
    assert parse(packet.replace(packets.MARK, b"somebody")) == Segment(1, 2, UDP, 3, 4)


@given(st.binary(max_size=80))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    parse(data)


@given(st.integers(0, 120))
def test_a_packet_cut_short_is_read_as_far_as_it_goes(length: int) -> None:
    segment = parse(KERNEL_SYN[:length])
    assert (segment is not None) == (length >= 28)


ENDS6 = st.builds(Ends, st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1), st.just(6))
ENDS = st.one_of(st.builds(Ends, U32, U32, st.just(4)), ENDS6)


def sum_of(packet: bytes, ends: Ends, protocol: int) -> int:
    """What a receiver of either family computes over a valid segment, and finds to be nothing."""
    segment, size = (packet[20:], 4) if ends.version == 4 else (packet[40:], 16)
    addresses = ends.source.to_bytes(size, "big") + ends.destination.to_bytes(size, "big")
    return checksum(addresses + struct.pack("!HH", protocol, len(segment)) + segment)


@given(ENDS6, PORTS, U32)
def test_ipv6_probes_are_valid_and_read_back(ends: Ends, ports: tuple[int, int], number: int) -> None:
    tcp, udp = tcp_packet(ends, ports, number=number), udp_packet(ends, ports, number=number)
    assert (sum_of(tcp, ends, TCP), sum_of(udp, ends, UDP)) == (0, 0)
    assert int.from_bytes(tcp[4:6], "big") == len(tcp) - 40
    assert parse(tcp) == Segment(ends.source, ends.destination, TCP, *ports, SYN, number, version=6)
    assert parse(udp) == Segment(ends.source, ends.destination, UDP, *ports, number=number, version=6)


@given(ENDS, U32)
def test_echo_requests_are_valid_and_read_back(ends: Ends, number: int) -> None:
    protocol, word = (ICMP, 8 << 8) if ends.version == 4 else (ICMPV6, 128 << 8)
    packet = icmp_packet(ends, protocol, word, number=number)
    assert (checksum(packet[20:]) if ends.version == 4 else sum_of(packet, ends, ICMPV6)) == 0
    segment = parse(packet)
    assert segment is not None
    assert segment == Segment(ends.source, ends.destination, protocol, word, number=number, version=ends.version)
    assert not is_echo_reply(segment)


@given(ENDS, PORTS, U32)
def test_a_packet_of_any_protocol_carries_ports_and_an_id(ends: Ends, ports: tuple[int, int], number: int) -> None:
    segment = parse(other_packet(ends, 132, ports, number=number))
    assert segment == Segment(ends.source, ends.destination, 132, *ports, number=number, version=ends.version)


@given(U32, U32, PORTS, U32)
def test_fragments_put_together_are_the_packet(
    source: int, destination: int, ports: tuple[int, int], number: int
) -> None:
    whole = tcp_packet(Ends(source, destination), ports, number=number)
    first, rest = fragments(whole)
    assert first[20:] + rest[20:] == whole[20:]
    assert (first[4:6], checksum(first[:20]), checksum(rest[:20])) == (rest[4:6], 0, 0)
    assert [int.from_bytes(piece[6:8], "big") for piece in (first, rest)] == [0x2000, 1]
    seen = parse(first)
    assert seen is not None
    assert (seen.number, seen.destination_port, seen.flags) == (number, ports[1], 0)  # no flags before the second
    assert parse(rest) is None
