"""Policy to ruleset tree: one element for each open flow, one reason for each denial."""

from dataclasses import replace
from typing import Any

import pytest

from pacslab.firewall.emit import emit
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan
from pacslab.model.ruleset import (
    Accept,
    Base,
    Chain,
    Counter,
    Denial,
    Drop,
    Goto,
    Hook,
    Limit,
    Log,
    Match,
    Rule,
    Statement,
    Table,
    VerdictMap,
)


def _emit(plan: Plan, posture: Posture = Posture.SEGMENTED, **changes: Any) -> Table:
    plan = replace(plan, **changes)
    return emit(plan.zones, plan.cables, plan.flows, posture)


def _flows(table: Table) -> VerdictMap:
    return next(one for one in table.maps if one.name == "flows")


def _chain(table: Table, name: str) -> Chain:
    return next(chain for chain in table.chains if chain.name == name)


def _ends(rule: Rule) -> Statement:
    return rule.statements[-1]


def test_one_element_for_each_open_flow_named_after_its_conduit(reference: Plan) -> None:
    expected = {
        ((str(f.source_address), str(f.destination_address), f.protocol.value, str(f.port)), f.conduit)
        for f in reference.flows
        if f.conduit != "vendor-service"
    }
    elements = _flows(_emit(reference)).elements
    assert {(element.key, element.comment) for element in elements} == expected
    assert len(elements) == 20


def test_the_order_of_conduits_does_not_change_the_ruleset(reference: Plan) -> None:
    assert _emit(reference, flows=tuple(reversed(reference.flows))) == _emit(reference)


@pytest.mark.parametrize("posture", Posture)
def test_without_flows_nothing_is_mapped(posture: Posture, reference: Plan) -> None:
    assert _flows(_emit(reference, posture, flows=())).elements == ()


def test_every_base_chain_drops_by_policy_and_every_hook_has_one(reference: Plan) -> None:
    bases = [chain.base for chain in _emit(reference).chains if chain.base]
    assert bases == [
        Base(Hook.PREROUTING, "raw"),
        Base(Hook.FORWARD, "filter"),
        Base(Hook.INPUT, "filter"),
        Base(Hook.OUTPUT, "filter"),
    ]


@pytest.mark.parametrize("reason", Denial)
def test_every_denial_is_logged_counted_and_dropped(reason: Denial, reference: Plan) -> None:
    """All of them for the prober; a few a second for whoever writes them down."""
    watch, deny = _chain(_emit(reference), reason.chain).rules
    assert deny == Rule((Log(f"pacslab:{reason.value}"), Counter(), Drop()), f"deny {reason.value}")
    assert watch == Rule((Limit(5, 50), Log(f"pacslab:{reason.value}", 2)), f"watch {reason.value}")


def test_what_waits_for_a_grant_has_a_map_that_starts_empty(reference: Plan) -> None:
    granted = next(one for one in _emit(reference).maps if one.name == "granted")
    assert (granted.elements, granted.flags) == ((), ("timeout",))


@pytest.mark.parametrize("posture", Posture)
def test_every_accept_is_counted_and_says_whose_it_is(posture: Posture, reference: Plan) -> None:
    rules = [rule for chain in _emit(reference, posture).chains for rule in chain.rules]
    accepting = [rule for rule in rules if isinstance(_ends(rule), Accept)]
    assert len(accepting) == {Posture.SEGMENTED: 3, Posture.ZONED: 3 + 7, Posture.FLAT: 4}[posture]
    assert [rule for rule in accepting if Counter() not in rule.statements or not rule.comment] == []


@pytest.mark.parametrize("posture", [Posture.SEGMENTED, Posture.ZONED])
def test_forwarding_ends_in_a_denial(posture: Posture, reference: Plan) -> None:
    assert _ends(_chain(_emit(reference, posture), "forward").rules[-1]) == Goto("deny_no_conduit")


def test_where_everything_is_open_no_rule_is_left_that_nothing_could_meet(reference: Plan) -> None:
    table = _emit(reference, Posture.FLAT)
    assert _ends(_chain(table, "forward").rules[-1]) == Accept()
    assert "deny_no_conduit" not in [chain.name for chain in table.chains]


def test_the_fabric_itself_is_nobodys_peer(reference: Plan) -> None:
    table = _emit(reference, Posture.FLAT)
    assert _chain(table, "input").rules == _chain(table, "output").rules == (Rule((Goto("deny_fabric"),)),)


def test_a_zone_is_free_inside_only(reference: Plan) -> None:
    rules = [rule for rule in _chain(_emit(reference, Posture.ZONED), "forward").rules if "zoned" in rule.comment]
    networks = [
        (first.value, second.value)
        for first, second, *_ in (rule.statements for rule in rules)
        if isinstance(first, Match) and isinstance(second, Match)
    ]
    assert networks == [(str(zone.network), str(zone.network)) for zone in reference.zones]


def test_names_are_no_keywords_of_nft(reference: Plan) -> None:
    """FACTS 4: a name that is a keyword is a syntax error."""
    keywords = {"accept", "drop", "log", "fwd", "jump", "goto", "counter", "reject", "limit", "queue", "dup", "notrack"}
    table = _emit(reference)
    names = [part.name for part in (*table.sets, *table.maps, *table.chains)]
    assert len(names) == len(set(names))
    assert [name for name in names if name in keywords or not name[0].isalpha()] == []
