"""A ruleset tree and a place in it -> the tree with that one place changed; and what a mutation operator is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pacslab.firewall.text import line
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Chain, Element, NamedSet, Rule, Statement, Table, VerdictMap

Variants = Iterator[tuple[str, Table]]  # what was done, and the outcome
Named = NamedSet | VerdictMap


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to break a ruleset, wherever it can be done."""

    name: str
    sentence: str
    make: Callable[[Table, Policy], Variants]


@dataclass(frozen=True, slots=True)
class Place:
    """A rule of a table, by its position."""

    chain: Chain
    at: int

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.chain.rules[self.at]

    def __str__(self) -> str:
        return f"{self.chain.name} rule {self.at + 1} `{line(self.rule)[:110]}`"


def places(table: Table) -> Iterator[Place]:
    """Every rule of a table, in order."""
    return (Place(chain, at) for chain in table.chains for at in range(len(chain.rules)))


def with_rules(table: Table, place: Place, *rules: Rule) -> Table:
    """The table with these rules, or none, instead of the one at a place."""
    before, after = place.chain.rules[: place.at], place.chain.rules[place.at + 1 :]
    return with_chain(table, place.chain, replace(place.chain, rules=(*before, *rules, *after)))


def with_statement(table: Table, place: Place, at: int, *statements: Statement) -> Table:
    """The table with these statements, or none, instead of one of a rule."""
    old = place.rule
    rule = replace(old, statements=(*old.statements[:at], *statements, *old.statements[at + 1 :]))
    return with_rules(table, place, rule)


def with_chain(table: Table, old: Chain, *new: Chain) -> Table:
    """The table with another chain, or none, instead of one."""
    return replace(table, chains=tuple(one for chain in table.chains for one in (new if chain is old else (chain,))))


def named(table: Table) -> Iterator[Named]:
    """Every set and map of a table."""
    yield from table.sets
    yield from table.maps


def with_elements(
    table: Table, old: Named, elements: tuple[Element, ...], flags: tuple[str, ...] | None = None
) -> Table:
    """The table with other elements in a set or map."""
    flags = old.flags if flags is None else flags
    if isinstance(old, NamedSet):
        changed = replace(old, elements=elements, flags=flags)
        return replace(table, sets=tuple(changed if one is old else one for one in table.sets))
    map_ = replace(old, elements=elements, flags=flags)
    return replace(table, maps=tuple(map_ if one is old else one for one in table.maps))


def with_element(table: Table, old: Named, at: int, *elements: Element) -> Table:
    """The table with these elements, or none, instead of one of a set or map; doubles are left out."""
    others = {element.key for element in (*old.elements[:at], *old.elements[at + 1 :])}
    single = {element.key: element for element in reversed(elements)}  # a kernel, too, keeps one of each key
    fresh = tuple(element for key, element in reversed(single.items()) if key not in others)
    return with_elements(table, old, (*old.elements[:at], *fresh, *old.elements[at + 1 :]))


def key_text(element: Element) -> str:
    """An element's key as nft writes it."""
    return " . ".join(element.key)
