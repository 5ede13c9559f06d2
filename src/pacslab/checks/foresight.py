"""Probes and what a mutant does to packets -> what each probe would see, by our own interpreter, without a lab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from pacslab.compiler.probes import ALL_ONES, probes
from pacslab.firewall.boxes import Box
from pacslab.firewall.intervals import holds
from pacslab.firewall.mutation.effect import Effect, heard
from pacslab.firewall.walk import Stop, walk
from pacslab.firewall.world import Universe, Way
from pacslab.model.loaded import Loaded
from pacslab.model.packet import ACK, ICMP, ICMPV6, RST, SYN, TCP, UDP, Packet, State
from pacslab.model.plan import Flow, Plan
from pacslab.model.probe import THE_FABRIC, Probe, ProbeClass
from pacslab.model.ruleset import LOG_PREFIX, Denial, Hook, Rule, Table
from pacslab.model.verdict import Verdict

_TO_NOBODY = frozenset(
    {ProbeClass.UNASSIGNED, ProbeClass.BROADCAST, ProbeClass.NO_IPV6}
)  # the fabric has no route there
Legs = tuple[Packet, ...]
_Key = tuple[int, Way, str]  # family, way, interface


def legs(probe: Probe) -> Legs:
    """Every packet whose fate decides a probe's verdict: the probe, and of a permitted one its conversation.

    An allowed TCP flow counts only once it is connected (ARCHITECTURE 6): SYN, SYN-ACK, ACK.
    """
    first = probe.packet
    if not probe.allowed or probe.protocol != TCP:
        return (first,)
    then = replace(first, flags=ACK, state=State.ESTABLISHED)
    return first, _returned(first, probe.destination, SYN | ACK), then


def opening(flow: Flow) -> Legs:
    """What must get through before there is a conversation that an ICMP error can be about."""
    ends = flow.source_address, flow.destination_address
    first = Packet(flow.source, *ends, TCP, destination_port=flow.port)
    return first, _returned(first, flow.destination, SYN | ACK)


def answer(probe: Probe, gateway: IPv4Address | IPv6Address) -> Packet | None:
    """What the fabric's own stack sends back if it gets to see a probe; None: nothing that counts."""
    first = probe.packet
    is_four = probe.version == 4
    if probe.kind is ProbeClass.LAST_HOP:
        word = (11 if is_four else 3) << 8
        return Packet("", gateway, first.source, ICMP if is_four else ICMPV6, word, state=State.RELATED)
    if probe.kind is not ProbeClass.FABRIC:
        return None
    if probe.protocol == TCP:
        return _returned(first, "", RST | ACK)
    ends = first.destination, first.source
    if probe.protocol == UDP:
        word = 3 << 8 | 3 if is_four else 1 << 8 | 4  # port unreachable
        return Packet("", *ends, ICMP if is_four else ICMPV6, word, state=State.RELATED)
    return Packet("", *ends, probe.protocol, 0 if is_four else 129 << 8, state=State.ESTABLISHED)


def _returned(first: Packet, interface: str, flags: int) -> Packet:
    ends = first.destination, first.source
    return Packet(interface, *ends, TCP, first.destination_port, first.source_port, flags, State.ESTABLISHED)


