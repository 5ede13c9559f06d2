"""Results -> the cases that CI lists."""

from __future__ import annotations

from dataclasses import replace

from tests.reports import DOUBT, EVERY_VERDICT, LEAK, MISSING, OPEN, PROVED, SHUT, UNTRIED, run

from pacslab.checks.catalogue import CATALOGUE
from pacslab.model.plan import Plan
from pacslab.model.verdict import Run, Verdict
from pacslab.report.cases import cases, lines, link, unfinished
from pacslab.report.seats import Seats

CHECKS = {check.id: check for check in CATALOGUE}


def _names(made: Run, plan: Plan) -> dict[str, list[str]]:
    return {s: [case.name for case in found] for s, found in cases(made, Seats.of(plan), CATALOGUE).items()}


def test_what_passes_is_one_case_by_zone_pair_and_service(minimal: Plan) -> None:
    other = replace(SHUT, service="http")
    names = _names(run(SHUT, replace(SHUT, source="vendor-remote/vendor-1"), other, suites=("reach",)), minimal)
    assert names == {"reach": ["vendor-remote -> pacs-core: dicom", "vendor-remote -> pacs-core: http"]}


def test_what_does_not_pass_is_a_case_of_its_own_with_the_nodes(minimal: Plan) -> None:
    names = _names(run(SHUT, replace(SHUT, verdict=Verdict.FAIL), suites=("reach",)), minimal)
    assert names == {"reach": ["vendor-remote -> pacs-core: dicom", "vendor-1 -> pacs: dicom"]}


def test_every_suite_has_its_cases_and_every_result_is_in_one(minimal: Plan) -> None:
    found = cases(EVERY_VERDICT, Seats.of(minimal), CATALOGUE)
    assert list(found) == ["reach", "listeners", "dicom", "proof"]
    assert sorted(r.check for every in found.values() for case in every for r in case.results) == sorted(
        result.check for result in EVERY_VERDICT.results
    )


def test_a_suite_with_nothing_is_there_and_empty(minimal: Plan) -> None:
    assert _names(run(OPEN), minimal)["proof"] == []


def test_a_result_with_one_end_or_none_is_named_by_what_it_has(minimal: Plan) -> None:
    made = run(MISSING, replace(MISSING, verdict=Verdict.PASS), PROVED)
    assert _names(made, minimal)["listeners"] == ["pacs: http", "pacs-core: http"]
    assert _names(made, minimal)["proof"] == [CHECKS["PROOF-05"].requirement]


def test_no_two_cases_of_a_check_share_a_name(minimal: Plan) -> None:
    names = _names(run(LEAK, LEAK, LEAK, replace(LEAK, check="REACH-01")), minimal)["reach"]
    assert names == ["vendor-1 -> ct-1: 22/tcp", "vendor-1 -> ct-1: 22/tcp #2", "vendor-1 -> ct-1: 22/tcp #3",
                     "vendor-1 -> ct-1: 22/tcp"]  # fmt: skip


def test_everything_there_is_to_say_of_a_result_is_said() -> None:
    said = dict(lines(replace(LEAK, reason="why", conduit="c", origin=OPEN.origin, attempts=3), CHECKS["REACH-02"]))
    assert list(said) == ["requirement", "expected", "observed", "because", "evidence", "rule", "conduit",
                          "written at", "attempts"]  # fmt: skip
    assert said["written at"] == "zones/pacs-core.yaml:61:7"
    assert "attempts" not in dict(lines(LEAK, CHECKS["REACH-02"]))


def test_a_check_is_documented_under_its_id() -> None:
    assert link("REACH-02") == "docs/reference/checks.md#reach-02"


def test_a_run_is_unfinished_if_it_died_or_never_ended() -> None:
    assert unfinished(run(OPEN)) == ""
    assert unfinished(run(OPEN, error="no engine")) == "the run died: no engine"
    assert "not finished" in unfinished(run(OPEN, finished=None))
    assert run(OPEN, finished=None).verdict is Verdict.INCONCLUSIVE
    assert run(DOUBT, UNTRIED, LEAK, finished=None).verdict is Verdict.FAIL
