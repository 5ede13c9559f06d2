"""The matrix: every passage counted once, in the zones and nodes it belongs to, whatever it is written as."""

import csv
import io
from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from rich.console import Console

from pacslab.compiler.compile import compile_lab
from pacslab.model.lab import Lab
from pacslab.model.plan import Flow, Plan
from pacslab.report.matrix import Cell, Matrix, matrix
from pacslab.report.matrix_text import csv_text, markdown, print_matrix


@pytest.fixture(scope="module")
def counted(reference_lab: Lab, reference: Plan) -> Matrix:
    return matrix(reference_lab, reference)


def test_every_flow_is_counted_once_in_each_table(counted: Matrix, reference: Plan) -> None:
    closed = sum(flow.granted for flow in reference.flows)
    for cells in (counted.zone_cells, counted.node_cells):
        assert sum(cell.open for cell in cells) == len(reference.flows) - closed
        assert sum(cell.closed_until_granted for cell in cells) == closed == 1
    assert len(counted.passages) == len(reference.flows)


def test_cells_are_where_the_conduits_say(counted: Matrix) -> None:
    assert Cell("modality", "pacs-core", 3, 0) in counted.zone_cells
    assert Cell("vendor-remote", "modality", 0, 1) in counted.zone_cells
    assert Cell("bastion", "ct-1", 0, 1) in counted.node_cells
    assert all(cell.source != "outside" and cell.destination != "outside" for cell in counted.zone_cells)


def test_a_passage_says_what_its_conduit_says(counted: Matrix) -> None:
    (row,) = (row for row in counted.passages if row.closed_until_granted)
    assert (row.source, row.destination, row.ports, row.conduit) == ("bastion", "ct-1", "22/tcp", "vendor-service")
    assert row.owner == "biomedical-engineering"
    assert row.references == ("PR.AA-05", "MA-4")
    assert str(row.origin).startswith("zones/modality.yaml:")


def test_both_families_of_a_conduit_are_one_passage(minimal_lab: Lab, minimal: Plan) -> None:
    def twin(flow: Flow) -> Flow:
        return replace(flow, source_address=IPv6Address("2001:2::1"), destination_address=IPv6Address("2001:2::2"))

    nodes = tuple(replace(n, address6=IPv6Address("2001:2::9")) for n in minimal.nodes)
    both = matrix(minimal_lab, replace(minimal, nodes=nodes, flows=(*minimal.flows, *map(twin, minimal.flows))))
    only = matrix(minimal_lab, replace(minimal, nodes=nodes))
    assert both.zone_cells == only.zone_cells
    assert [row.families for row in both.passages] == [(4, 6)] * len(minimal.flows)
    assert both.passages[0].source_addresses == ("198.18.10.10", "2001:2::9")
    assert only.passages[0].source_addresses == ("198.18.10.10",)
    assert ",v4+v6," in csv_text(both, nodes=True)


def test_the_order_of_flows_does_not_count(reference_lab: Lab, reference: Plan, counted: Matrix) -> None:
    backwards = matrix(reference_lab, replace(reference, flows=reference.flows[::-1]))
    assert replace(backwards, plan=counted.plan) == counted


def test_csv_can_be_read_again(counted: Matrix) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(counted, nodes=True))))
    assert [(row["from"], row["to"], row["ports"]) for row in rows] == [
        (row.source, row.destination, row.ports) for row in counted.passages
    ]
    table = list(csv.reader(io.StringIO(csv_text(counted, nodes=False))))
    assert len(table) == len(counted.zones) + 1
    assert {len(row) for row in table} == {len(counted.zones) + 1}


HOSTILE = "=HYPERLINK(1) | [b]*x*[/b] <i> `c`"


@pytest.fixture(scope="module")
def hostile(counted: Matrix) -> Matrix:
    return replace(counted, passages=tuple(replace(row, why=HOSTILE) for row in counted.passages))


def test_a_reason_is_no_formula(hostile: Matrix) -> None:
    rows = csv.DictReader(io.StringIO(csv_text(hostile, nodes=True)))
    assert {row["why"] for row in rows} == {f"'{HOSTILE}"}


def test_a_reason_is_no_markup(hostile: Matrix) -> None:
    lines = [line for line in markdown(hostile, nodes=True).splitlines() if "HYPERLINK" in line]
    assert len(lines) == len(hostile.passages)
    assert all(line.replace("\\|", "").count("|") == 9 for line in lines)
    assert all("\\<i\\>" in line and "\\[b\\]" in line for line in lines)


def test_a_posture_that_does_not_enforce_it_is_said(reference_lab: Lab, reference: Plan) -> None:
    flat = matrix(reference_lab, compile_lab(replace(reference_lab, posture=type(reference.posture).FLAT)))
    file = io.StringIO()
    print_matrix(Console(file=file, width=160), flat, nodes=False)
    assert "The posture is flat, which does not enforce all of this." in file.getvalue()


def test_more_than_one_service_between_two_nodes(minimal_lab: Lab, minimal: Plan) -> None:
    more = tuple(replace(flow, port=104, granted=True) for flow in minimal.flows)
    found = matrix(minimal_lab, replace(minimal, flows=(*minimal.flows, *more)))
    assert [str(cell) for cell in found.zone_cells] == ["1 + 1 closed"] * 2
