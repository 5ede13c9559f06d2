"""Probe and control packets <-> bytes, with the checksums a receiving kernel verifies."""

from __future__ import annotations

import struct
from typing import NamedTuple

ICMP, TCP, UDP, GRE, ICMPV6, SCTP = 1, 6, 17, 47, 58, 132
_GRE_VERSION = 7
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

# Probes come from ports 16384-32767: below the range a Linux node's own connections come from, told by two bits.
PORT_MASK, PORT_BITS = 0xC000, 0x4000

MARK = b"pacslab\0"  # begins the payload of what has no sequence number; four bytes of probe id follow

_IPV4 = struct.Struct("!BBHHHBBHII")  # RFC 791 3.1
_IPV6 = struct.Struct("!IHBB16s16s")  # RFC 8200 3
_TCP = struct.Struct("!HHIIBBHHH")  # RFC 9293 3.1
_UDP = struct.Struct("!HHHH")  # RFC 768
_ICMP = struct.Struct("!HHI")  # type and code, checksum, identifier and sequence number
_INIT = struct.Struct("!BBHIIHHI")  # RFC 9260 3.3.2
_MSS_1460 = b"\x02\x04\x05\xb4"
_DONT_FRAGMENT, _MORE_FRAGMENTS = 0x4000, 0x2000
_TTL = 64
_WINDOW = 64240  # what a Linux node offers with this MSS
_FIRST_FRAGMENT_BYTES = 8  # of what follows the IP header: ports and sequence number, no flags
_ECHO_REPLIES = {(ICMP, 0), (ICMPV6, 129)}
# RFC 792: destination unreachable, time exceeded, parameter problem quote the packet they are about; RFC 4443: 1-4 do.
# RFC 792 4, 5: source quench and redirect do, too.
_QUOTING = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}


class Segment(NamedTuple):
    """What matters of one packet; a tuple, because a sweep reads tens of thousands a second."""

    source: int
    destination: int
    protocol: int
    source_port: int = 0  # ICMP: type and code
    destination_port: int = 0
    flags: int = 0  # TCP's
    number: int = (
        -1
    )  # TCP's sequence number, ICMP's identifier and sequence or quoted number, else the id after the mark
    acknowledged: int = -1  # the sequence number a TCP segment with ACK answers, less the SYN's one
    quoted: Segment | None = None  # what an ICMP error is about
    version: int = 4


class Ends(NamedTuple):
    """Where a packet comes from and goes to."""

    source: int
    destination: int
    version: int = 4


def checksum(data: bytes) -> int:
    """The Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    # The sum of 16-bit words with end-around carry is the whole number modulo 2^16 - 1 (RFC 1071 2); nothing but zeros
    # sums up to zero.
    total = int.from_bytes(data, "big")
    return ~(total % 0xFFFF or (0xFFFF if total else 0)) & 0xFFFF


def tcp_packet(ends: Ends, ports: tuple[int, int], *, number: int, flags: int = SYN, acknowledge: int = 0) -> bytes:
    """A packet with a TCP segment without data; a SYN carries a Linux node's maximum segment size."""
    options = _MSS_1460 if flags & SYN else b""
    header_bytes = 20 + len(options)
    head = _TCP.pack(*ports, number, acknowledge, header_bytes << 2, flags, _WINDOW, 0, 0) + options
    total = _sum(ends, TCP, head)
    return _ip(ends, TCP, head[:16] + total.to_bytes(2, "big") + head[18:], number)


def udp_packet(ends: Ends, ports: tuple[int, int], *, number: int) -> bytes:
    """A packet with a UDP datagram whose payload is the mark and the probe id."""
    payload = MARK + number.to_bytes(4, "big")
    head = _UDP.pack(*ports, 8 + len(payload), 0)
    total = _sum(ends, UDP, head + payload) or 0xFFFF  # RFC 768
    return _ip(ends, UDP, head[:6] + total.to_bytes(2, "big") + payload, number)


def icmp_packet(ends: Ends, protocol: int, word: int, *, number: int) -> bytes:
    """A packet with an ICMP message of one type and code; the probe id where an echo has identifier and sequence."""
    body = _ICMP.pack(word, 0, number) + MARK + number.to_bytes(4, "big")
    total = _sum(ends, protocol, body) if protocol == ICMPV6 else checksum(body)
    return _ip(ends, protocol, body[:2] + total.to_bytes(2, "big") + body[4:], number)


def error_packet(ends: Ends, protocol: int, word: int, about: bytes) -> bytes:
    """A packet with an ICMP error that quotes the beginning of another (RFC 792, RFC 4443 3)."""
    body = _ICMP.pack(word, 0, 0) + about
    total = _sum(ends, protocol, body) if protocol == ICMPV6 else checksum(body)
    return _ip(ends, protocol, body[:2] + total.to_bytes(2, "big") + body[4:], 0)


def sctp_packet(ends: Ends, ports: tuple[int, int], *, number: int) -> bytes:
    """A packet that asks for an SCTP association (RFC 9260 3.3.2); its initiate tag is the probe id."""
    chunk = _INIT.pack(1, 0, _INIT.size, number or 1, _WINDOW, 1, 1, number)
    head = struct.pack("!HHI", *ports, 0)
    # RFC 9260 appendix A: the checksum goes on the wire with its low byte first.
    total = _crc32c(head + b"\0\0\0\0" + chunk).to_bytes(4, "little")
    return _ip(ends, SCTP, head + total + chunk, number)


def damaged(packet: bytes, version: int) -> bytes:
    """A TCP packet whose transport checksum is wrong."""
    at = (20 if version == 4 else 40) + 16
    return packet[:at] + bytes([packet[at] ^ 0xFF, packet[at + 1]]) + packet[at + 2 :]


