"""The JUnit report, by Jenkins' schema and by a parser that is not ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import junitparser
import pytest
import xmlschema
from tests.reports import DOUBT, EVERY_VERDICT, LEAK, OPEN, SHUT, UNTRIED, run

from pacslab.checks.catalogue import CATALOGUE
from pacslab.model.plan import Plan
from pacslab.model.verdict import Run
from pacslab.report.junit import render
from pacslab.report.seats import Seats


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    """Of Jenkins' xUnit plugin (MIT licence, in the file), as pytest's own reports are tested with."""
    return xmlschema.XMLSchema(Path(__file__).parent / "schemas/junit-10.xsd")


def _text(made: Run, plan: Plan) -> str:
    return render(made, Seats.of(plan), CATALOGUE)


def _parsed(made: Run, plan: Plan) -> junitparser.JUnitXml:
    return junitparser.JUnitXml.fromstring(_text(made, plan).encode())


HOSTILE = replace(LEAK, observed='\x00\x1b[31m]]> <b a="1">&amp; \ud800 ü\n', service="</testcase>", rule="\x0b")


@pytest.mark.parametrize(
    "made",
    [EVERY_VERDICT, run(), run(OPEN, finished=None), run(error="a\x07b", accounting=None), run(HOSTILE)],
    ids=["every verdict", "nothing", "unfinished", "died", "hostile"],
)
def test_it_fits_the_schema(made: Run, minimal: Plan, schema: xmlschema.XMLSchema) -> None:
    schema.validate(_text(made, minimal))


def test_counts_add_up(minimal: Plan) -> None:
    report = _parsed(EVERY_VERDICT, minimal)
    assert (report.tests, report.failures, report.errors) == (8, 2, 1)
    assert {suite.name: (suite.tests, suite.failures, suite.errors, suite.skipped) for suite in report} == {
        "reach": (4, 1, 0, 0), "listeners": (1, 1, 0, 0), "dicom": (2, 0, 1, 1), "proof": (1, 0, 0, 0)
    }  # fmt: skip
    for suite in report:
        assert suite.tests == len(list(suite))


def test_each_verdict_has_its_element(minimal: Plan) -> None:
    report = _parsed(run(OPEN, LEAK, DOUBT, UNTRIED), minimal)
    found = {case.classname: [type(result).__name__ for result in case.result] for suite in report for case in suite}
    assert found == {
        "minimal.reach.REACH-01": [], "minimal.reach.REACH-02": ["Failure"],
        "minimal.dicom.DICOM-01": ["Error"], "minimal.dicom.DICOM-03": ["Skipped"],
    }  # fmt: skip


def test_a_failure_says_everything(minimal: Plan) -> None:
    (failure,) = next(case for suite in _parsed(run(LEAK), minimal) for case in suite).result
    assert failure.message == LEAK.observed
    for words in ("requirement: What no flow permits", "expected: denied", "evidence: probe arrived; receiver saw",
                  "rule: forward rule 3", "see: docs/reference/checks.md#reach-02"):  # fmt: skip
        assert words in failure.text


def test_a_doubt_and_a_skip_say_why(minimal: Plan) -> None:
    messages = [case.result[0].message for suite in _parsed(run(DOUBT, UNTRIED), minimal) for case in suite]
    assert messages == [DOUBT.reason, UNTRIED.reason]


def test_every_suite_says_what_was_judged(minimal: Plan) -> None:
    for suite in _parsed(run(SHUT), minimal):
        properties = {one.name: one.value for one in suite.properties()}
        assert properties == {
            "pacslab.lab": "minimal", "pacslab.posture": "segmented", "pacslab.plan": "a" * 64,
            "pacslab.ruleset": "b" * 64, "pacslab.version": "0.1.0", "pacslab.engine": "20.10.24",
            "pacslab.verdict": "PASS",
        }  # fmt: skip
        assert suite.timestamp == "2026-01-02T03:04:05"


def test_a_run_that_died_is_an_error(minimal: Plan) -> None:
    report = _parsed(run(OPEN, error="the engine is gone"), minimal)
    assert (report.failures, report.errors) == (0, 1)
    last = list(report)[-1]
    (case,) = last
    assert (last.name, case.name, case.result[0].message) == (
        "run", "the run finished", "the run died: the engine is gone"
    )  # fmt: skip
