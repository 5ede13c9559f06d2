"""The TAP report, read back by a strict reader of version 14's grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest
import yaml
from tests.reports import DOUBT, EVERY_VERDICT, LEAK, OPEN, UNTRIED, run

from pacslab.checks.catalogue import CATALOGUE
from pacslab.model.plan import Plan
from pacslab.model.verdict import Run
from pacslab.report.seats import Seats
from pacslab.report.tap import render

_POINT = re.compile(r"(?P<ok>ok|not ok) (?P<number>\d+) - (?P<name>(?:[^#\\]|\\[#\\])*?)(?: # SKIP (?P<skip>.*))?")


@dataclass
class Point:
    ok: bool
    name: str
    skip: str | None
    said: dict[str, str]


def _read(lines: list[str]) -> tuple[list[Point], str]:
    """Test points of one level, and why it bailed out; anything that is not TAP 14 is an error."""
    plan = re.fullmatch(r"1\.\.(\d+)(?: # SKIP .*)?", lines.pop(0))
    assert plan is not None
    points: list[Point] = []
    while lines:
        line = lines.pop(0)
        if line.startswith("Bail out!"):
            assert not lines
            return points, line.removeprefix("Bail out! ")
        if line.startswith("# "):
            continue
        if line.startswith("    "):
            inner = [line]
            while lines and lines[0].startswith("    "):
                inner.append(lines.pop(0))
            assert _read([one[4:] for one in inner])[1] == ""
            continue
        found = _POINT.fullmatch(line)
        assert found is not None, line
        said: list[str] = []
        if lines and lines[0] == "  ---":
            lines.pop(0)
            while lines[0] != "  ...":
                said.append(lines.pop(0).removeprefix("  "))
            lines.pop(0)
        points.append(Point(found["ok"] == "ok", found["name"], found["skip"], yaml.safe_load("\n".join(said)) or {}))
        assert int(found["number"]) == len(points)
    assert len(points) == int(plan[1])
    return points, ""


def _suites(made: Run, plan: Plan) -> tuple[list[Point], str]:
    first, *rest = render(made, Seats.of(plan), CATALOGUE).splitlines()
    assert first == "TAP version 14"
    return _read(rest)


def _points(made: Run, plan: Plan) -> list[Point]:
    inner = [line[4:] for line in render(made, Seats.of(plan), CATALOGUE).splitlines() if line.startswith("    ")]
    return _read(inner)[0]


def test_each_suite_is_a_subtest_and_says_whether_it_is_ok(minimal: Plan) -> None:
    points, bailed = _suites(EVERY_VERDICT, minimal)
    assert [(point.name, point.ok) for point in points] == [
        ("reach", False), ("listeners", False), ("dicom", False), ("proof", True)
    ]  # fmt: skip
    assert bailed == ""


def test_a_suite_without_results_is_skipped(minimal: Plan) -> None:
    points, _ = _suites(run(OPEN, suites=("reach", "dicom")), minimal)
    assert [(point.name, point.ok, point.skip) for point in points] == [
        ("reach", True, None), ("dicom", True, "nothing to check")
    ]  # fmt: skip


def test_each_verdict_is_a_point_with_its_evidence(minimal: Plan) -> None:
    failed, doubtful = (_points(run(one, suites=()), minimal)[0] for one in (LEAK, DOUBT))
    assert (failed.ok, failed.name, failed.said["verdict"]) == (False, "REACH-02 vendor-1 -> ct-1: 22/tcp", "FAIL")
    assert failed.said["evidence"].startswith("probe arrived; receiver saw")
    assert failed.said["see"] == "docs/reference/checks.md#reach-02"
    assert (doubtful.ok, doubtful.said["verdict"], doubtful.said["because"]) == (False, "INCONCLUSIVE", DOUBT.reason)
    (skipped,) = _points(run(UNTRIED, suites=()), minimal)
    assert (skipped.ok, skipped.skip) == (True, UNTRIED.reason)


@pytest.mark.parametrize("text", ["a # SKIP b", "back\\slash \\# SKIP", 'two\nlines: "x"', "ok 1\n1..2", "\x1b[0m"])
def test_no_text_becomes_a_directive(text: str, minimal: Plan) -> None:
    (point,) = _points(run(replace(LEAK, service=text, observed=text), suites=()), minimal)
    assert (point.ok, point.skip) == (False, None)
    assert point.said["observed"] == text


def test_a_run_that_died_bails_out_and_what_was_not_begun_is_missing(minimal: Plan) -> None:
    points, bailed = _suites(run(OPEN, error="the engine is gone"), minimal)
    assert [point.name for point in points] == ["reach"]
    assert bailed == "the run died: the engine is gone"
