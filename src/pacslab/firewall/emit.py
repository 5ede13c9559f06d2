"""Policy -> ruleset tree: default deny, a cable is its address, one look-up for all flows of a family."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pacslab.firewall.keys import comment, cut, flow_key
from pacslab.model.fabric import Cable
from pacslab.model.lab import Posture
from pacslab.model.plan import Flow, PlannedZone
from pacslab.model.ruleset import (
    GRANTED,
    LOG_PREFIX,
    WATCH_BURST,
    WATCH_GROUP,
    WATCH_PER_S,
    Accept,
    Base,
    Chain,
    Counter,
    Denial,
    Drop,
    Element,
    Goto,
    Hook,
    Limit,
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

# RFC 1191, RFC 8201, RFC 4890: only errors about a conversation that exists, path MTU discovery among them.
_ERRORS = {
    4: Match(("icmp type",), "{ destination-unreachable, time-exceeded, parameter-problem }"),
    6: Match(("icmpv6 type",), "{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem }"),
}
Network = IPv4Network | IPv6Network
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between IPv4 and IPv6."""

    version: int
    header: str  # as nft calls it
    suffix: str  # of names of sets, maps and chains

    @property
    def source(self) -> str:
        return f"{self.header} saddr"

    @property
    def destination(self) -> str:
        return f"{self.header} daddr"

    @property
    def key(self) -> tuple[str, ...]:
        """What a flow is looked up by."""
        return self.source, self.destination, "meta l4proto", "th dport"


_V4, _V6 = _Family(4, "ip", ""), _Family(6, "ip6", "6")


def emit(zones: Iterable[PlannedZone], cables: Iterable[Cable], flows: Iterable[Flow], posture: Posture) -> Table:
    """Build the ruleset that enforces a policy in a posture; conduits that wait for a grant are closed.

    Raises:
        ValueError: An interface has a name that nft or the kernel would read as something else.
    """
    zones, cables, flows = tuple(zones), tuple(cables), tuple(flows)
    families = (_V4, _V6) if any(cable.address6 for cable in cables) else (_V4,)
    maps = {family: tuple(_maps(family, flows)) for family in families}
    sets = {one.name: one for family in families for one in _sets(family, zones, cables)}
    chains = (
        *_accepting(families),
        *(_entrance6(cables, sets) if _V6 in families else ()),
        _prerouting(families, sets),
        _forward(maps, zones, cables, posture),
        *(_closed(hook) for hook in (Hook.INPUT, Hook.OUTPUT)),
    )
    led_to = {name for chain in chains for rule in chain.rules for name in _targets(rule)}
    return Table(
        sets=tuple(sets.values()),
        maps=tuple(one for family in families for one in maps[family]),
        chains=(*(_deny(reason) for reason in Denial if reason.chain in led_to), *chains),
    )


def _targets(rule: Rule) -> Iterator[str]:
    for statement in rule.statements:
        if isinstance(statement, Goto):
            yield statement.chain
        elif isinstance(statement, StateMap):
            yield from (chain for _, chain in statement.entries)


def _sets(family: _Family, zones: tuple[PlannedZone, ...], cables: tuple[Cable, ...]) -> Iterator[NamedSet]:
    with_address = [(cable, address) for cable in cables if (address := _address(cable, family)) is not None]
    gateways = [zone.gateway if family is _V4 else zone.gateway6 for zone in zones]
    own = tuple(Element((_interface(cable), str(address))) for cable, address in with_address)
    yield NamedSet(f"cables{family.suffix}", ("iifname", family.source), own)
    nodes = dict.fromkeys(str(address) for _, address in with_address)
    yield NamedSet(f"nodes{family.suffix}", (family.destination,), tuple(Element((node,)) for node in nodes))
    answered = tuple(Element((str(gateway),)) for gateway in dict.fromkeys(gateways) if gateway is not None)
    if answered:
        yield NamedSet(f"gateways{family.suffix}", (family.destination,), answered)
    if family is _V6 and len(with_address) < len(cables):
        without = tuple(Element((_interface(cable),)) for cable in cables if cable.address6 is None)
        yield NamedSet("without6", ("iifname",), without)


