"""Ruleset tree -> the document that nft would list of it once loaded, so that a plan is read like a kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, assert_never

from pacslab.firewall.readback import read_back
from pacslab.model.loaded import Loaded
from pacslab.model.ruleset import (
    FAMILY,
    TABLE,
    Accept,
    Chain,
    Counter,
    Drop,
    Element,
    Goto,
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

_PRIORITY = {"raw": -300, "filter": 0}
_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f]*:[0-9a-f:]*")
_MASKED = re.compile(r"^(?P<header>\w+) (?P<field>\w+) & \((?P<mask>[\w |]+)\)$")


def planned(table: Table) -> Loaded:
    """What reading the table back from a kernel would give, without handles and counts."""
    return read_back(document(table))


def document(table: Table) -> dict[str, Any]:
    """Write the table as `nft -j list ruleset` does."""
    items: list[dict[str, Any]] = [{"table": {"family": FAMILY, "name": TABLE}}]
    items += [{"set": _named(one) | {"elem": [_key(e) for e in one.elements]}} for one in table.sets]
    items += [{"map": _named(one) | {"map": "verdict", "elem": list(_mapped(one.elements))}} for one in table.maps]
    items += [{"chain": _chain(chain)} for chain in table.chains]
    items += [{"rule": _rule(rule, chain)} for chain in table.chains for rule in chain.rules]
    return {"nftables": items}


def _named(one: NamedSet | VerdictMap) -> dict[str, Any]:
    return {"family": FAMILY, "table": TABLE, "name": one.name}


def _mapped(elements: Iterable[Element]) -> Iterable[Any]:
    for element in elements:
        about: dict[str, Any] = {"val": _key(element), "comment": element.comment}
        if element.timeout_s is not None:
            about |= {"timeout": element.timeout_s, "expires": element.timeout_s}
        decision, _, chain = element.verdict.partition(" ")
        yield [{"elem": about}, {decision: {"target": chain} if chain else None}]


def _key(element: Element) -> Any:
    values = [_value(part) for part in element.key]
    return values[0] if len(values) == 1 else {"concat": values}


def _chain(chain: Chain) -> dict[str, Any]:
    about: dict[str, Any] = {"family": FAMILY, "table": TABLE, "name": chain.name}
    if chain.base:
        priority = chain.base.priority
        number = _PRIORITY[priority] if priority in _PRIORITY else int(priority)
        about |= {"type": "filter", "hook": chain.base.hook.value, "prio": number, "policy": chain.base.policy}
    return about


def _rule(rule: Rule, chain: Chain) -> dict[str, Any]:
    about = {"family": FAMILY, "table": TABLE, "chain": chain.name, "handle": 0}
    comment = {"comment": rule.comment} if rule.comment else {}
    return about | comment | {"expr": [_statement(one) for one in rule.statements]}


def _statement(statement: Statement) -> dict[str, Any]:
    match statement:
        case Match():
            operator = "!=" if statement.negated else "=="
            return {"match": {"op": operator, "left": _selector(statement.selector), "right": _right(statement.value)}}
        case Counter():
            return {"counter": {"packets": 0, "bytes": 0}}
        case Log():
            return {"log": {"prefix": statement.prefix, "group": statement.group}}
        case Limit():
            return {"limit": {"rate": statement.rate_per_s, "per": "second"}}
        case Accept():
            return {"accept": None}
        case Drop():
            return {"drop": None}
        case Goto():
            return {"goto": {"target": statement.chain}}
        case Lookup():
            return {"vmap": {"key": _selector(statement.selector), "data": f"@{statement.map}"}}
        case StateMap():
            entries = [[state, {"goto": {"target": chain}}] for state, chain in statement.entries]
            return {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": entries}}}
        case _:
            assert_never(statement)


def _selector(parts: tuple[str, ...]) -> dict[str, Any]:
    selectors = [_one_selector(part) for part in parts]
    return selectors[0] if len(selectors) == 1 else {"concat": selectors}


def _one_selector(words: str) -> dict[str, Any]:
    if masked := _MASKED.match(words):
        payload = {"payload": {"protocol": masked["header"], "field": masked["field"]}}
        return {"&": [payload, masked["mask"].split(" | ")]}
    header, _, name = words.partition(" ")
    if header == "ct":
        return {"ct": {"key": name}}
    if header == "meta" or not name:
        return {"meta": {"key": name or header}}
    return {"payload": {"protocol": header, "field": name}}


def _right(value: str) -> Any:
    if value.startswith("{"):
        return {"set": [_value(one) for one in value.strip("{ }").split(", ")]}
    return _value(value)


def _value(text: str) -> Any:
    """A value as nft's JSON has it: numbers, prefixes and ranges are not text."""
    if text.startswith('"'):
        return text.strip('"')
    if text.isdigit():
        return int(text)
    if "/" in text:
        address, _, length = text.partition("/")
        return {"prefix": {"addr": address, "len": int(length)}}
    first, dash, last = text.partition("-")
    if dash and first.isdigit() and last.isdigit():
        return {"range": [int(first), int(last)]}
    if dash and _ADDRESS.fullmatch(first) and _ADDRESS.fullmatch(last):
        return {"range": [first, last]}
    return text
