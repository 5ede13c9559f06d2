"""Boxes of packets -> those of them that can come about: what a node can really put on its cable, and get delivered.

A proof speaks about every combination of headers and connection states. Some never happen: a packet of an open
conversation that no rule ever let begin, or for an address to which no route leads. What a mutant does to these alone
is not nothing (a second line of defence is gone), but no packet on any wire can show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacslab.firewall.boxes import EVERY_FLAGS, EVERY_PROTOCOL, PORTS, Box, Entries, intersect
from pacslab.firewall.intervals import Intervals, meet, minus, union
from pacslab.firewall.permitted import OPENING
from pacslab.firewall.world import Universe, Way
from pacslab.model.packet import ICMP, ICMPV6, TCP, State
from pacslab.model.policy import Policy

# net/netfilter/nf_conntrack_proto_icmp.c: only these are ever related to a conversation; ICMPv6: all below 128.
_ERRORS = {4: (ICMP, tuple((kind << 8, kind << 8 | 0xFF) for kind in (3, 4, 5, 11, 12))), 6: (ICMPV6, ((0, 127 << 8),))}
_BROADCAST: Intervals = ((0xFFFFFFFF, 0xFFFFFFFF),)
_MULTICAST = {4: ((0xE0000000, 0xEFFFFFFF),), 6: ((0xFF << 120, (1 << 128) - 1),)}


@dataclass(frozen=True, slots=True)
class Wire:
    """What can be on the cables of a lab, and where the fabric delivers it."""

    policy: Policy

    def occurring(self, boxes: Iterable[Box], universe: Universe, begun: Iterable[Box]) -> Box | None:
        """Packets of these boxes that can come about, if there are any: one box of them.

        Args:
            boxes: What to look at.
            universe: Where they are.
            begun: What gets through of the same family, forwarded: from it follows which conversations there can be.
        """
        own = self._own(universe.family)
        if not own:
            return None  # the fabric throws such packets away before any rule sees them (disable_ipv6)
        nodes = union((address, address) for address in own.values())
        begun = [box for box in begun if box.state >> State.NEW & 1]
        for box in boxes:
            for possible in self._possible(box, universe, own, nodes, begun):
                if (both := intersect(box, possible)) is not None:
                    return both
        return None

    def _possible(
        self, box: Box, universe: Universe, own: dict[str, int], nodes: Intervals, begun: list[Box]
    ) -> Iterator[Box]:
        match universe.way:
            case Way.FORWARD:
                for cable in box.entries.rows:
                    if (address := own.get(universe.names[cable])) is not None:
                        others = minus(nodes, ((address, address),))
                        yield from _forwarded(_everywhere(universe, [cable]), universe.family, others, begun)
            case Way.INPUT:
                cables = [universe.ids[interface] for interface in own]
                yield from _anything(_everywhere(universe, cables), self._local(universe.family))
            case Way.OUTPUT:
                # Nothing in the fabric speaks but its kernel: errors about what it could not pass on.
                protocol, kinds = _ERRORS[universe.family]
                entries = universe.whole.entries.of_sources(self._gateways(universe.family))
                yield Box(entries, nodes, 1 << protocol, kinds, PORTS, EVERY_FLAGS, 1 << State.RELATED)

    def _own(self, family: int) -> dict[str, int]:
        both = ((c.interface, c.address if family == 4 else c.address6) for c in self.policy.cables)
        return {interface: int(address) for interface, address in both if address is not None}

    def _gateways(self, family: int) -> Intervals:
        both = (c.gateway if family == 4 else c.gateway6 for c in self.policy.cables)
        return union((int(gateway), int(gateway)) for gateway in both if gateway is not None)

    def _local(self, family: int) -> Intervals:
        """What is delivered to the fabric itself."""
        return union((*self._gateways(family), *_MULTICAST[family], *(_BROADCAST if family == 4 else ())))


def _everywhere(universe: Universe, cables: Iterable[int]) -> Entries:
    rows = universe.whole.entries.rows
    return Entries({cable: rows[cable] for cable in cables})


def _anything(entries: Entries, destination: Intervals) -> Iterator[Box]:
    """What needs no conversation to have begun."""
    new, invalid = 1 << State.NEW, 1 << State.INVALID
    # net.netfilter.nf_conntrack_tcp_loose is 0 in the fabric: of TCP only SYN begins anything.
    yield Box(entries, destination, 1 << TCP, PORTS, PORTS, OPENING, new)
    yield Box(entries, destination, EVERY_PROTOCOL & ~(1 << TCP), PORTS, PORTS, EVERY_FLAGS, new)
    yield Box(entries, destination, EVERY_PROTOCOL, PORTS, PORTS, EVERY_FLAGS, invalid)


def _forwarded(entries: Entries, family: int, others: Intervals, begun: list[Box]) -> Iterator[Box]:
    """What a node can send to others, with any source address it likes."""
    yield from _anything(entries, others)
    established = 1 << State.ESTABLISHED
    parties: list[tuple[int, int]] = []
    for box in begun:
        sources = union(pair for _, found in box.entries.pairs() for pair in found)
        parties += [*sources, *box.destination]
        for source, destination, sport, dport in (
            (sources, box.destination, box.sport, box.dport),
            (box.destination, sources, box.dport, box.sport),
        ):
            if there := meet(destination, others):
                mine = entries.of_sources(source)
                yield Box(mine, there, box.protocol, sport, dport, EVERY_FLAGS, established)
    if informed := meet(union(parties), others):
        # An error is related only if it goes to a party of the conversation it is about (nf_conntrack_inet_error).
        protocol, kinds = _ERRORS[family]
        yield Box(entries, informed, 1 << protocol, kinds, PORTS, EVERY_FLAGS, 1 << State.RELATED)