def _maps(family: _Family, flows: tuple[Flow, ...]) -> Iterator[VerdictMap]:
    """Exact keys in a hash, ranges of ports apart; what is granted for a time in a map that starts empty."""
    mine = [flow for flow in flows if flow.source_address.version == family.version == flow.destination_address.version]
    lasting, granted = [f for f in mine if not f.granted], [f for f in mine if f.granted]
    single = {flow_key(flow): flow for flow in reversed(lasting) if flow.ports[0] == flow.ports[1]}
    elements = tuple(
        Element(key, comment(single[key].conduit)) for key in sorted(single, key=lambda k: _order(single[k]))
    )
    yield VerdictMap(f"flows{family.suffix}", family.key, elements)
    ranges = tuple(
        Element(key, comment(flow.conduit)) for key, flow in cut(f for f in lasting if f.ports[0] != f.ports[1])
    )
    if ranges:
        yield VerdictMap(f"ranges{family.suffix}", family.key, ranges, ("interval",))
    if granted:
        wide = any(flow.ports[0] != flow.ports[1] for flow in granted)
        yield VerdictMap(f"{GRANTED}{family.suffix}", family.key, (), ("interval", "timeout") if wide else ("timeout",))


def _order(flow: Flow) -> tuple[object, ...]:
    return int(flow.source_address), int(flow.destination_address), flow.protocol, flow.port


def _deny(reason: Denial) -> Chain:
    """Log every packet for the prober, a few a second for whoever writes them down; count and drop."""
    prefix = LOG_PREFIX + reason.value
    watch = _rule(Limit(WATCH_PER_S, WATCH_BURST), Log(prefix, WATCH_GROUP), comment=f"watch {reason.value}")
    return Chain(reason.chain, (watch, _rule(Log(prefix), Counter(), Drop(), comment=f"deny {reason.value}")))


def _accepting(families: tuple[_Family, ...]) -> tuple[Chain, ...]:
    """What belongs to a conversation that was let in."""
    errors = (_rule(_ERRORS[f.version], Counter(), Accept(), comment="icmp error of a flow") for f in families)
    return (
        Chain("established", (_rule(Counter(), Accept(), comment="established"),)),
        Chain("related", (*errors, _rule(Goto(Denial.STATE.chain)))),
    )


def _prerouting(families: tuple[_Family, ...], sets: Container[str]) -> Chain:
    # Before conntrack: what is spoofed or has no destination leaves no trace in the state table.
    ipv6 = Goto("prerouting6" if _V6 in families else Denial.IPV6.chain)
    rules = (_rule(Match(("meta nfproto",), "ipv6"), ipv6), *_entrance(_V4, sets))
    return Chain("prerouting", rules, Base(Hook.PREROUTING, "raw"))


def _entrance6(cables: tuple[Cable, ...], sets: Container[str]) -> Iterator[Chain]:
    without = any(cable.address6 is None for cable in cables)
    closed = (_rule(Match(("iifname",), "@without6"), Goto(Denial.IPV6.chain)),) if without else ()
    yield Chain("prerouting6", (*closed, *_entrance(_V6, sets)))


def _entrance(family: _Family, sets: Container[str]) -> Iterator[Rule]:
    """A cable carries its own node's address only, and only to nodes."""
    suffix = family.suffix
    yield _rule(Match(("iifname", family.source), f"@cables{suffix}", negated=True), Goto(Denial.SPOOFED.chain))
    if (gateways := f"gateways{suffix}") in sets:
        yield _rule(Match((family.destination,), f"@{gateways}"), Goto(Denial.FABRIC.chain))
    yield _rule(Match((family.destination,), f"@nodes{suffix}", negated=True), Goto(Denial.NO_NODE.chain))
    yield _rule(Counter(), Accept(), comment="from its own cable to a node")


def _forward(
    maps: dict[_Family, tuple[VerdictMap, ...]],
    zones: tuple[PlannedZone, ...],
    cables: tuple[Cable, ...],
    posture: Posture,
) -> Chain:
    states = (
        ("established", "established"),
        ("related", "related"),
        ("invalid", Denial.STATE.chain),
        ("untracked", Denial.STATE.chain),
    )
    # A conversation begins with SYN; nothing else may look like a beginning (RFC 9293 3.10.7).
    opening = Match(("tcp flags & (fin | syn | rst | ack)",), "syn", negated=True)
    rules = (
        _rule(StateMap(states)),
        _rule(Match(("meta l4proto",), "tcp"), opening, Goto(Denial.STATE.chain)),
        *(_rule(Lookup(family.key, one.name)) for family, found in maps.items() for one in found),
        *_posture_rules(tuple(maps), zones, cables, posture),
    )
    return Chain("forward", rules, Base(Hook.FORWARD, "filter"))


def _closed(hook: Hook) -> Chain:
    """The fabric itself is nobody's peer."""
    return Chain(hook.value, (_rule(Goto(Denial.FABRIC.chain)),), Base(hook, "filter"))


def _posture_rules(
    families: tuple[_Family, ...], zones: tuple[PlannedZone, ...], cables: tuple[Cable, ...], posture: Posture
) -> Iterator[Rule]:
    match posture:
        case Posture.FLAT:
            yield _rule(Counter(), Accept(), comment="posture flat")
        case Posture.ZONED:
            for family in families:
                for name, network in _networks(zones, family):
                    yield from _within(name, network, family, cables)
        case Posture.SEGMENTED:
            pass
    if not _is_open_to_all(zones, cables, posture):
        yield _rule(Goto(Denial.NO_CONDUIT.chain))


def _is_open_to_all(zones: tuple[PlannedZone, ...], cables: tuple[Cable, ...], posture: Posture) -> bool:
    """Whether a posture leaves nothing to deny, so that a rule that denies could never match."""
    return posture is Posture.FLAT or (
        posture is Posture.ZONED and all(_is_one_zone(zones, cables, family) for family in (_V4, _V6))
    )


def _is_one_zone(zones: tuple[PlannedZone, ...], cables: tuple[Cable, ...], family: _Family) -> bool:
    """Whether all nodes that have an address of the family are in one zone."""
    addresses = [address for cable in cables if (address := _address(cable, family)) is not None]
    networks = (network for _, network in _networks(zones, family))
    return not addresses or any(all(address in network for address in addresses) for network in networks)


def _networks(zones: tuple[PlannedZone, ...], family: _Family) -> Iterator[tuple[str, Network]]:
    """Each zone's network but those that lie in another: their rules could never match."""
    both = ((zone.name, zone.network if family is _V4 else zone.network6) for zone in zones)
    named = {network: name for name, network in reversed(list(both)) if network is not None}
    widest: list[Network] = []
    for network in sorted(named, key=lambda n: n.prefixlen):
        if not any(int(wide[0]) <= int(network[0]) <= int(wide[-1]) for wide in widest):
            widest.append(network)
    yield from ((named[network], network) for network in sorted(widest, key=lambda n: int(n[0])))


def _within(name: str, network: Network, family: _Family, cables: tuple[Cable, ...]) -> Iterator[Rule]:
    addresses = (_address(cable, family) for cable in cables)
    if not any(address in network for address in addresses if address is not None):
        return  # nobody is there
    yield _rule(
        Match((family.source,), str(network)),
        Match((family.destination,), str(network)),
        Counter(),
        Accept(),
        comment=f"posture zoned {comment(name)}",
    )


def _address(cable: Cable, family: _Family) -> IPv4Address | IPv6Address | None:
    return cable.address if family is _V4 else cable.address6


def _rule(*statements: Statement, comment: str = "") -> Rule:
    return Rule(statements, comment)


def _interface(cable: Cable) -> str:
    if not _INTERFACE.fullmatch(cable.interface):
        # In nft a name that ends in `*` means many; in the kernel 15 bytes without `/` and spaces are all there is.
        raise ValueError(f"{cable.interface!r} cannot be the name of a cable")
    return f'"{cable.interface}"'
