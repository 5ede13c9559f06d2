"""Operators on the elements of sets and verdict maps: a key deleted, widened, turned round, merged, left in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from pacslab.firewall.keys import comment, flow_key
from pacslab.firewall.mutation.edit import (
    Named,
    Operator,
    Variants,
    key_text,
    named,
    places,
    with_element,
    with_elements,
    with_rules,
)
from pacslab.firewall.mutation.values import neighbours, wide, word
from pacslab.model.policy import Policy
from pacslab.model.ruleset import GRANTED, Element, Lookup, Table, VerdictMap

_WIDENED = "widened"  # the map, with ranges, that a widened key moves to; emit does the same with ranges of ports
_LEFT_S = 3600


def _elements(table: Table) -> Iterator[tuple[Named, int, Element]]:
    return ((one, at, element) for one in named(table) for at, element in enumerate(one.elements))


def _flows(table: Table) -> Iterator[tuple[VerdictMap, int, Element]]:
    return ((one, at, element) for one in table.maps for at, element in enumerate(one.elements))


def _delete(table: Table, _policy: Policy) -> Variants:
    for one, at, element in _elements(table):
        yield f"element {key_text(element)} deleted from {one.name}", with_element(table, one, at)


def _empty(table: Table, _policy: Policy) -> Variants:
    for one in named(table):
        if one.elements:
            yield f"{one.name} emptied", with_elements(table, one, ())


def _flip(table: Table, _policy: Policy) -> Variants:
    for one, at, element in _flows(table):
        flipped = replace(element, verdict="drop")
        yield f"element {key_text(element)} of {one.name} drops", with_element(table, one, at, flipped)


def _by_one(table: Table, _policy: Policy, part: str) -> Variants:
    for one, at, element in _elements(table):
        for place, selector in enumerate(one.typeof):
            if word(selector) == part:
                for other in neighbours(selector, element.key[place]):
                    key = (*element.key[:place], other, *element.key[place + 1 :])
                    what = f"element {key_text(element)} of {one.name} holds also for {part} {other}"
                    yield what, with_element(table, one, at, element, replace(element, key=key))


def _widen(table: Table, policy: Policy, part: str) -> Variants:
    for one, at, element in _elements(table):
        for place, selector in enumerate(one.typeof):
            if word(selector) == part:
                for words, text in wide(selector, element.key[place], policy):
                    key = (*element.key[:place], text, *element.key[place + 1 :])
                    outcome = _with_wide(table, one, at, replace(element, key=key))
                    yield f"element {key_text(element)} of {one.name} holds for {part} {words}", outcome


def _with_wide(table: Table, one: Named, at: int, element: Element) -> Table:
    """A key with a range in it: in a set instead of what it covers, of a map in another one looked up next."""
    if not isinstance(one, VerdictMap):
        rest = tuple(e for e in one.elements if e.key[:-1] != element.key[:-1])
        return with_elements(table, one, (*rest, element), ("interval",))
    without = with_element(table, one, at)
    side = VerdictMap(_WIDENED, one.typeof, (element,), ("interval",))
    for place in places(without):
        for statement in place.rule.statements:
            if isinstance(statement, Lookup) and statement.map == one.name:
                next_one = replace(place.rule, statements=(replace(statement, map=_WIDENED),))
                without = with_rules(without, place, place.rule, next_one)
    return replace(without, maps=(*without.maps, side))


def _swap(table: Table, _policy: Policy) -> Variants:
    for one, at, element in _flows(table):
        swapped = replace(element, key=_reversed(element))
        yield f"element {key_text(element)} of {one.name} turned round", with_element(table, one, at, swapped)


def _both_ways(table: Table, _policy: Policy) -> Variants:
    for one, at, element in _flows(table):
        back = replace(element, key=_reversed(element))
        yield f"element {key_text(element)} of {one.name} both ways", with_element(table, one, at, element, back)


def _reversed(element: Element) -> tuple[str, ...]:
    return element.key[1], element.key[0], *element.key[2:]


def _merge(table: Table, _policy: Policy) -> Variants:
    for one in table.maps:
        for at, (a, b) in enumerate(pairwise(one.elements)):
            if a.key[2:] == b.key[2:]:
                crossed = (replace(a, key=(a.key[0], *b.key[1:])), replace(b, key=(b.key[0], *a.key[1:])))
                what = f"elements {key_text(a)} and {key_text(b)} of {one.name} merged: all sources to all destinations"
                yield what, with_element(table, one, at, a, *crossed)


def _borrowed(table: Table, _policy: Policy) -> Variants:
    for one in table.sets:
        if len(one.typeof) == 2:
            for at, (element, other) in enumerate(
                zip(one.elements, (*one.elements[1:], *one.elements[:1]), strict=True)
            ):
                if element is not other:
                    spoofed = replace(element, key=(element.key[0], other.key[1]))
                    what = f"cable {element.key[0]} may also send as {other.key[1]}"
                    yield what, with_element(table, one, at, element, spoofed)


def _exchanged(table: Table, _policy: Policy) -> Variants:
    for one in table.sets:
        if len(one.typeof) == 2:
            for at, (a, b) in enumerate(pairwise(one.elements)):
                mine, theirs = replace(a, key=(a.key[0], b.key[1])), replace(b, key=(b.key[0], a.key[1]))
                elements = (*one.elements[:at], mine, theirs, *one.elements[at + 2 :])
                yield f"cables {a.key[0]} and {b.key[0]} exchanged", with_elements(table, one, elements)


def _left_in(table: Table, policy: Policy) -> Variants:
    """What a grant opened and nobody closed: for good where it had a conduit, for a time where it has none."""
    permitted = {flow_key(flow) for flow in policy.flows}
    for flow in policy.flows:
        suffix = "6" if flow.source_address.version == 6 else ""
        one = next((m for m in table.maps if m.name == f"{GRANTED}{suffix}"), None)
        if one is None:
            continue
        if flow.granted:
            left = Element(flow_key(flow), comment(flow.conduit))
            yield f"granted flow {key_text(left)} left in for good", with_elements(table, one, (*one.elements, left))
        elif (key := (str(flow.destination_address), str(flow.source_address), *flow_key(flow)[2:])) not in permitted:
            timed = Element(key, comment(flow.conduit), timeout_s=_LEFT_S)
            outcome = with_elements(table, one, (*one.elements, timed))
            yield f"flow {key_text(timed)}, which no conduit has, open for {_LEFT_S} s", outcome


def _relabel(table: Table, policy: Policy) -> Variants:
    conduits = list(dict.fromkeys(comment(flow.conduit) for flow in policy.flows))
    for one, at, element in _flows(table):
        other = next((c for c in conduits if c != element.comment), None)
        if other is not None:
            what = f"element {key_text(element)} of {one.name} counted for conduit {other}"
            yield what, with_element(table, one, at, replace(element, comment=other))


def _of_part(name: str, part: str) -> Iterator[Operator]:
    sentence = f"An element holds for one {part} more: the next one, as after a slip of the pen."
    yield Operator(f"{name}-by-one", sentence, lambda table, policy: _by_one(table, policy, part))
    sentence = f"An element holds for any {part}, or for its whole zone."
    yield Operator(f"{name}-wide", sentence, lambda table, policy: _widen(table, policy, part))


ELEMENTS = (
    Operator("delete-element", "An element of a set or map is gone.", _delete),
    Operator("empty-set", "A set or map is empty.", _empty),
    Operator("flip-element", "An element drops what it should accept.", _flip),
    Operator("borrow-address", "A cable may send with another node's address as well.", _borrowed),
    *_of_part("source", "source"),
    *_of_part("destination", "destination"),
    *_of_part("port", "port"),
    *_of_part("protocol", "protocol"),
    Operator("swap-direction", "A flow is open in the wrong direction instead of the right one.", _swap),
    Operator("both-ways", "A flow is open in both directions.", _both_ways),
    Operator(
        "merge-elements", "Two elements become one that allows all their sources to all their destinations.", _merge
    ),
    Operator("exchange-cables", "Two cables have each other's addresses.", _exchanged),
    Operator("flow-left-in", "A flow that was granted, or never permitted, is still open.", _left_in),
    Operator("relabel-element", "An element is counted for another conduit.", _relabel),
)
