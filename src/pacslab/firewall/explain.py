"""One conversation and what is loaded or planned -> allowed or denied, step by step, by which rule, from which line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pacslab.firewall.invariants import own
from pacslab.firewall.permitted import NUMBERS
from pacslab.firewall.walk import Stop, Walk, walk
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Cable
from pacslab.model.lab import Conduit, Origin
from pacslab.model.loaded import Decision, Loaded
from pacslab.model.packet import SYN, TCP, Packet, State
from pacslab.model.plan import Flow
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Denial

_DENIALS = {reason.chain: reason for reason in Denial}
_WORDS = {
    Denial.SPOOFED: "the source address does not belong to the cable it came in on",
    Denial.IPV6: "the node's zone has no IPv6",
    Denial.NO_NODE: "the destination is not a node of the lab",
    Denial.FABRIC: "the fabric itself is nobody's peer",
    Denial.STATE: "it is neither the beginning of a conversation nor part of one",
    Denial.NO_CONDUIT: "nothing permits this conversation",
}


@dataclass(frozen=True, slots=True)
class Question:
    """May one node open this to another?"""

    source: str
    destination: str
    protocol: Protocol
    port: int
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Leg:
    """One step of the way."""

    step: str  # cable, anti-spoofing, state, decision
    words: str
    rule: str = ""
    packets: int | None = None  # counted there so far; None: not loaded, or not counted


@dataclass(frozen=True, slots=True)
class Nearby:
    """A conduit that would almost have permitted it."""

    conduit: str
    opens: str
    differs: str
    why: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer, and how it came about."""

    allowed: bool
    packet: Packet
    legs: tuple[Leg, ...]
    decided_by: str
    conduit: str = ""
    why: str = ""
    origin: Origin | None = None
    nearest: tuple[Nearby, ...] = ()


def explain(loaded: Loaded, policy: Policy, question: Question, conduits: Iterable[Conduit] = ()) -> Explanation:
    """Follow the first packet of a conversation.

    Raises:
        ValueError: A node has no such address; the words say which.
    """
    cables = {cable.node: cable for cable in policy.cables}
    packet = _packet(question, cables[question.source], cables[question.destination])
    walked = walk(loaded, packet, routes=_routes(policy.cables))
    why = {conduit.id: conduit.why for conduit in conduits}
    flow = next((f for f in policy.flows if _permits(f, question)), None)
    by_flow = flow is not None and walked.accepted and _element(walked) is not None
    stop = walked.decision
    return Explanation(
        allowed=walked.accepted,
        packet=packet,
        legs=tuple(_legs(walked, question)),
        decided_by=_rule(stop) if stop else "no chain at all",
        conduit=flow.conduit if by_flow and flow else "",
        why=why.get(flow.conduit, "") if by_flow and flow else "",
        origin=flow.origin if by_flow and flow else None,
        nearest=() if walked.accepted else tuple(_nearest(policy.flows, question, why)),
    )


def _packet(question: Question, source: Cable, destination: Cable) -> Packet:
    ends = (source.address6, destination.address6) if question.ipv6 else (source.address, destination.address)
    for cable, address in zip((source, destination), ends, strict=True):
        if address is None:
            raise ValueError(f"{cable.node} has no IPv6 address")
    assert ends[0] is not None
    assert ends[1] is not None
    protocol = NUMBERS[question.protocol]
    flags = SYN if protocol == TCP else 0
    return Packet(source.interface, ends[0], ends[1], protocol, destination_port=question.port, flags=flags)


def _routes(cables: Iterable[Cable]) -> dict[object, str]:
    return {address: cable.interface for cable in cables for address in (cable.address, cable.address6) if address}


def _legs(walked: Walk, question: Question) -> Iterable[Leg]:
    packet = walked.packet
    yield Leg("cable", f"{question.source} sends {packet.source} -> {packet.destination} {packet.service}")
    for stop in walked.stops:
        if stop.verdict.decision in {Decision.GOTO, Decision.JUMP}:
            continue
        hook = stop.chain.hook or "prerouting"
        if stop.verdict.decision is Decision.ACCEPT and own(stop.chain) and hook == "prerouting":
            words = f"{packet.source} belongs to cable {packet.interface}, {packet.destination} is a node"
            yield Leg("anti-spoofing", words, _rule(stop), _packets(stop))
            yield Leg("state", f"{State(packet.state).name.lower()}: it begins a conversation")
        else:
            yield Leg("decision", _decision(stop), _rule(stop), _packets(stop))


