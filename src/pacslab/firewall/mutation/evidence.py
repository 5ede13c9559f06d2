"""Operators that move no packet, but take away or falsify what shows where packets end: logs, counters, comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pacslab.firewall.mutation.edit import Operator, Place, Variants, places, with_rules, with_statement
from pacslab.model.policy import Policy
from pacslab.model.ruleset import LOG_GROUP, LOG_PREFIX, Counter, Denial, Drop, Log, Rule, Table

_NOBODY_READS = 7


def _logs(table: Table) -> Iterator[tuple[Place, int, Log]]:
    for place in places(table):
        for at, statement in enumerate(place.rule.statements):
            if isinstance(statement, Log):
                yield place, at, statement


def _log_gone(table: Table, _policy: Policy) -> Variants:
    for place, at, _ in _logs(table):
        yield f"{place}: log removed", with_statement(table, place, at)


def _log_elsewhere(table: Table, _policy: Policy) -> Variants:
    for place, at, log in _logs(table):
        if log.group == LOG_GROUP:
            to = replace(log, group=_NOBODY_READS)
            yield f"{place}: logged to a group that nobody reads", with_statement(table, place, at, to)


def _log_false(table: Table, _policy: Policy) -> Variants:
    reasons = list(Denial)
    for place, at, log in _logs(table):
        reason = Denial(log.prefix.removeprefix(LOG_PREFIX))
        other = reasons[(reasons.index(reason) + 1) % len(reasons)]
        false = replace(log, prefix=LOG_PREFIX + other.value)
        yield f"{place}: logged as {other.value}", with_statement(table, place, at, false)


def _log_late(table: Table, _policy: Policy) -> Variants:
    for place, at, log in _logs(table):
        statements = place.rule.statements
        if any(isinstance(statement, Drop) for statement in statements[at:]):
            # nft refuses a statement after a verdict in the same rule, and takes it in the next one.
            rest = replace(place.rule, statements=(*statements[:at], *statements[at + 1 :]))
            yield f"{place}: log in a rule of its own after it", with_rules(table, place, rest, Rule((log,)))


def _counter_gone(table: Table, _policy: Policy) -> Variants:
    for place in places(table):
        for at, statement in enumerate(place.rule.statements):
            if isinstance(statement, Counter):
                yield f"{place}: counter removed", with_statement(table, place, at)


def _comment_gone(table: Table, _policy: Policy) -> Variants:
    for place in places(table):
        if place.rule.comment:
            yield f"{place}: comment removed", with_rules(table, place, replace(place.rule, comment=""))


EVIDENCE = (
    Operator("remove-log", "What is denied is not logged.", _log_gone),
    Operator("misdirect-log", "What is denied is logged where nobody reads it.", _log_elsewhere),
    Operator("falsify-log", "What is denied is logged for another reason.", _log_false),
    Operator("log-late", "A log stands after the drop that it should tell of, where nothing gets to.", _log_late),
    Operator("remove-counter", "What comes to a rule is not counted.", _counter_gone),
    Operator("remove-comment", "A rule does not say whose it is, and so its counter counts for nobody.", _comment_gone),
)
