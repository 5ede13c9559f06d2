"""Every packet that a small lab's rules could tell apart, and what a policy says of each, written down plainly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from tests.properties.naive import P

from pacslab.model.lab import Posture
from pacslab.model.policy import Policy

STATES = ("established", "related", "invalid", "untracked")
NUMBERS = {"tcp": 6, "udp": 17}
# Each port that a flow or a mutation uses, and one on either side.
PORTS = (0, 1, 2, 22, 23, 104, 105, 106, 2762, 2763, 65534, 65535)
SYN, ACK = 2, 16
OPENINGS = [(6, 50000, port, SYN) for port in PORTS] + [(17, 50000, port, 0) for port in PORTS]
OTHERS = [
    *((6, 50000, port, ACK) for port in (22, 104, 2762)),
    (6, 50000, 104, SYN | ACK),
    *((protocol, kind << 8, 9, 0) for protocol, kind in ((1, 3), (1, 8), (58, 2), (58, 128))),
    (47, 1, 104, 0),
]
LATER = [
    *((6, 50000, port, SYN) for port in (22, 104, 2762)),
    *((17, 50000, port, 0) for port in (22, 104, 2763)),
    *OTHERS,
]


def packets(policy: Policy, mentioned: Iterable[str] = ()) -> Iterator[P]:
    others = [ip_address(text) for text in mentioned]
    interfaces = [cable.interface for cable in policy.cables]
    for version, beyond in ((4, "192.0.2.1"), (6, "2001:db8::1")):
        known = {c.address if version == 4 else c.address6: c.interface for c in policy.cables}
        gateways = {c.gateway if version == 4 else c.gateway6 for c in policy.cables}
        named = [address for address in others if address.version == version]
        addresses = [a for a in dict.fromkeys([*known, *gateways, ip_address(beyond), *named]) if a is not None]
        for iif in (*interfaces, "lo", "eth9", ""):  # the last: what the fabric itself sends
            for source in addresses:
                for destination in addresses:
                    oif = known.get(destination, "")
                    for proto, sport, dport, flags in OPENINGS + OTHERS:
                        yield P(iif, oif, source, destination, proto, sport, dport, flags, "new")
                    for state in STATES:
                        for proto, sport, dport, flags in LATER:
                            yield P(iif, oif, source, destination, proto, sport, dport, flags, state)


def permits(policy: Policy, packet: P) -> bool:
    """What a careful person would say."""
    own = [c for c in policy.cables if c.interface == packet.iif and packet.src in {c.address, c.address6}]
    if not own or not any(packet.dst in {c.address, c.address6} for c in policy.cables):
        return False
    match packet.state:
        case "established":
            return True
        case "related":
            kinds = {(1, 3), (1, 11), (1, 12)} if packet.src.version == 4 else {(58, k) for k in (1, 2, 3, 4)}
            return (packet.proto, packet.sport >> 8) in kinds
        case "invalid" | "untracked":
            return False
    if packet.proto == 6 and packet.flags & 0b10111 != SYN:
        return False
    if policy.posture is Posture.FLAT:
        return True
    if policy.posture is Posture.ZONED:
        for zone in policy.zones:
            network = zone.network if packet.src.version == 4 else zone.network6
            if network is not None and packet.src in network and packet.dst in network:
                return True
    return any(
        not flow.granted
        and (flow.source_address, flow.destination_address) == (packet.src, packet.dst)
        and NUMBERS[flow.protocol] == packet.proto
        and flow.ports[0] <= packet.dport <= flow.ports[1]
        for flow in policy.flows
    )
