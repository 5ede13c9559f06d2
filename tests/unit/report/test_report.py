"""A conformance run as people and machines read it."""

import datetime as dt
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from pacslab.checks.catalogue import CATALOGUE
from pacslab.model import codec
from pacslab.model.lab import Origin
from pacslab.model.plan import Plan
from pacslab.model.verdict import Accounting, Result, Run, Verdict
from pacslab.report.console import MOST_SHOWN, print_run
from pacslab.report.json import SCHEMA_VERSION, render

OPEN = Result(
    "REACH-01", Verdict.PASS, "ct-1", "pacs", "dicom", "allowed by conduit acquire", "connected", conduit="acquire"
)
SHUT = Result("REACH-02", Verdict.PASS, "vendor-1", "pacs", "dicom", "denied: no conduit", "dropped by the firewall")
LEAK = Result(
    "REACH-02",
    Verdict.FAIL,
    "vendor-1",
    "ct-1",
    "22/tcp",
    "denied: no conduit",
    "reached the receiver, and answered RST",
    evidence=("probe arrived", "control reached it, answer rst"),
)
DOUBT = Result("DICOM-01", Verdict.INCONCLUSIVE, "ct-1", "pacs", "dicom", "C-ECHO succeeds", "not tried", reason="gone")
UNTRIED = Result("DICOM-03", Verdict.SKIPPED, "ct-1", "pacs", "dicom", "C-FIND succeeds", "not tried")
BROKEN = replace(OPEN, verdict=Verdict.FAIL, observed="dropped", origin=Origin("zones/pacs-core.yaml", 24, 5))


def _run(*results: Result, **changes: object) -> Run:
    at = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    run = Run(
        lab="minimal",
        posture="segmented",
        plan="a" * 64,
        ruleset="b" * 64,
        pacslab="0.1.0",
        engine="20.10.24",
        started=at,
        finished=at + dt.timedelta(seconds=3),
        suites=("reach",),
        results=results,
        accounting=Accounting(3, 1, 1, 1, 1, 0, 1.25),
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def _text(run: Run, plan: Plan) -> str:
    out = io.StringIO()
    print_run(Console(file=out, width=160, highlight=False, markup=False, no_color=True), run, plan, CATALOGUE)
    return out.getvalue()


def _row(text: str, first: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(first + " "))
    return line.split()


def test_json_is_the_run_with_its_verdict_counts_and_requirements() -> None:
    run = _run(OPEN, LEAK, DOUBT, UNTRIED)
    document = json.loads(render(run, CATALOGUE))
    assert document["schema_version"] == SCHEMA_VERSION == 1
    assert document["verdict"] == "FAIL"
    assert document["counts"] == {"PASS": 1, "FAIL": 1, "INCONCLUSIVE": 1, "SKIPPED": 1}
    assert [check["id"] for check in document["checks"]] == ["REACH-01", "REACH-02", "DICOM-01", "DICOM-03"]
    for name in ("schema_version", "verdict", "counts", "checks"):
        del document[name]
    assert codec.decode(Run, document) == run


def test_json_says_which_plan_and_ruleset_were_judged_and_when() -> None:
    document = json.loads(render(_run(OPEN), CATALOGUE))
    assert (document["plan"], document["ruleset"]) == ("a" * 64, "b" * 64)
    assert document["started"] == "2026-01-02T03:04:05+00:00"
    assert document["accounting"]["sent"] == 3


def test_json_of_a_run_that_died_says_why() -> None:
    document = json.loads(render(_run(error="the engine is gone", accounting=None), CATALOGUE))
    assert (document["verdict"], document["error"]) == ("INCONCLUSIVE", "the engine is gone")
    assert document["checks"] == document["results"] == []


def test_json_ends_with_a_newline_and_keeps_letters() -> None:
    text = render(_run(replace(DOUBT, reason="Gerät fort")), CATALOGUE)
    assert text.endswith("}\n")
    assert "Gerät" in text


def test_the_truth_table_counts_open_and_shut_by_zone(minimal: Plan) -> None:
    text = _text(_run(OPEN, SHUT, SHUT), minimal)
    assert _row(text, "modality") == ["modality", ".", "1", "open,", "0", "shut", "."]
    assert _row(text, "vendor-remote") == ["vendor-remote", ".", "2", "shut", "."]


@pytest.mark.parametrize(("result", "word"), [(LEAK, "FAIL"), (replace(LEAK, verdict=DOUBT.verdict), "INCONCLUSIVE")])
def test_the_truth_table_shows_the_worst(result: Result, word: str, minimal: Plan) -> None:
    text = _text(_run(replace(SHUT, destination="ct-1"), result), minimal)
    assert _row(text, "vendor-remote")[1:3] == ["1", word]


def test_a_failure_says_requirement_expectation_observation_and_evidence(minimal: Plan) -> None:
    text = _text(_run(OPEN, LEAK), minimal)
    assert (
        "FAIL REACH-02 vendor-1 -> ct-1 22/tcp\n"
        "  requirement  What no flow permits does not reach the other node, "
        "and the firewall's own log accounts for it.\n"
        "  expected     denied: no conduit\n"
        "  observed     reached the receiver, and answered RST\n"
        "  evidence     probe arrived; control reached it, answer rst\n"
    ) in text


def test_a_failed_flow_names_the_line_that_permits_it(minimal: Plan) -> None:
    assert "  written at   zones/pacs-core.yaml:24:5\n" in _text(_run(BROKEN), minimal)


def test_a_doubt_says_why(minimal: Plan) -> None:
    assert "INCONCLUSIVE DICOM-01 ct-1 -> pacs dicom\n" in _text(_run(DOUBT), minimal)
    assert "  because      gone\n" in _text(_run(DOUBT), minimal)


def test_each_check_has_a_row_of_counts(minimal: Plan) -> None:
    text = _text(_run(OPEN, SHUT, SHUT, LEAK, UNTRIED), minimal)
    assert _row(text, "REACH-02")[1:5] == ["2", "1", "0", "0"]
    assert _row(text, "DICOM-03")[1:5] == ["0", "0", "0", "1"]


def test_only_so_many_are_shown_and_the_rest_is_counted(minimal: Plan) -> None:
    text = _text(_run(*[LEAK] * (MOST_SHOWN + 5)), minimal)
    assert text.count("FAIL REACH-02 ") == MOST_SHOWN
    assert "... and 5 more, all in the JSON report" in text


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
    lines = _text(_run(*results), minimal).splitlines()
    assert conclusion in lines
    assert "3 probes sent = 1 arrived + 1 dropped + 1 lost; 1.2 s" in lines
    assert "plan aaaaaaaaaaaa, ruleset bbbbbbbbbbbb, engine 20.10.24" in lines
