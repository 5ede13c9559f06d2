"""Policy -> the boxes of packets that must get through, and no other; says nothing of how a ruleset looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacslab.firewall.boxes import EVERY_FLAGS, EVERY_PROTOCOL, PORTS, Box, Entries
from pacslab.firewall.intervals import Intervals, meet, union
from pacslab.firewall.world import Universe, Way
from pacslab.model.dicom import Protocol
from pacslab.model.lab import Posture
from pacslab.model.packet import ACK, FIN, ICMP, ICMPV6, RST, SYN, TCP, UDP, State
from pacslab.model.plan import Flow
from pacslab.model.policy import Policy

# RFC 1191, RFC 792: destination unreachable (with it "fragmentation needed"), time exceeded, parameter problem.
ICMP_ERRORS = (3, 11, 12)
ICMPV6_ERRORS = (1, 2, 3, 4)  # RFC 4443 2.1, RFC 8201: the same, packet too big
NUMBERS = {Protocol.TCP: TCP, Protocol.UDP: UDP}

# RFC 9293 3.10.7: a conversation begins with SYN, without FIN, RST and ACK.
OPENING = sum(1 << flags for flags in range(256) if flags & (FIN | SYN | RST | ACK) == SYN)


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a policy permits in one universe."""

    open: tuple[Box, ...]
    on_grant: tuple[tuple[Flow, Box], ...]  # open only while granted
    own: Entries  # every cable with its node's address
    nodes: Intervals


def permitted(policy: Policy, universe: Universe) -> Permitted:
    """Every packet the policy lets through; nothing on any other way than from node to node."""
    addresses = _addresses(policy, universe.family)
    own = Entries({universe.ids[name]: ((address, address),) for name, address in addresses if name in universe.ids})
    nodes = union((address, address) for _, address in addresses)
    if universe.way is not Way.FORWARD or not nodes:
        return Permitted((), (), own, nodes)
    flows = [(flow, box) for flow in policy.flows for box in _flow(flow, universe, own, nodes)]
    boxes = [*_conversations(universe.family, own, nodes), *(box for flow, box in flows if not flow.granted)]
    for sources, destinations in _free(policy, universe.family, nodes):
        boxes += _new(own.of_sources(sources), meet(nodes, destinations), EVERY_PROTOCOL, PORTS)
    on_grant = tuple((flow, box) for flow, box in flows if flow.granted)
    return Permitted(tuple(box for box in boxes if not box.empty), on_grant, own, nodes)


def _addresses(policy: Policy, family: int) -> list[tuple[str, int]]:
    both = ((cable.interface, cable.address if family == 4 else cable.address6) for cable in policy.cables)
    return [(interface, int(address)) for interface, address in both if address is not None]


def _conversations(family: int, own: Entries, nodes: Intervals) -> Iterator[Box]:
    """What belongs to a conversation that was let in, and errors about one."""
    established, related = 1 << State.ESTABLISHED, 1 << State.RELATED
    yield Box(own, nodes, EVERY_PROTOCOL, PORTS, PORTS, EVERY_FLAGS, established)
    protocol, types = (ICMP, ICMP_ERRORS) if family == 4 else (ICMPV6, ICMPV6_ERRORS)
    errors = union((kind << 8, kind << 8 | 0xFF) for kind in types)
    yield Box(own, nodes, 1 << protocol, errors, PORTS, EVERY_FLAGS, related)


def _flow(flow: Flow, universe: Universe, own: Entries, nodes: Intervals) -> Iterator[Box]:
    if flow.source_address.version != universe.family or flow.destination_address.version != universe.family:
        return
    source, destination = int(flow.source_address), int(flow.destination_address)
    entries = own.of_sources(((source, source),))
    yield from _new(entries, meet(((destination, destination),), nodes), 1 << NUMBERS[flow.protocol], (flow.ports,))


def _free(policy: Policy, family: int, nodes: Intervals) -> Iterable[tuple[Intervals, Intervals]]:
    """Who may open anything to whom in this posture."""
    match policy.posture:
        case Posture.SEGMENTED:
            return
        case Posture.FLAT:
            yield nodes, nodes
        case Posture.ZONED:
            for zone in policy.zones:
                network = zone.network if family == 4 else zone.network6
                if network is not None:
                    inside: Intervals = ((int(network[0]), int(network[-1])),)
                    yield inside, inside


def _new(entries: Entries, destination: Intervals, protocols: int, dport: Intervals) -> Iterator[Box]:
    """The beginning of conversations."""
    new = 1 << State.NEW
    if protocols & 1 << TCP:
        yield Box(entries, destination, 1 << TCP, PORTS, dport, OPENING, new)
    yield Box(entries, destination, protocols & ~(1 << TCP), PORTS, dport, EVERY_FLAGS, new)
