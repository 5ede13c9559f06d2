"""Operators on rules and their statements: deleted, flipped, weakened, out of order, led elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pacslab.firewall.mutation.edit import Operator, Place, Variants, places, with_chain, with_rules, with_statement
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Accept, Denial, Drop, Goto, Lookup, Match, StateMap, Statement, Table

_DENIALS = frozenset(reason.chain for reason in Denial)
_TURNED = {"saddr": "daddr", "daddr": "saddr", "dport": "sport", "sport": "dport"}


def _statements(table: Table, *kinds: type[Statement]) -> Iterator[tuple[Place, int, Statement]]:
    for place in places(table):
        for at, statement in enumerate(place.rule.statements):
            if isinstance(statement, kinds):
                yield place, at, statement


def _delete(table: Table, _policy: Policy) -> Variants:
    for place in places(table):
        yield f"{place} deleted", with_rules(table, place)


def _swap(table: Table, _policy: Policy) -> Variants:
    for place in places(table):
        rules = place.chain.rules
        if place.at + 1 < len(rules):
            order = (*rules[: place.at], rules[place.at + 1], place.rule, *rules[place.at + 2 :])
            yield f"{place} after the next one", with_chain(table, place.chain, replace(place.chain, rules=order))


def _flip(table: Table, _policy: Policy) -> Variants:
    for place, at, statement in _statements(table, Accept, Drop, Goto):
        if isinstance(statement, Accept):
            yield f"{place} drops", with_statement(table, place, at, Drop())
        elif isinstance(statement, Drop) or (isinstance(statement, Goto) and statement.chain in _DENIALS):
            yield f"{place} accepts", with_statement(table, place, at, Accept())


def _drop_match(table: Table, _policy: Policy) -> Variants:
    for place, at, _ in _statements(table, Match):
        yield f"{place}: match {at + 1} taken out", with_statement(table, place, at)


def _negate(table: Table, _policy: Policy) -> Variants:
    for place, at, statement in _statements(table, Match):
        if isinstance(statement, Match):
            turned = replace(statement, negated=not statement.negated)
            yield f"{place}: match {at + 1} negated", with_statement(table, place, at, turned)


def _turn(table: Table, _policy: Policy) -> Variants:
    for place, at, statement in _statements(table, Match, Lookup):
        if isinstance(statement, Match | Lookup):
            for words in (("saddr", "daddr"), ("dport", "sport")):
                selector = tuple(_turned(one) if one.split()[-1] in words else one for one in statement.selector)
                if selector != statement.selector:
                    what = f"{place} reads {' . '.join(selector)}"
                    yield what, with_statement(table, place, at, replace(statement, selector=selector))


def _turned(selector: str) -> str:
    header, _, name = selector.partition(" ")
    return f"{header} {_TURNED[name]}"


def _literal(table: Table, _policy: Policy) -> Variants:
    """The members of a literal set, and the flags of a mask, taken out one by one; and what is never among them."""
    for place, at, statement in _statements(table, Match):
        if not isinstance(statement, Match):
            continue
        for words, changed in _other_values(statement):
            yield f"{place}: {words}", with_statement(table, place, at, changed)


def _other_values(match: Match) -> Iterator[tuple[str, Match]]:
    if match.value.startswith("{"):
        members = match.value.strip("{ }").split(", ")
        for member in members:
            rest = ", ".join(other for other in members if other != member)
            yield f"without {member}", replace(match, value=f"{{ {rest} }}")
        yield "with echo-request", replace(match, value=f"{{ {', '.join([*members, 'echo-request'])} }}")
    header, separator, mask = match.selector[0].partition(" & ")
    if separator:
        flags = mask.strip("()").split(" | ")
        for flag in flags:
            rest = " | ".join(other for other in flags if other != flag)
            yield f"{flag} not looked at", replace(match, selector=(f"{header} & ({rest})",))


def _states(table: Table, _policy: Policy) -> Variants:
    for place, at, statement in _statements(table, StateMap):
        if not isinstance(statement, StateMap):
            continue
        for number, (state, chain) in enumerate(statement.entries):
            rest = (*statement.entries[:number], *statement.entries[number + 1 :])
            yield f"state {state} forgotten", with_statement(table, place, at, StateMap(rest))
            others = dict.fromkeys(other for _, other in statement.entries if other != chain)
            for other in others:
                entries = (*statement.entries[:number], (state, other), *statement.entries[number + 1 :])
                yield f"state {state} goes to {other}", with_statement(table, place, at, StateMap(entries))
        for chain in dict.fromkeys(chain for _, chain in statement.entries):
            entries = (*statement.entries, ("new", chain))
            yield f"state new goes to {chain}", with_statement(table, place, at, StateMap(entries))


def _elsewhere(table: Table, _policy: Policy) -> Variants:
    """A rule that denies for one reason leads to the chain of another; one that looks up, to another map."""
    reasons = [chain.name for chain in table.chains if chain.name in _DENIALS]
    for place, at, statement in _statements(table, Goto, Lookup):
        if isinstance(statement, Goto) and statement.chain in _DENIALS:
            other = reasons[(reasons.index(statement.chain) + 1) % len(reasons)]
            if other != statement.chain:
                yield f"{place} goes to {other}", with_statement(table, place, at, Goto(other))
        if isinstance(statement, Lookup):
            for one in table.maps:
                own = next(m for m in table.maps if m.name == statement.map)
                if one is not own and one.typeof == own.typeof:
                    changed = replace(statement, map=one.name)
                    yield f"{place} looks into {one.name}", with_statement(table, place, at, changed)


RULES = (
    Operator("delete-rule", "A rule is gone.", _delete),
    Operator("swap-rules", "Two rules that follow each other are exchanged.", _swap),
    Operator("flip-verdict", "A rule accepts what it should drop, or drops what it should accept.", _flip),
    Operator("drop-match", "A rule no longer looks at one of the things it should.", _drop_match),
    Operator("negate-match", "A rule holds for all that it should not hold for.", _negate),
    Operator("turn-selector", "A rule looks at the source where the destination was meant, or the other way.", _turn),
    Operator("change-literal", "A list of ICMP types or TCP flags in a rule lacks one or has one too many.", _literal),
    Operator(
        "state-check",
        "Connection states are forgotten or lead elsewhere: invalid accepted, new not looked at.",
        _states,
    ),
    Operator("lead-elsewhere", "A rule leads to another reason for denial, or looks into another map.", _elsewhere),
)