def last_hop(packet: bytes, version: int) -> bytes:
    """An IP packet whose time to live, or hop limit, is 1."""
    if version == 6:
        return packet[:7] + b"\x01" + packet[8:]
    head = packet[:8] + b"\x01" + packet[9:10] + b"\0\0" + packet[12:20]
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + packet[20:]


def is_error(protocol: int, word: int) -> bool:
    """Whether an ICMP message of that type and code quotes another packet."""
    return word >> 8 in _QUOTING.get(protocol, ())


def other_packet(ends: Ends, protocol: int, ports: tuple[int, int], *, number: int) -> bytes:
    """A packet of any other protocol: two ports as most have them, the mark and the probe id."""
    source_port, destination_port = ports
    if protocol == GRE:  # RFC 2784 2.1: the version is where the port's last bits are; conntrack refuses some but not 0
        source_port &= ~_GRE_VERSION
    head = struct.pack("!HH", source_port, destination_port)
    return _ip(ends, protocol, head + MARK + number.to_bytes(4, "big"), number)


def fragments(packet: bytes) -> tuple[bytes, bytes]:
    """An IPv4 packet without options in two pieces, the first too short for TCP's flags (RFC 1858 3)."""
    head, body = packet[:20], packet[20:]
    first, rest = body[:_FIRST_FRAGMENT_BYTES], body[_FIRST_FRAGMENT_BYTES:]
    return _piece(head, first, _MORE_FRAGMENTS), _piece(head, rest, _FIRST_FRAGMENT_BYTES // 8)


def ethernet(destination: bytes, source: bytes, packet: bytes) -> bytes:
    """An Ethernet frame around an IP packet."""
    return destination + source + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def parse(data: bytes) -> Segment | None:
    """Read an IP packet, which may be cut short; None if it is not one, or a later fragment."""
    if len(data) < 20:
        return None
    if data[0] >> 4 == 4:
        _, _, _, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(data)
        start = (data[0] & 0xF) << 2
        if fragment & 0x1FFF or len(data) < start + 8:
            return None
        version = 4
    elif data[0] >> 4 == 6 and len(data) >= 48:
        _, _, protocol, _, source_bytes, destination_bytes = _IPV6.unpack_from(data)
        source, destination = int.from_bytes(source_bytes, "big"), int.from_bytes(destination_bytes, "big")
        start, version = 40, 6
    else:
        return None
    if protocol == TCP:
        return _parse_tcp(data, start, source, destination, version)
    if protocol in _QUOTING:
        word = data[start] << 8 | data[start + 1]
        quoted = parse(data[start + 8 :]) if data[start] in _QUOTING[protocol] else None
        number = quoted.number if quoted is not None else int.from_bytes(data[start + 4 : start + 8], "big")
        return Segment(source, destination, protocol, word, number=number, quoted=quoted, version=version)
    source_port, destination_port = struct.unpack_from("!HH", data, start)
    if protocol == SCTP and len(data) >= start + 20:
        number = int.from_bytes(data[start + 16 : start + 20], "big")
        return Segment(source, destination, protocol, source_port, destination_port, number=number, version=version)
    number = _marked(data, start + (8 if protocol == UDP else 4))
    return Segment(source, destination, protocol, source_port, destination_port, number=number, version=version)


def is_echo_reply(segment: Segment) -> bool:
    """Whether it answers an echo request, whose number it has."""
    return (segment.protocol, segment.source_port >> 8) in _ECHO_REPLIES


def _parse_tcp(data: bytes, start: int, source: int, destination: int, version: int) -> Segment:
    if len(data) < start + 14:  # RFC 792 promises eight bytes of a quoted segment: ports and sequence number
        source_port, destination_port, number = struct.unpack_from("!HHI", data, start)
        return Segment(source, destination, TCP, source_port, destination_port, 0, number, version=version)
    source_port, destination_port, number, acknowledged, _, flags = struct.unpack_from("!HHIIBB", data, start)
    answers = (acknowledged - 1) & 0xFFFFFFFF if flags & ACK else -1
    return Segment(source, destination, TCP, source_port, destination_port, flags, number, answers, None, version)


def _crc32c(data: bytes) -> int:
    """RFC 9260 appendix A; bit by bit, because few such packets are sent."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF


def _marked(data: bytes, at: int) -> int:
    if data[at : at + 8] == MARK and len(data) >= at + 12:
        return int.from_bytes(data[at + 8 : at + 12], "big")
    return -1


def _sum(ends: Ends, protocol: int, segment: bytes) -> int:
    """The checksum over pseudo header and segment (RFC 9293 3.1, RFC 8200 8.1)."""
    size = 4 if ends.version == 4 else 16
    addresses = ends.source.to_bytes(size, "big") + ends.destination.to_bytes(size, "big")
    return checksum(addresses + struct.pack("!HH", protocol, len(segment)) + segment)


def _ip(ends: Ends, protocol: int, payload: bytes, number: int) -> bytes:
    if ends.version == 6:
        addresses = ends.source.to_bytes(16, "big"), ends.destination.to_bytes(16, "big")
        return _IPV6.pack(6 << 28, len(payload), protocol, _TTL, *addresses) + payload
    length, identification = 20 + len(payload), number & 0xFFFF
    head = _IPV4.pack(0x45, 0, length, identification, _DONT_FRAGMENT, _TTL, protocol, 0, *ends[:2])
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def _piece(head: bytes, body: bytes, word: int) -> bytes:
    fresh = head[:2] + (20 + len(body)).to_bytes(2, "big") + head[4:6] + word.to_bytes(2, "big") + head[8:10]
    fresh += b"\0\0" + head[12:]
    return fresh[:10] + checksum(fresh).to_bytes(2, "big") + fresh[12:] + body
