"""Policy -> ruleset tree: default deny, a cable is its address, one verdict map for all flows."""

from __future__ import annotations

from collections.abc import Iterable

from pacslab.model.fabric import Cable
from pacslab.model.lab import Posture
from pacslab.model.plan import Flow, PlannedZone
from pacslab.model.ruleset import (
    LOG_PREFIX,
    Accept,
    Base,
    Chain,
    Counter,
    Denial,
    Drop,
    Element,
    Goto,
    Hook,
    Log,
    Lookup,
    Match,
    NamedSet,
    Rule,
    StateMap,
    Statement,
    Table,
    VerdictMap,
)

CABLES = ("iifname", "ip saddr")
FLOWS = ("ip saddr", "ip daddr", "meta l4proto", "th dport")
# RFC 4890 and RFC 1191 in short: only errors about a conversation that exists, path MTU discovery among them.
ICMP_ERRORS = "{ destination-unreachable, time-exceeded, parameter-problem }"


def emit(zones: Iterable[PlannedZone], cables: Iterable[Cable], flows: Iterable[Flow], posture: Posture) -> Table:
    """Build the ruleset that enforces a policy in a posture; conduits that wait for a grant are closed."""
    zones, cables = tuple(zones), tuple(cables)
    open_flows = sorted(
        (flow for flow in flows if not flow.granted),
        key=lambda f: (f.source_address, f.destination_address, f.protocol, f.port),
    )
    return Table(
        sets=(
            NamedSet("cables", CABLES, tuple(Element((_quoted(c.interface), str(c.address))) for c in cables)),
            NamedSet("nodes", ("ip daddr",), tuple(Element((str(c.address),)) for c in cables)),
            NamedSet("gateways", ("ip daddr",), tuple(Element((str(zone.gateway),)) for zone in zones)),
        ),
        maps=(VerdictMap("flows", FLOWS, tuple(_element(flow) for flow in open_flows)),),
        chains=(*(_deny(reason) for reason in Denial), *_accepting(), *_base_chains(zones, posture)),
    )


def _element(flow: Flow) -> Element:
    key = (str(flow.source_address), str(flow.destination_address), flow.protocol.value, str(flow.port))
    return Element(key, flow.conduit)


def _deny(reason: Denial) -> Chain:
    return Chain(
        reason.chain, (_rule(Log(LOG_PREFIX + reason.value), Counter(), Drop(), comment=f"deny {reason.value}"),)
    )


def _accepting() -> tuple[Chain, ...]:
    """What belongs to a conversation that was let in."""
    errors = Match(("icmp type",), ICMP_ERRORS)
    return (
        Chain("established", (_rule(Counter(), Accept(), comment="established"),)),
        Chain(
            "related",
            (_rule(errors, Counter(), Accept(), comment="icmp error of a flow"), _rule(Goto(Denial.STATE.chain))),
        ),
    )


def _base_chains(zones: tuple[PlannedZone, ...], posture: Posture) -> tuple[Chain, ...]:
    return (
        # Before conntrack: what is spoofed or has no destination leaves no trace in the state table.
        Chain(
            "prerouting",
            (
                _rule(Match(("meta nfproto",), "ipv6"), Goto(Denial.IPV6.chain)),
                _rule(Match(CABLES, "@cables", negated=True), Goto(Denial.SPOOFED.chain)),
                _rule(Match(("ip daddr",), "@gateways"), Goto(Denial.FABRIC.chain)),
                _rule(Match(("ip daddr",), "@nodes", negated=True), Goto(Denial.NO_NODE.chain)),
                _rule(Counter(), Accept(), comment="from its own cable to a node"),
            ),
            Base(Hook.PREROUTING, "raw"),
        ),
        Chain(
            "forward",
            (
                _rule(
                    StateMap(
                        (("established", "established"), ("related", "related"), ("invalid", Denial.STATE.chain)),
                    ),
                ),
                # A conversation begins with SYN; nothing else may look like a beginning (RFC 9293 3.10.7).
                _rule(
                    Match(("meta l4proto",), "tcp"),
                    Match(("tcp flags & (fin | syn | rst | ack)",), "syn", negated=True),
                    Goto(Denial.STATE.chain),
                ),
                _rule(Lookup(FLOWS, "flows")),
                *_posture_rules(zones, posture),
                _rule(Goto(Denial.NO_CONDUIT.chain)),
            ),
            Base(Hook.FORWARD, "filter"),
        ),
        Chain("input", (_rule(Goto(Denial.FABRIC.chain)),), Base(Hook.INPUT, "filter")),
        Chain("output", (_rule(Goto(Denial.FABRIC.chain)),), Base(Hook.OUTPUT, "filter")),
    )


def _posture_rules(zones: tuple[PlannedZone, ...], posture: Posture) -> tuple[Rule, ...]:
    match posture:
        case Posture.SEGMENTED:
            return ()
        case Posture.ZONED:
            return tuple(_within(zone) for zone in zones)
        case Posture.FLAT:
            return (_rule(Counter(), Accept(), comment="posture flat"),)


def _within(zone: PlannedZone) -> Rule:
    network = str(zone.network)
    return _rule(
        Match(("ip saddr",), network),
        Match(("ip daddr",), network),
        Counter(),
        Accept(),
        comment=f"posture zoned {zone.name}",
    )


def _rule(*statements: Statement, comment: str = "") -> Rule:
    return Rule(statements, comment)


def _quoted(name: str) -> str:
    return f'"{name}"'
