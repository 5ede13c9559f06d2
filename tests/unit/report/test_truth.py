"""Results of any suite, arranged by zones and nodes."""

from __future__ import annotations

from dataclasses import replace

from tests.reports import DOUBT, LEAK, MISSING, OPEN, PROVED, SHUT, UNTRIED

from pacslab.model.plan import Plan
from pacslab.model.verdict import Result, Verdict
from pacslab.report.seats import FABRIC, Seats
from pacslab.report.truth import Cell, TruthTable, truth_table


def _table(plan: Plan, *results: Result) -> TruthTable:
    return truth_table(results, Seats.of(plan))


def _cell(table: TruthTable, source: str, destination: str) -> Cell:
    pair = table.find(source, destination)
    assert pair is not None
    return pair.cell


def test_zones_stand_in_the_labs_order_and_pairs_nobody_looked_at_are_not_there(minimal: Plan) -> None:
    table = _table(minimal, LEAK, OPEN)
    assert table.zones == ("modality", "pacs-core", "vendor-remote")
    assert [(p.source, p.destination) for p in table.pairs] == [
        ("modality", "pacs-core"),
        ("vendor-remote", "modality"),
    ]
    assert table.find("pacs-core", "modality") is None


def test_a_passage_counts_once_however_many_checks_try_it(minimal: Plan) -> None:
    operation = replace(OPEN, check="DICOM-01")
    assert _cell(_table(minimal, OPEN, operation), "modality", "pacs-core") == Cell(open=1)


def test_every_failure_counts(minimal: Plan) -> None:
    assert _cell(_table(minimal, LEAK, replace(LEAK, check="DICOM-01")), "vendor-remote", "modality").failed == 2


def test_the_worst_decides_a_cell(minimal: Plan) -> None:
    for results, verdict in (
        ((OPEN, UNTRIED), Verdict.PASS),
        ((UNTRIED,), Verdict.SKIPPED),
        ((OPEN, DOUBT, UNTRIED), Verdict.INCONCLUSIVE),
        ((OPEN, DOUBT, replace(OPEN, verdict=Verdict.FAIL)), Verdict.FAIL),
    ):
        assert _cell(_table(minimal, *results), "modality", "pacs-core").verdict is verdict


def test_a_zone_pair_holds_its_nodes(minimal: Plan) -> None:
    pair = _table(minimal, OPEN, SHUT).find("vendor-remote", "pacs-core")
    assert pair is not None
    assert [(inner.source, inner.destination, inner.cell) for inner in pair.inner] == [
        ("vendor-1", "pacs", Cell(shut=1))
    ]


def test_what_has_no_two_ends_is_in_no_cell(minimal: Plan) -> None:
    sweep = replace(PROVED, source="fabric", destination="fabric")
    assert _table(minimal, MISSING, PROVED, sweep).pairs == ()


def test_the_fabric_gets_a_column_only_when_something_was_sent_there(minimal: Plan) -> None:
    assert FABRIC not in _table(minimal, OPEN).zones
    table = _table(minimal, replace(SHUT, destination="fabric", service="icmp-echo"))
    assert table.zones[-1] == FABRIC
    assert _cell(table, "vendor-remote", FABRIC) == Cell(shut=1)


def test_the_words_of_a_cell_begin_with_what_is_wrong() -> None:
    assert Cell(3, 51, 2, 1, 4).words == "2 FAIL, 1 unclear, 3 open, 51 shut, 4 skipped"
    assert Cell(shut=1).words == "1 shut"
