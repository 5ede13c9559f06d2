"""Loaded ruleset -> what is wrong with it besides its meaning, and what each conduit opens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pacslab.firewall.keys import comment
from pacslab.firewall.naming import Names
from pacslab.firewall.permitted import NUMBERS
from pacslab.model.loaded import Entry, Field, Loaded, LoadedChain
from pacslab.model.plan import Flow
from pacslab.model.policy import Policy
from pacslab.model.proof import Difference, Flaw, Opening
from pacslab.model.ruleset import FAMILY, TABLE

CONVERSATION = (Field.SOURCE, Field.DESTINATION, Field.PROTOCOL, Field.DPORT)
HOOKS = ("prerouting", "forward", "input", "output")


def own(chain: LoadedChain) -> bool:
    """Whether a chain is of the lab's own table."""
    return (chain.family, chain.table) == (FAMILY, TABLE)


def foreign(loaded: Loaded) -> Iterator[Difference]:
    """Tables and hooks that pacslab did not make."""
    for family, table in loaded.tables:
        if (family, table) != (FAMILY, TABLE):
            hooks = [c for c in loaded.chains if (c.family, c.table) == (family, table) and c.hook]
            where = ", ".join(f"{c.name} at {c.hook} priority {c.priority}, policy {c.policy}" for c in hooks)
            effect = f"table {family} {table} is not pacslab's: " + (where or "no chain of it is in an IP hook")
            yield Difference(Flaw.FOREIGN, effect, rule=where)
    for sentence in loaded.unproved:
        yield Difference(Flaw.FOREIGN, f"{sentence}: it may redirect or change any packet, unseen by this proof")


def no_drop(loaded: Loaded) -> Iterator[Difference]:
    """Base chains of the lab's table that are missing, or do not drop what no rule names."""
    hooked = {chain.hook for chain in loaded.chains if own(chain)}
    for hook in HOOKS:
        if hook not in hooked:
            yield Difference(Flaw.NO_DROP, f"table {FAMILY} {TABLE} has no chain in hook {hook}")
    for chain in loaded.chains:
        if own(chain) and chain.hook and chain.policy != "drop":
            yield Difference(
                Flaw.NO_DROP,
                f"{chain.path}: its policy is {chain.policy}, so one rule taken out could open everything",
                rule=f"{chain.path}: policy {chain.policy}",
            )


def unreached(loaded: Loaded, hits: set[int]) -> Iterator[Difference]:
    """Rules and elements of the lab's table that no packet can ever meet."""
    for chain in filter(own, loaded.chains):
        for rule in chain.rules:
            if id(rule) not in hits:
                effect = f"no packet can ever meet the rule {chain.name} {rule.place}: {rule.text[:120]}"
                yield Difference(Flaw.UNREACHED, effect, rule=f"{chain.path} {rule.place}")
    for named in loaded.maps:
        for entry in named.entries:
            if id(entry) not in hits:
                effect = f"no packet can ever meet the element {entry.comment!r} of {named.name}: {entry.key}"
                yield Difference(Flaw.UNREACHED, effect, rule=named.name, conduit=entry.comment)


def labels(loaded: Loaded, policy: Policy, names: Names) -> Iterator[Difference]:
    """Elements that are counted for another conduit than the one they open."""
    single: dict[tuple[int, int, int, int, int], list[Flow]] = {}
    ranges: dict[tuple[int, int, int, int], list[Flow]] = {}
    for flow in policy.flows:
        if flow.ports[0] == flow.ports[1]:
            single.setdefault((*_ends(flow), flow.port), []).append(flow)
        else:
            ranges.setdefault(_ends(flow), []).append(flow)
    for family, entry in _conversations(loaded):
        source, destination, protocol, ports = _key(entry)
        ends = family, source, destination, protocol
        wide = [f for f in ranges.get(ends, ()) if f.ports[0] <= ports[1] and ports[0] <= f.ports[1]]
        opened = [flow.conduit for flow in (*single.get((*ends, ports[0]), ()), *wide)]
        if opened and entry.comment not in {comment(conduit) for conduit in opened}:
            pair = f"{names.address(family, source)} -> {names.address(family, destination)}:{ports[0]}"
            effect = f"counts {pair} for conduit {entry.comment!r}, and it is {opened[0]!r}"
            yield Difference(Flaw.LABEL, effect, conduit=opened[0])


def openings(loaded: Loaded, policy: Policy, names: Names) -> tuple[Opening, ...]:
    """The pairs of nodes that each conduit opens now, and how many conversations it has let in."""
    pairs: dict[str, dict[tuple[str, str], None]] = {}
    packets: dict[str, int] = {}
    for family, entry in _conversations(loaded):
        source, destination, _, _ = _key(entry)
        pair = names.address(family, source), names.address(family, destination)
        pairs.setdefault(entry.comment, {})[pair] = None
        packets[entry.comment] = packets.get(entry.comment, 0) + (entry.packets or 0)
    origins = {comment(flow.conduit): flow.origin for flow in policy.flows}
    return tuple(Opening(c, tuple(found), packets[c], origins.get(c)) for c, found in pairs.items())


def _conversations(loaded: Loaded) -> Iterable[tuple[int, Entry]]:
    for named in loaded.maps:
        if named.fields == CONVERSATION and named.family is not None:
            for entry in named.entries:
                yield named.family, entry


def _ends(flow: Flow) -> tuple[int, int, int, int]:
    source, destination = flow.source_address, flow.destination_address
    return source.version, int(source), int(destination), NUMBERS[flow.protocol]


def _key(entry: Entry) -> tuple[int, int, int, tuple[int, int]]:
    source, destination, protocol, ports = entry.key
    assert isinstance(source, tuple)
    assert isinstance(destination, tuple)
    assert isinstance(protocol, tuple)
    assert isinstance(ports, tuple)
    return source[0], destination[0], protocol[0], ports