def way_of(probe: Probe) -> Way | None:
    """Through which hooks a probe's packets go; None: nobody has the address, so they end after the first."""
    destination = probe.destination_address
    if probe.destination == THE_FABRIC or destination == ALL_ONES or destination.is_multicast:
        return Way.INPUT
    return None if probe.kind in _TO_NOBODY else Way.FORWARD


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the probes would see of a mutant."""

    fails: tuple[int, ...]  # places of probes that would fail
    doubts: tuple[int, ...]  # that would be inconclusive


@dataclass(slots=True)
class Foresight:
    """All probes of a lab, found by where their packets go."""

    plan: Plan
    table: Table  # the planned ruleset
    probes: tuple[Probe, ...] = ()
    _by_key: dict[_Key, dict[int, list[tuple[int, Packet]]]] = field(default_factory=dict)
    _at_entrance: list[int] = field(default_factory=list)
    _no_ipv6: bool = False
    _routes: Mapping[object, str] = field(default_factory=dict)
    _gateways: Mapping[tuple[str, int], IPv4Address | IPv6Address | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._no_ipv6 = all(cable.address6 is None for cable in self.plan.cables)
        self.probes = tuple(probes(self.plan))
        routes: dict[object, str] = {cable.address: cable.interface for cable in self.plan.cables}
        self._routes = routes | {c.address6: c.interface for c in self.plan.cables if c.address6 is not None}
        gateways = ((4, "gateway"), (6, "gateway6"))
        self._gateways = {(c.node, v): getattr(c, name) for c in self.plan.cables for v, name in gateways}
        for place, probe in enumerate(self.probes):
            if probe.kind is ProbeClass.SPOOFED or (way_of(probe) is None and probe.version == 4):
                self._at_entrance.append(place)
            if probe.version == 6 and self._no_ipv6:
                continue
            way = way_of(probe) or Way.FORWARD
            for leg in legs(probe):
                to = self._by_key.setdefault((leg.source.version, way, leg.interface), {})
                to.setdefault(int(leg.destination), []).append((place, leg))
            if (back := self._answer(probe)) is not None:
                to = self._by_key.setdefault((back.source.version, Way.OUTPUT, ""), {})
                to.setdefault(int(back.destination), []).append((place, back))

    def of(self, table: Table, effect: Effect, most: int | None = None) -> Foreseen:
        """Judge every probe that a mutant can touch; with `most`, only until so many have failed."""
        rules = _rules(table, effect.loaded)
        fails: list[int] = []
        doubts: list[int] = []
        for place in self._touched(table, effect):
            verdict = self._verdict(self.probes[place], effect.loaded, rules)
            if verdict is Verdict.FAIL:
                fails.append(place)
            elif verdict is Verdict.INCONCLUSIVE and (most is None or len(doubts) < most):
                doubts.append(place)
            if most is not None and (len(fails) >= most or (not effect.changes and len(doubts) >= most)):
                break
        return Foreseen(tuple(fails), tuple(doubts))

    def verdicts(self, table: Table, effect: Effect, places: Iterable[int]) -> dict[int, Verdict]:
        """What the judge would say of these probes, whether the mutant touches them or not."""
        rules = _rules(table, effect.loaded)
        return {place: self._verdict(self.probes[place], effect.loaded, rules) for place in places}

    def _touched(self, table: Table, effect: Effect) -> Iterator[int]:
        """Places of the probes with a packet that ends, or is logged, otherwise than before."""
        if _entrance(table) != _entrance(self.table):
            yield from self._at_entrance  # judged by where they are denied, too
        boxes = [(change.universe, box) for change in effect.changes for box in (*change.opened, *change.closed)]
        boxes += [(universe, box) for universe, found in effect.unlogged for box in found]
        seen = set(self._at_entrance)
        for universe, box in boxes:
            for place in self._inside(universe, box):
                if place not in seen:
                    seen.add(place)
                    yield place

    def _inside(self, universe: Universe, box: Box) -> Iterator[int]:
        for cable, sources in box.entries.rows.items():
            to = self._by_key.get((universe.family, universe.way, universe.names[cable]), {})
            low, high = box.destination[0]
            for destination in (low,) if (low, high) == box.destination[-1] and low == high else to:
                if holds(box.destination, destination):
                    for place, packet in to.get(destination, ()):
                        if holds(sources, int(packet.source)) and _holds(box, packet):
                            yield place

    def _verdict(self, probe: Probe, loaded: Loaded, rules: Mapping[int, Rule]) -> Verdict:
        """What the judge would say (checks/judge.py)."""
        if probe.version == 6 and self._no_ipv6:
            return Verdict.PASS  # discarded by the fabric's kernel before it meets a rule
        if probe.kind in {ProbeClass.FABRIC, ProbeClass.LAST_HOP}:
            return self._verdict_on_fabric(probe, loaded, rules)
        if not self._comes_about(probe, loaded):
            return Verdict.INCONCLUSIVE  # there is no conversation to speak of, and so nothing was sent
        return self._verdict_on_legs(probe, loaded, rules)

    def _comes_about(self, probe: Probe, loaded: Loaded) -> bool:
        """Whether there is the conversation that an ICMP error is about."""
        if probe.about < 0 or probe.state is not State.RELATED:
            return True
        begun = opening(self.plan.flows[probe.about])
        return all(walk(loaded, leg, routes=self._routes).accepted for leg in begun)

    def _verdict_on_legs(self, probe: Probe, loaded: Loaded, rules: Mapping[int, Rule]) -> Verdict:
        way = way_of(probe) or Way.FORWARD
        for leg in legs(probe):
            walked = walk(loaded, leg, routes=self._routes, way=way)
            if way_of(probe) is None and any(stop.chain.hook == "forward" for stop in walked.stops):
                return Verdict.INCONCLUSIVE  # let in, and then there is no route: nothing is seen of it again
            if way is Way.INPUT:
                # Nobody captures inside the fabric: the log alone speaks, also of what was let in after it.
                return Verdict.PASS if _word(walked.stops, rules) else Verdict.INCONCLUSIVE
            if walked.accepted is not probe.allowed:
                told = walked.accepted or _word(walked.stops, rules)
                # A connection that fails has failed, logged or not.
                return Verdict.FAIL if told or (probe.allowed and leg.protocol == TCP) else Verdict.INCONCLUSIVE
            if not walked.accepted and (word := _word(walked.stops, rules)) != Denial.SPOOFED:
                if not word:
                    return Verdict.INCONCLUSIVE
                if probe.kind is ProbeClass.SPOOFED:
                    return Verdict.FAIL  # let in with a false source, and stopped by another rule
        return Verdict.PASS

    def _verdict_on_fabric(self, probe: Probe, loaded: Loaded, rules: Mapping[int, Rule]) -> Verdict:
        """Of what ends in the fabric: nobody captures there, so its log speaks, and what it answers."""
        is_last_hop = probe.kind is ProbeClass.LAST_HOP
        walked = walk(loaded, probe.packet, routes=self._routes, way=Way.FORWARD if is_last_hop else Way.INPUT)
        stops = tuple(stop for stop in walked.stops if not is_last_hop or stop.chain.hook == "prerouting")
        # ip_forward() looks at the time to live before the hook.
        is_in = walked.accepted or (is_last_hop and any(stop.chain.hook == "forward" for stop in walked.stops))
        told = _word(stops, rules)
        back = self._answer(probe)
        if is_in and back is not None:
            returned = walk(loaded, back, routes=self._routes, way=Way.OUTPUT)
            word = _word(returned.stops, rules)
            if returned.accepted or (word and not is_last_hop):
                return Verdict.FAIL
            told = told or word
        return Verdict.PASS if told else Verdict.INCONCLUSIVE

    def _answer(self, probe: Probe) -> Packet | None:
        gateway = self._gateways.get((probe.source, probe.version))
        return None if gateway is None else answer(probe, gateway)


def _holds(box: Box, packet: Packet) -> bool:
    return bool(
        box.state >> packet.state & 1
        and box.protocol >> packet.protocol & 1
        and box.flags >> packet.flags & 1
        and holds(box.dport, packet.destination_port)
        and holds(box.sport, packet.source_port)
    )


def _word(stops: tuple[Stop, ...], rules: Mapping[int, Rule]) -> str:
    """The reason that the prober hears of a drop from the firewall's log; empty if it hears nothing."""
    words = (heard(rules[id(stop.rule)]) for stop in stops if stop.rule is not None)
    return next((word.removeprefix(LOG_PREFIX) for word in words if word), "")


def _entrance(table: Table) -> tuple[object, ...]:
    """All that decides about a source address."""
    by_rule = tuple(chain for chain in table.chains if not chain.base or chain.base.hook is Hook.PREROUTING)
    return table.sets, by_rule


def _rules(table: Table, loaded: Loaded) -> dict[int, Rule]:
    """id() of each rule as read back -> the rule of the tree."""
    pairs = zip(table.chains, loaded.chains, strict=True)
    return {id(read): rule for chain, other in pairs for rule, read in zip(chain.rules, other.rules, strict=True)}
