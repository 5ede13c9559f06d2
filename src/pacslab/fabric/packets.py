"""Probe and control packets <-> bytes, with the checksums a receiving kernel verifies."""

from __future__ import annotations

import struct
from typing import NamedTuple

TCP, UDP, ICMP = 6, 17, 1
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

# Probes come from ports 16384-32767: below the range a Linux node's own connections come from, told by two bits.
PORT_MASK, PORT_BITS = 0xC000, 0x4000

MARK = b"pacslab\0"  # begins the payload of a UDP probe; four bytes of probe id follow

_IPV4 = struct.Struct("!BBHHHBBHII")  # RFC 791 3.1
_TCP = struct.Struct("!HHIIBBHHH")  # RFC 9293 3.1
_UDP = struct.Struct("!HHHH")  # RFC 768
_PSEUDO = struct.Struct("!IIHH")
_MSS_1460 = b"\x02\x04\x05\xb4"
_DONT_FRAGMENT = 0x4000
_TTL = 64
_WINDOW = 64240  # what a Linux node offers with this MSS


class Segment(NamedTuple):
    """What matters of one IPv4 packet; a tuple, because a sweep reads tens of thousands a second."""

    source: int
    destination: int
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    flags: int = 0  # TCP's
    number: int = -1  # TCP's sequence number, a UDP probe's id
    acknowledged: int = -1  # the sequence number a TCP segment with ACK answers, less the SYN's one
    quoted: Segment | None = None  # what an ICMP error is about


def checksum(data: bytes) -> int:
    """The Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def tcp_packet(
    source: int,
    destination: int,
    ports: tuple[int, int],
    *,
    number: int,
    flags: int = SYN,
    acknowledge: int = 0,
    identification: int = 0,
) -> bytes:
    """An IPv4 packet with a TCP segment without data; a SYN carries a Linux node's maximum segment size."""
    options = _MSS_1460 if flags & SYN else b""
    header_bytes = 20 + len(options)
    head = _TCP.pack(*ports, number, acknowledge, header_bytes << 2, flags, _WINDOW, 0, 0) + options
    total = checksum(_PSEUDO.pack(source, destination, TCP, header_bytes) + head)
    return _ipv4(source, destination, TCP, identification, head[:16] + total.to_bytes(2, "big") + head[18:])


def udp_packet(
    source: int,
    destination: int,
    ports: tuple[int, int],
    *,
    number: int,
    identification: int = 0,
) -> bytes:
    """An IPv4 packet with a UDP datagram whose payload is the mark and the probe id."""
    payload = MARK + number.to_bytes(4, "big")
    length = 8 + len(payload)
    head = _UDP.pack(*ports, length, 0)
    total = checksum(_PSEUDO.pack(source, destination, UDP, length) + head + payload) or 0xFFFF  # RFC 768
    return _ipv4(source, destination, UDP, identification, head[:6] + total.to_bytes(2, "big") + payload)


def ethernet(destination: bytes, source: bytes, packet: bytes) -> bytes:
    """An Ethernet frame around an IPv4 packet."""
    return destination + source + b"\x08\x00" + packet


def parse(data: bytes) -> Segment | None:
    """Read an IPv4 packet, which may be cut short; None if it is not one, or a later fragment."""
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    _, _, _, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(data)
    start = (data[0] & 0xF) << 2
    if fragment & 0x1FFF or len(data) < start + 8:
        return None
    if protocol == TCP:
        return _parse_tcp(data, start, source, destination)
    if protocol == UDP:
        number = -1
        if data[start + 8 : start + 16] == MARK and len(data) >= start + 20:
            number = int.from_bytes(data[start + 16 : start + 20], "big")
        source_port, destination_port = struct.unpack_from("!HH", data, start)
        return Segment(source, destination, UDP, source_port, destination_port, number=number)
    if protocol == ICMP:
        # RFC 792: destination unreachable, time exceeded and parameter problem quote the packet they are about.
        quoted = parse(data[start + 8 :]) if data[start] in {3, 11, 12} else None
        return Segment(source, destination, ICMP, quoted=quoted)
    return Segment(source, destination, protocol)


def _parse_tcp(data: bytes, start: int, source: int, destination: int) -> Segment:
    if len(data) < start + 14:  # RFC 792 promises eight bytes of a quoted segment: ports and sequence number
        source_port, destination_port, number = struct.unpack_from("!HHI", data, start)
        return Segment(source, destination, TCP, source_port, destination_port, 0, number)
    source_port, destination_port, number, acknowledged, _, flags = struct.unpack_from("!HHIIBB", data, start)
    answers = (acknowledged - 1) & 0xFFFFFFFF if flags & ACK else -1
    return Segment(source, destination, TCP, source_port, destination_port, flags, number, answers)


def _ipv4(source: int, destination: int, protocol: int, identification: int, payload: bytes) -> bytes:
    length = 20 + len(payload)
    head = _IPV4.pack(0x45, 0, length, identification, _DONT_FRAGMENT, _TTL, protocol, 0, source, destination)
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload
