"""Operators that add: an accept before a deny, a drop before an accept, a service or a zone opened for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pacslab.firewall.mutation.edit import Operator, Variants, with_chain
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Accept, Chain, Counter, Drop, Match, Rule, Table

_IPV6 = Match(("meta nfproto",), "ipv6")
_NEW = Match(("ct state",), "new")


def _everywhere(table: Table, verdict: Accept | Drop, *matches: Match) -> Iterator[tuple[Chain, int, Table]]:
    """A rule inserted before each rule of each base chain."""
    for chain in table.chains:
        if chain.base is not None:
            for at in range(len(chain.rules)):
                yield chain, at, _inserted(table, chain, at, Rule((*matches, Counter(), verdict), "by hand"))


def _inserted(table: Table, chain: Chain, at: int, rule: Rule) -> Table:
    return with_chain(table, chain, replace(chain, rules=(*chain.rules[:at], rule, *chain.rules[at:])))


def _forward(table: Table, *matches: Match) -> Table:
    """An accept of new conversations before the last rule of forward, the one that denies."""
    chain = next(chain for chain in table.chains if chain.name == "forward")
    return _inserted(table, chain, max(0, len(chain.rules) - 1), Rule((*matches, Counter(), Accept()), "by hand"))


def _accept(table: Table, _policy: Policy) -> Variants:
    for chain, at, outcome in _everywhere(table, Accept()):
        yield f"accept inserted as {chain.name} rule {at + 1}", outcome


def _drop(table: Table, _policy: Policy) -> Variants:
    for chain, at, outcome in _everywhere(table, Drop()):
        yield f"drop without a log inserted as {chain.name} rule {at + 1}", outcome


def _ipv6(table: Table, _policy: Policy) -> Variants:
    both = table
    for name in ("prerouting", "forward"):
        chain = next(chain for chain in both.chains if chain.name == name)
        rule = Rule((_IPV6, Counter(), Accept()), "by hand")
        yield f"IPv6 accepted in {name}", _inserted(table, next(c for c in table.chains if c.name == name), 0, rule)
        both = _inserted(both, chain, 0, rule)
    yield "IPv6 accepted in prerouting and forward", both


def _from_node(table: Table, policy: Policy) -> Variants:
    for cable in policy.cables:
        yield f"everything from {cable.node} accepted", _forward(table, Match(("ip saddr",), str(cable.address)))


def _to_node(table: Table, policy: Policy) -> Variants:
    for cable in policy.cables:
        yield f"everything to {cable.node} accepted", _forward(table, Match(("ip daddr",), str(cable.address)))


def _zones(table: Table, policy: Policy) -> Variants:
    for a in policy.zones:
        for b in policy.zones:
            matches = Match(("ip saddr",), str(a.network)), Match(("ip daddr",), str(b.network))
            yield f"zone {a.name} to zone {b.name} accepted", _forward(table, *matches)


def _service(table: Table, policy: Policy) -> Variants:
    ports = {(service.protocol.value, service.port) for _, service in policy.services}
    for protocol, port in sorted(ports):
        yield f"{port}/{protocol} accepted between all", _forward(table, Match((f"{protocol} dport",), str(port)))


def _protocol(table: Table, _policy: Policy) -> Variants:
    for protocol in ("tcp", "udp", "icmp"):
        yield f"every {protocol} accepted", _forward(table, Match(("meta l4proto",), protocol), _NEW)


ADDITIONS = (
    Operator("insert-accept", "A rule that accepts everything stands before one that denies.", _accept),
    Operator("insert-drop", "A rule that drops everything, and tells nobody, stands before one that accepts.", _drop),
    Operator("ipv6-forgotten", "IPv6 is let through.", _ipv6),
    Operator("accept-from-node", "Everything that a node begins is accepted: an exception that stayed.", _from_node),
    Operator("accept-to-node", "Everything that is meant for a node is accepted.", _to_node),
    Operator("accept-zones", "Everything between two zones, or inside one, is accepted.", _zones),
    Operator("accept-service", "A service is open between all nodes.", _service),
    Operator("accept-protocol", "A whole protocol is open between all nodes.", _protocol),
)
