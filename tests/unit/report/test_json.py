"""The JSON report, and its published schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.reports import DOUBT, EVERY_VERDICT, LEAK, OPEN, UNTRIED, run

from pacslab.checks.catalogue import CATALOGUE
from pacslab.model import codec
from pacslab.model.plan import Plan
from pacslab.model.verdict import Run
from pacslab.report.json import SCHEMA_VERSION, render
from pacslab.report.schema import MEANINGS, schema
from pacslab.report.seats import Seats


@pytest.fixture(scope="module")
def published(root: Path) -> jsonschema.Draft202012Validator:
    document = json.loads((root / "docs/reference/verify.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document, format_checker=jsonschema.FormatChecker())


def _document(made: Run, plan: Plan) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(made, Seats.of(plan), CATALOGUE))
    return document


def test_it_is_the_run_with_its_verdict_counts_requirements_and_zones(minimal: Plan) -> None:
    made = run(OPEN, LEAK, DOUBT, UNTRIED)
    document = _document(made, minimal)
    assert document["schema_version"] == SCHEMA_VERSION == 1
    assert document["verdict"] == "FAIL"
    assert document["counts"] == {"PASS": 1, "FAIL": 1, "INCONCLUSIVE": 1, "SKIPPED": 1}
    assert [check["id"] for check in document["checks"]] == ["REACH-01", "REACH-02", "DICOM-01", "DICOM-03"]
    assert document["zones"] == {"modality": ["ct-1"], "pacs-core": ["pacs"], "vendor-remote": ["vendor-1"]}
    for name in ("schema_version", "verdict", "counts", "checks", "zones"):
        del document[name]
    assert codec.decode(Run, document) == made


def test_it_says_which_plan_and_ruleset_were_judged_and_when(minimal: Plan) -> None:
    document = _document(run(OPEN), minimal)
    assert (document["plan"], document["ruleset"]) == ("a" * 64, "b" * 64)
    assert document["started"] == "2026-01-02T03:04:05+00:00"


def test_a_run_that_died_says_why(minimal: Plan) -> None:
    document = _document(run(error="the engine is gone", accounting=None), minimal)
    assert (document["verdict"], document["error"]) == ("INCONCLUSIVE", "the engine is gone")
    assert document["checks"] == document["results"] == []


def test_it_ends_with_a_newline_and_keeps_letters(minimal: Plan) -> None:
    text = render(run(replace(DOUBT, reason="Gerät fort")), Seats.of(minimal), CATALOGUE)
    assert text.endswith("}\n")
    assert "Gerät" in text


@pytest.mark.parametrize(
    "made",
    [EVERY_VERDICT, run(), run(OPEN, finished=None, accounting=None, error="died")],
    ids=["every verdict", "nothing", "died"],
)
def test_it_fits_the_published_schema(made: Run, minimal: Plan, published: jsonschema.Draft202012Validator) -> None:
    published.validate(_document(made, minimal))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("verdict",), "MAYBE"),
        (("schema_version",), 2),
        (("results", 0, "verdict"), "OK"),
        (("results", 0, "evidence"), "text"),
        (("results", 0, "origin", "line"), "61"),
        (("results", 0, "rule"), None),
        (("started",), 5),
        (("counts", "PASS"), -1),
    ],
)
def test_the_schema_refuses_what_is_not_a_report(
    place: tuple[Any, ...], value: object, minimal: Plan, published: jsonschema.Draft202012Validator
) -> None:
    document = _document(EVERY_VERDICT, minimal)
    inner: Any = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        published.validate(document)


def test_the_schema_wants_every_field(minimal: Plan, published: jsonschema.Draft202012Validator) -> None:
    for name in _document(EVERY_VERDICT, minimal):
        document = _document(EVERY_VERDICT, minimal)
        del document[name]
        with pytest.raises(jsonschema.ValidationError):
            published.validate(document)


def test_every_meaning_is_of_a_field_that_there_is() -> None:
    text = json.dumps(schema(), ensure_ascii=False)
    for meaning in MEANINGS.values():
        assert json.dumps(meaning, ensure_ascii=False) in text
