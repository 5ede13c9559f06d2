"""The reference lab's ruleset -> mutants: every operator finds places, none is the original or comes twice."""

from __future__ import annotations

import pytest

from pacslab.firewall.emit import emit
from pacslab.firewall.mutation.operators import OPERATORS, Mutant, mutants
from pacslab.firewall.text import render
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Table


@pytest.fixture(scope="module")
def table(reference: Plan) -> Table:
    return emit(reference.zones, reference.cables, reference.flows, Posture.SEGMENTED)


@pytest.fixture(scope="module")
def every(reference: Plan, table: Table) -> tuple[Mutant, ...]:
    return tuple(mutants(table, Policy.of(reference, Posture.SEGMENTED)))


def test_names_are_single_and_sentences_whole() -> None:
    names = [operator.name for operator in OPERATORS]
    assert len(set(names)) == len(names)
    assert all(operator.sentence.endswith(".") for operator in OPERATORS)


@pytest.mark.parametrize("name", [operator.name for operator in OPERATORS])
def test_every_operator_finds_places_in_the_reference_lab(every: tuple[Mutant, ...], name: str) -> None:
    assert [mutant for mutant in every if mutant.operator == name]


def test_no_mutant_is_the_original_or_comes_twice(table: Table, every: tuple[Mutant, ...]) -> None:
    texts = [render(mutant.table) for mutant in every]
    assert render(table) not in texts
    assert len(set(texts)) == len(texts)
    assert len({mutant.id for mutant in every}) == len(every)


def test_the_same_lab_gives_the_same_mutants(reference: Plan, table: Table, every: tuple[Mutant, ...]) -> None:
    assert tuple(mutants(table, Policy.of(reference, Posture.SEGMENTED))) == every


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("of flows holds for port any", ". tcp . 0-65535 counter"),
        ('cable "ct-1" may also send as 198.18.10.11', '"ct-1" . 198.18.10.11'),
        ("state invalid goes to established", "invalid : goto established"),
        ("policy of forward is accept", "hook forward priority filter; policy accept;"),
        ("prerouting at priority -150", "hook prerouting priority -150; policy drop;"),
        ("granted flow 198.18.60.10 . 198.18.10.10 . tcp . 22 left in for good", 'comment "vendor-service" : accept'),
    ],
)  # fmt: skip
def test_what_is_said_is_what_is_written(table: Table, every: tuple[Mutant, ...], what: str, line: str) -> None:
    text = next(render(mutant.table) for mutant in every if mutant.what.endswith(what))
    assert line in text
    assert line not in render(table)
