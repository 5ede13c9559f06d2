"""Ruleset tree -> nftables text, one transaction that replaces the lab's table and touches no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from pacslab.firewall.keys import comment, flow_key
from pacslab.model.plan import Flow
from pacslab.model.ruleset import (
    FAMILY,
    GRANTED,
    LOG_BYTES,
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


def render(table: Table) -> str:
    """Write the table as text for `nft -f`; equal tables give equal text."""
    name = f"{FAMILY} {TABLE}"
    lines = [f"table {name}", f"delete table {name}", f"table {name} {{"]
    parts: tuple[NamedSet | VerdictMap | Chain, ...] = (*table.sets, *table.maps, *table.chains)
    for part in parts:
        lines += [f"\t{line}" if line else "" for line in _part(part)]
    return "\n".join([*lines, "}", ""])


def grant(flow: Flow, seconds: int) -> str:
    """The nft command that opens a flow for a time; the kernel closes it again by itself."""
    return f'add element {_granted(flow)} timeout {seconds}s comment "{comment(flow.conduit)}" : accept }}\n'


def revoke(flow: Flow) -> str:
    """The nft command that closes a granted flow before its time; conversations that are open go on (FACTS 4)."""
    return f"delete element {_granted(flow)} }}\n"


def _granted(flow: Flow) -> str:
    suffix = "6" if flow.source_address.version == 6 else ""
    return f"{FAMILY} {TABLE} {GRANTED}{suffix} {{ {' . '.join(flow_key(flow))}"


def _part(part: NamedSet | VerdictMap | Chain) -> Iterator[str]:
    match part:
        case NamedSet():
            yield f"set {part.name} {{"
            yield f"\ttypeof {' . '.join(part.typeof)}"
            yield from _flags(part.flags)
            yield from _elements(part.elements, counted=False)
        case VerdictMap():
            yield f"map {part.name} {{"
            yield f"\ttypeof {' . '.join(part.typeof)} : verdict"
            yield from _flags(part.flags)
            yield "\tcounter"
            yield from _elements(part.elements, counted=True)
        case Chain():
            yield f"chain {part.name} {{"
            if part.base:
                base = part.base
                yield f"\ttype filter hook {base.hook.value} priority {base.priority}; policy {base.policy};"
            for rule in part.rules:
                yield f"\t{line(rule)}"
        case _:
            assert_never(part)
    yield "}"


def _elements(elements: tuple[Element, ...], *, counted: bool) -> Iterator[str]:
    if not elements:
        return
    yield "\telements = {"
    for n, element in enumerate(elements):
        key = " . ".join(element.key)
        comment = f' comment "{element.comment}"' if element.comment else ""
        lasting = "" if element.timeout_s is None else f" timeout {element.timeout_s}s"
        verdict = f" counter packets 0 bytes 0{lasting}{comment} : {element.verdict}" if counted else comment
        yield f"\t\t{key}{verdict}{',' if n < len(elements) - 1 else ''}"
    yield "\t}"


def _flags(flags: tuple[str, ...]) -> Iterator[str]:
    if flags:
        yield f"\tflags {', '.join(flags)}"


def line(rule: Rule) -> str:
    """Write one rule."""
    words = [_statement(statement) for statement in rule.statements]
    return " ".join(words) + (f' comment "{rule.comment}"' if rule.comment else "")


def _statement(statement: Statement) -> str:
    match statement:
        case Match():
            return f"{' . '.join(statement.selector)} {'!= ' if statement.negated else ''}{statement.value}"
        case Counter():
            return "counter"
        case Log():
            return f'log prefix "{statement.prefix}" group {statement.group} snaplen {LOG_BYTES}'
        case Limit():
            return f"limit rate {statement.rate_per_s}/second burst {statement.burst} packets"
        case Accept():
            return "accept"
        case Drop():
            return "drop"
        case Goto():
            return f"goto {statement.chain}"
        case Lookup():
            return f"{' . '.join(statement.selector)} vmap @{statement.map}"
        case StateMap():
            entries = ", ".join(f"{state} : goto {chain}" for state, chain in statement.entries)
            return f"ct state vmap {{ {entries} }}"
        case _:
            assert_never(statement)
