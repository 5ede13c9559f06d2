"""A conformance run as people read it on a terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.reports import DOUBT, LEAK, OPEN, SHUT, UNTRIED, run

from pacslab.checks.catalogue import CATALOGUE
from pacslab.model.lab import Origin
from pacslab.model.plan import Plan
from pacslab.model.verdict import Result, Run, Verdict
from pacslab.report.console import MOST_SHOWN, print_run
from pacslab.report.seats import Seats

BROKEN = replace(OPEN, verdict=Verdict.FAIL, observed="dropped", origin=Origin("zones/pacs-core.yaml", 24, 5))


def _text(made: Run, plan: Plan) -> str:
    out = io.StringIO()
    print_run(
        Console(file=out, width=160, highlight=False, markup=False, no_color=True), made, Seats.of(plan), CATALOGUE
    )
    return out.getvalue()


def _row(text: str, first: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(first + " ")).split()


def test_the_truth_table_counts_open_and_shut_by_zone(minimal: Plan) -> None:
    text = _text(run(OPEN, SHUT, replace(SHUT, service="http")), minimal)
    assert _row(text, "modality") == ["modality", ".", "1", "open", "."]
    assert _row(text, "vendor-remote") == ["vendor-remote", ".", "2", "shut", "."]


@pytest.mark.parametrize(("result", "word"), [(LEAK, "FAIL,"), (replace(LEAK, verdict=DOUBT.verdict), "unclear,")])
def test_the_truth_table_shows_the_worst(result: Result, word: str, minimal: Plan) -> None:
    text = _text(run(replace(SHUT, destination="ct-1"), result), minimal)
    assert _row(text, "vendor-remote")[1:3] == ["1", word]


def test_a_failure_says_requirement_expectation_observation_and_evidence(minimal: Plan) -> None:
    text = _text(run(OPEN, LEAK), minimal)
    assert (
        "FAIL REACH-02 vendor-1 -> ct-1 22/tcp\n"
        "  requirement  What no flow permits does not reach the other node, "
        "and the firewall's own log accounts for it.\n"
        "  expected     denied: no conduit\n"
        "  observed     reached the receiver, and answered SYN-ACK\n"
        "  evidence     probe arrived; receiver saw 198.18.60.11; control reached it, answer syn-ack\n"
        "  rule         forward rule 3: ip saddr 198.18.60.11 accept\n"
    ) in text


def test_a_failed_flow_names_the_line_that_permits_it(minimal: Plan) -> None:
    assert "  written at   zones/pacs-core.yaml:24:5\n" in _text(run(BROKEN), minimal)


def test_a_doubt_says_why(minimal: Plan) -> None:
    assert "INCONCLUSIVE DICOM-01 ct-1 -> pacs dicom\n" in _text(run(DOUBT), minimal)
    assert "  because      ct-1's device gave no answer\n" in _text(run(DOUBT), minimal)


def test_each_check_has_a_row_of_counts(minimal: Plan) -> None:
    text = _text(run(OPEN, SHUT, SHUT, LEAK, UNTRIED), minimal)
    assert _row(text, "REACH-02")[1:5] == ["2", "1", "0", "0"]
    assert _row(text, "DICOM-03")[1:5] == ["0", "0", "0", "1"]


def test_only_so_many_are_shown_and_the_rest_is_counted(minimal: Plan) -> None:
    text = _text(run(*[LEAK] * (MOST_SHOWN + 5)), minimal)
    assert text.count("FAIL REACH-02 ") == MOST_SHOWN
    assert "... and 5 more, all in the reports" in text


@pytest.mark.parametrize(
    ("results", "conclusion"),
    [
        ((OPEN, SHUT), "PASS  lab minimal, posture segmented: 2 PASS"),
        ((OPEN, LEAK), "FAIL  lab minimal, posture segmented: 1 PASS, 1 FAIL"),
        ((OPEN, DOUBT), "INCONCLUSIVE  lab minimal, posture segmented: 1 PASS, 1 INCONCLUSIVE"),
        ((), "INCONCLUSIVE  lab minimal, posture segmented: nothing was checked"),
        ((UNTRIED,), "INCONCLUSIVE  lab minimal, posture segmented: 1 SKIPPED"),
    ],
)
def test_the_conclusion(results: tuple[Result, ...], conclusion: str, minimal: Plan) -> None:
    lines = _text(run(*results), minimal).splitlines()
    assert conclusion in lines
    assert "3 probes sent = 2 arrived + 1 dropped + 0 rejected + 0 discarded + 0 lost; 1.2 s" in lines
    assert "plan aaaaaaaaaaaa, ruleset bbbbbbbbbbbb, engine 20.10.24" in lines


def test_a_zone_pair_folds_out_to_the_nodes_where_something_is_wrong(minimal: Plan) -> None:
    fine = replace(SHUT, destination="ct-1")
    text = _text(run(OPEN, fine, LEAK), minimal)
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("vendor-remote -> modality"))
    assert lines[at].split() == ["vendor-remote", "->", "modality", "ct-1"]
    assert lines[at + 1].split() == ["vendor-1", "1", "FAIL,", "1", "shut"]
    assert "modality -> pacs-core" not in text


def test_where_all_is_well_nothing_folds_out(minimal: Plan) -> None:
    assert "->" not in _text(run(OPEN, SHUT), minimal)


def test_a_run_that_died_says_so(minimal: Plan) -> None:
    text = _text(run(OPEN, error="the engine is gone"), minimal)
    assert "INCONCLUSIVE  lab minimal" in text
    assert "the run died: the engine is gone" in text


def test_failures_come_before_doubts(minimal: Plan) -> None:
    text = _text(run(DOUBT, LEAK), minimal)
    assert text.index("\nFAIL REACH-02") < text.index("\nINCONCLUSIVE DICOM-01")
