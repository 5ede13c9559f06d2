"""One packet as the firewall sees it: the cable it came in on, its headers, and what conntrack thinks of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58  # IANA protocol numbers
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))  # RFC 9293 3.1
PROTOCOLS = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmpv6"}
EPHEMERAL = 49152  # RFC 6335 6: where source ports come from


class State(IntEnum):
    """What connection tracking says of a packet."""

    NEW = 0
    ESTABLISHED = 1
    RELATED = 2
    INVALID = 3
    UNTRACKED = 4


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; ports are the first two 16-bit words after the IP header, so with ICMP the first is type and code."""

    interface: str  # of the fabric, it came in on; empty: the fabric itself sends it
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    protocol: int
    source_port: int = EPHEMERAL
    destination_port: int = 0
    flags: int = SYN  # of TCP
    state: State = State.NEW

    @property
    def service(self) -> str:
        """What it asks for, in words: `2762/tcp`, `icmp type 8`, `protocol 47`."""
        match self.protocol:
            case 6 | 17:
                return f"{self.destination_port}/{PROTOCOLS[self.protocol]}"
            case 1 | 58:
                return f"{PROTOCOLS[self.protocol]} type {self.source_port >> 8}"
        return f"protocol {self.protocol}"

    def __str__(self) -> str:
        way = f"{self.source} -> {self.destination} {self.service}, {self.state.name.lower()}"
        return f"{way}, on {self.interface}" if self.interface else f"{way}, from the fabric itself"