def _decision(stop: Stop) -> str:
    if stop.verdict.decision is Decision.ACCEPT:
        by = f"element of {stop.set_name} counted for {stop.entry.comment!r}" if stop.entry else _comment(stop)
        timed = f", for {stop.entry.expires_s} s more" if stop.entry and stop.entry.timeout_s else ""
        return f"allowed: {by}{timed}"
    reason = _DENIALS.get(stop.chain.name)
    if reason is not None and stop.rule is not None and stop.rule.comment == f"deny {reason.value}":
        return f"denied: {_WORDS[reason]}"
    return f"denied: {_comment(stop)}"


def _comment(stop: Stop) -> str:
    if stop.rule is None:
        return f"the policy of {stop.chain.name} is {stop.chain.policy}"
    return stop.rule.comment or f"by a rule of {stop.chain.name}"


def _rule(stop: Stop) -> str:
    if stop.rule is None:
        return f"{stop.chain.path}: policy {stop.chain.policy}"
    element = f" ({stop.set_name}: {stop.entry.comment})" if stop.entry else ""
    return f"{stop.chain.path} {stop.rule.place}: {stop.rule.text}{element}"


def _packets(stop: Stop) -> int | None:
    if stop.entry is not None:
        return stop.entry.packets
    return stop.rule.packets if stop.rule is not None and stop.rule.handle else None


def _element(walked: Walk) -> Stop | None:
    stop = walked.decision
    return stop if stop is not None and stop.entry is not None else None


def _permits(flow: Flow, question: Question) -> bool:
    version = 6 if question.ipv6 else 4
    same = (flow.source, flow.destination, flow.protocol) == (question.source, question.destination, question.protocol)
    return same and flow.source_address.version == version and flow.ports[0] <= question.port <= flow.ports[1]


def _nearest(flows: Iterable[Flow], question: Question, why: dict[str, str]) -> Iterable[Nearby]:
    """The conduits that differ least, at most three, and in what."""
    ranked: list[tuple[int, int, Flow, str]] = []
    for flow in flows:
        rank, differs = _distance(flow, question)
        if differs:
            ranked.append((rank, len(ranked), flow, differs))
    seen: set[str] = set()
    best = min((rank for rank, *_ in ranked), default=0)
    for rank, _, flow, differs in sorted(ranked, key=lambda r: r[:2]):
        if rank == best and flow.conduit not in seen and len(seen) < 3:
            seen.add(flow.conduit)
            opens = f"{flow.source} -> {flow.destination}:{_ports(flow)}"
            yield Nearby(flow.conduit, opens, differs, why.get(flow.conduit, ""), flow.origin)


def _distance(flow: Flow, question: Question) -> tuple[int, str]:
    """How far a flow is from what is asked, and in what words; no words: nothing in common."""
    source, destination = flow.source == question.source, flow.destination == question.destination
    first, last = flow.ports
    port = flow.protocol is question.protocol and first <= question.port <= last
    family = "IPv6" if question.ipv6 else "IPv4"
    other_family = flow.source_address.version != (6 if question.ipv6 else 4)
    reverse = (flow.source, flow.destination) == (question.destination, question.source)
    cases = (
        (source and destination and port and flow.granted, "it is closed until granted"),
        (source and destination and port and other_family, f"it is not for {family}"),
        (source and destination and not port, f"it is for port {_ports(flow)}, not {question.port}"),
        (destination and port, f"it is for {flow.source}, not {question.source}"),
        (source and port, f"it leads to {flow.destination}, not {question.destination}"),
        (reverse, "it goes the other way: only the other end may begin"),
        (source, f"it leads to {flow.destination}:{_ports(flow)}"),
        (destination, f"it is for {flow.source} and port {_ports(flow)}"),
    )
    return next(((rank, words) for rank, (holds, words) in enumerate(cases) if holds), (len(cases), ""))


def _ports(flow: Flow) -> str:
    first, last = flow.ports
    return f"{first if first == last else f'{first}-{last}'}/{flow.protocol.value}"
