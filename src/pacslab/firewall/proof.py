"""Loaded ruleset and policy -> equal, or every difference with a witness: exact, over all packets (FACTS 5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pacslab.firewall.boxes import Box, difference
from pacslab.firewall.evaluate import Evaluation
from pacslab.firewall.invariants import foreign, labels, no_drop, openings, unreached
from pacslab.firewall.keys import comment
from pacslab.firewall.naming import Line, Names, asks_for, lines, witness
from pacslab.firewall.permitted import NUMBERS, OPENING, Permitted, permitted
from pacslab.firewall.walk import Walk, walk
from pacslab.firewall.world import Universe, Way
from pacslab.model.loaded import Entry, Loaded
from pacslab.model.packet import TCP, UDP, Packet, State
from pacslab.model.plan import Flow
from pacslab.model.policy import Policy
from pacslab.model.proof import Difference, Flaw, Proof

MOST = 200  # differences that are listed; the others are counted


def prove(loaded: Loaded, policy: Policy) -> Proof:
    """Decide whether what is loaded lets through exactly what the policy permits.

    Raises:
        PacslabError: The ruleset is too complex to be decided.
    """
    began = time.perf_counter()
    prover = _Prover(loaded, policy)
    for family in (4, 6):
        for way in Way:
            prover.universe(Universe.of(family, way, policy.cables, loaded))
    found = sorted(prover.found.values(), key=lambda d: (list(Flaw).index(d.flaw), d.effect))
    found += [*foreign(loaded), *no_drop(loaded), *labels(loaded, policy, prover.names)]
    if policy.cables:  # a lab without nodes has no packets, and so only rules that meet none
        found += unreached(loaded, prover.hits)
    return Proof(
        differences=tuple(found[:MOST]),
        openings=openings(loaded, policy, prover.names),
        granted=tuple(prover.granted),
        accepted_boxes=prover.boxes,
        more=prover.more + max(0, len(found) - MOST),
        elapsed_s=round(time.perf_counter() - began, 4),
    )


GroupKey = Callable[[Line, Universe, Names], tuple[Flaw, object]]


def _leak_key(line: Line, universe: Universe, names: Names) -> tuple[Flaw, object]:
    """In which way a leak is one, and between whom."""
    box = line.box
    pair = line.source, line.destination
    if universe.way is not Way.FORWARD:
        return Flaw.FABRIC, line.source if universe.way is Way.INPUT else ""
    if universe.family == 6 and not any(family == 6 for family, _ in names.nodes):
        return Flaw.IPV6, line.source
    if line.spoofed:
        return Flaw.SPOOF, pair
    return (Flaw.LEAK if _opens(box) else Flaw.STATE), pair


def _block_key(line: Line, _universe: Universe, _names: Names) -> tuple[Flaw, object]:
    box = line.box
    return Flaw.BLOCK, (box.state, line.source, line.destination, box.dport if _opens(box) else ())


def _opens(box: Box) -> bool:
    """Whether it holds the beginning of a conversation."""
    return bool(box.state & 1 << State.NEW and (box.protocol & ~(1 << TCP) or box.flags & OPENING))


def _most_telling(line: Line) -> tuple[bool, bool, bool]:
    """What a witness is best taken from: a TCP conversation that begins, else UDP, else anything."""
    box = line.box
    return not _opens(box), not box.protocol >> TCP & 1, not box.protocol >> UDP & 1


@dataclass(slots=True)
class _Prover:
    """A proof under way."""

    loaded: Loaded
    policy: Policy
    names: Names = field(init=False)
    routes: dict[object, str] = field(init=False)
    hits: set[int] = field(default_factory=set)
    found: dict[tuple[Flaw, str], Difference] = field(default_factory=dict)
    granted: list[tuple[str, str, int]] = field(default_factory=list)
    boxes: int = 0
    more: int = 0
    _nodes: frozenset[str] = frozenset()
    _flows: dict[tuple[str, str], list[Flow]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = Names(self.policy)
        self._nodes = frozenset(cable.node for cable in self.policy.cables)
        self.routes = {c.address: c.interface for c in self.policy.cables}
        self.routes |= {c.address6: c.interface for c in self.policy.cables if c.address6}
        for flow in self.policy.flows:
            self._flows.setdefault((flow.source, flow.destination), []).append(flow)

    def universe(self, universe: Universe) -> None:
        """Compare both sides in one universe."""
        passed = Evaluation(self.loaded, universe, self.hits).passed()
        wanted = permitted(self.policy, universe)
        self.boxes += len(passed)
        lasting = [one.box for one in passed if one.entry is None or one.entry.timeout_s is None]
        for (flaw, _), group in self._grouped(difference(lasting, wanted.open), universe, _leak_key).items():
            self._leak(flaw, group, universe)
        for one in passed:
            if one.entry is not None and one.entry.timeout_s is not None:
                self._timed(one.box, one.entry, wanted, universe)
        for group in self._grouped(difference(wanted.open, lasting), universe, _block_key).values():
            self._block(group, universe)

    def _grouped(
        self, boxes: Iterable[Box], universe: Universe, key: GroupKey
    ) -> dict[tuple[Flaw, object], list[Line]]:
        """Boxes as lines of words, those that say the same together; too many are only counted."""
        groups: dict[tuple[Flaw, object], list[Line]] = {}
        for box in boxes:
            if len(groups) >= MOST:
                self.more += 1
                continue
            for line in lines(box, universe, self.names):
                groups.setdefault(key(line, universe, self.names), []).append(line)
        for group in groups.values():
            group.sort(key=_most_telling)
        return groups

    def _timed(self, box: Box, entry: Entry, wanted: Permitted, universe: Universe) -> None:
        """What is open for a time needs a conduit that waits for a grant."""
        of_conduit = [one for flow, one in wanted.on_grant if comment(flow.conduit) == entry.comment]
        beyond = self._grouped(difference([box], [*wanted.open, *of_conduit]), universe, _leak_key)
        words = f", for {entry.expires_s} s more, by no conduit that waits for a grant"
        for (flaw, _), group in beyond.items():
            self._leak(Flaw.GRANT if flaw is Flaw.LEAK else flaw, group, universe, words)
        if not beyond:
            for line in lines(box, universe, self.names):
                what = f"{line.source} -> {line.destination}{asks_for([line.box], line.destination, self.names)}"
                self.granted.append((entry.comment, what, entry.expires_s or 0))

    def _leak(self, flaw: Flaw, group: list[Line], universe: Universe, timed: str = "") -> None:
        line = group[0]
        packet = witness(line, universe, self.names, line.destination)
        walked = self._walk(packet, universe.way)
        if not walked.accepted:
            raise AssertionError(f"two engines disagree on {packet}: {_rule(walked)}")
        flow = self._flow_of(packet)
        effect = self._words(flaw, group) + timed
        if flow is not None and flow.granted and not timed:
            effect += f", for good, though conduit {flow.conduit} is open only while granted"
        self._add(flaw, effect, line, walked)

    def _words(self, flaw: Flaw, group: list[Line]) -> str:
        line = group[0]
        what = asks_for([one.box for one in group], line.destination, self.names)
        match flaw:
            case Flaw.FABRIC:
                return (
                    f"opens {line.source} -> the fabric"
                    if line.source in self._nodes
                    else "lets the fabric itself send"
                )
            case Flaw.IPV6:
                return f"lets IPv6 through where the lab has none, from {line.source}"
            case Flaw.SPOOF:
                return f"lets {line.source} send as {line.destination}"
            case Flaw.STATE:
                states = ", ".join(state.name.lower() for state in State if line.box.state >> state & 1)
                way = f"{line.source} -> {line.destination}{what}"
                return f"lets through what neither begins a conversation nor belongs to one ({states}): {way}"
        return f"opens {line.source} -> {line.destination}{what}"

    def _block(self, group: list[Line], universe: Universe) -> None:
        line = group[0]
        packet = witness(line, universe, self.names, line.destination)
        walked = self._walk(packet, universe.way)
        stop = walked.decision
        timed = stop is not None and stop.entry is not None and stop.entry.timeout_s is not None
        if walked.accepted and not timed:
            raise AssertionError(f"two engines disagree on {packet}: {_rule(walked)}")
        way = f"{line.source} -> {line.destination}"
        if line.box.state == 1 << State.ESTABLISHED:
            effect = f"blocks what belongs to open conversations: {way}"
        elif line.box.state == 1 << State.RELATED:
            effect = f"blocks ICMP errors about open conversations: {way}"
        else:
            effect = f"blocks {way}{asks_for([one.box for one in group], line.destination, self.names)}"
        self._add(Flaw.BLOCK, effect, line, walked)

    def _add(self, flaw: Flaw, effect: str, line: Line, walked: Walk) -> None:
        packet = walked.packet
        flow = self._flow_of(packet)
        service = self.names.service(line.destination, packet.protocol, packet.destination_port)
        self.found.setdefault(
            (flaw, effect),
            Difference(
                flaw,
                effect,
                line.source,
                "" if line.spoofed else line.destination,
                service or packet.service,
                packet,
                _rule(walked),
                flow.conduit if flow else "",
                flow.origin if flow else None,
            ),
        )

    def _walk(self, packet: Packet, way: Way) -> Walk:
        return walk(self.loaded, packet, routes=self.routes, way=way)

    def _flow_of(self, packet: Packet) -> Flow | None:
        """The flow that a packet begins, if the policy has it: granted or not."""
        version = packet.source.version
        source = self.names.nodes.get((version, int(packet.source)), "")
        destination = self.names.nodes.get((version, int(packet.destination)), "")
        for flow in self._flows.get((source, destination), ()):
            first, last = flow.ports
            same = flow.source_address == packet.source and NUMBERS[flow.protocol] == packet.protocol
            if same and first <= packet.destination_port <= last and packet.state is State.NEW:
                return flow
        return None


def _rule(walked: Walk) -> str:
    """The rule that settled a packet, in words."""
    stop = walked.decision
    if stop is None:
        return "no chain at all"
    if stop.rule is None:
        return f"{stop.chain.path}: policy {stop.chain.policy}"
    element = f", element of {stop.set_name or 'its map'} {stop.entry.comment!r}" if stop.entry is not None else ""
    return f"{stop.chain.path} {stop.rule.place}: {stop.rule.text[:200]}{element}"
