"""SARIF 2.1.0, against the shape that the standard prescribes for what is written."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from pacslab.cli.app import run
from pacslab.errors import Diagnostic, Exit, Severity
from pacslab.labfile.codes import CODES
from pacslab.labfile.sarif import sarif
from pacslab.model.lab import Origin

WORLD = Path(__file__).parent / "world"


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


_TEXT = _object(["text"], text={"type": "string", "minLength": 1})  # 3.11 message, 3.12 multiformat message
_REGION = _object(  # 3.30
    ["startLine", "startColumn"],
    startLine={"type": "integer", "minimum": 1},
    startColumn={"type": "integer", "minimum": 1},
)
_PHYSICAL = _object(  # 3.29
    ["artifactLocation", "region"],
    artifactLocation=_object(["uri"], uri={"type": "string", "pattern": r"^[A-Za-z0-9%/._~:-]+$"}),
    region=_REGION,
)
_LEVEL = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10
_RULE = _object(  # 3.49
    ["id"],
    id={"type": "string"},
    shortDescription=_TEXT,
    help=_TEXT,
    defaultConfiguration=_object([], level=_LEVEL),
)
_LOCATION = _object([], id={"type": "integer", "minimum": 0}, physicalLocation=_PHYSICAL)  # 3.28
_RESULT = _object(  # 3.27
    ["ruleId", "level", "message", "locations"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level=_LEVEL,
    message=_TEXT,
    locations={"type": "array", "items": _LOCATION, "minItems": 1},
    relatedLocations={"type": "array", "items": _LOCATION, "uniqueItems": True},
)
_DRIVER = _object(  # 3.19
    ["name"],
    name={"const": "pacslab"},
    version={"type": "string"},
    rules={"type": "array", "items": _RULE, "uniqueItems": True},
)
_RUN = _object(  # 3.14
    ["tool", "results"],
    tool=_object(["driver"], driver=_DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": _RESULT},
)
SHAPE = Draft7Validator(
    _object(  # 3.13
        ["version", "runs"],
        **{"$schema": {"type": "string", "format": "uri"}},
        version={"const": "2.1.0"},
        runs={"type": "array", "items": _RUN, "minItems": 1},
    ),
)


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = run(["lint", *arguments])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document


def test_a_lab_without_problems(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = _said(capsys, "--sarif", "--on", "2027-01-01", str(WORLD / "lab.yaml"))
    SHAPE.validate(document)
    assert (code, document["runs"][0]["results"]) == (Exit.DONE, [])


def test_an_error_has_its_rule_and_place(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(WORLD)
    code, document = _said(capsys, "--sarif", "--on", "2028-01-01", "lab.yaml")
    SHAPE.validate(document)
    (result,) = document["runs"][0]["results"]
    rules = document["runs"][0]["tool"]["driver"]["rules"]
    assert code == Exit.USAGE
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "expired-conduit"
    place = result["locations"][0]["physicalLocation"]
    text = (WORLD / place["artifactLocation"]["uri"]).read_text(encoding="utf-8").splitlines()
    assert text[place["region"]["startLine"] - 1][place["region"]["startColumn"] - 1 :].startswith("id: watch")


def test_every_code_and_severity_can_be_said() -> None:
    origin, other = Origin("zöne files/a.yaml", 3, 4), Origin("/somewhere/b.yaml")
    found = [Diagnostic(code.name, "m", "", origin, severity, (other,)) for code in CODES for severity in Severity]
    document = sarif(found, "1.0")
    SHAPE.validate(document)
    results = document["runs"][0]["results"]
    assert len(results) == 2 * len(CODES)
    assert (
        results[0]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///somewhere/b.yaml"
    )
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "z%C3%B6ne%20files/a.yaml"


def test_the_shape_would_see_a_mistake() -> None:
    document = sarif([Diagnostic("tag", "m", "", Origin("a.yaml"))], "1.0")
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not SHAPE.is_valid(document)


def test_two_documents_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "--json", "--sarif", str(WORLD / "lab.yaml")]) == Exit.USAGE
    assert "two documents" in capsys.readouterr().err


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = _said(capsys, "--json", "--on", "2028-01-01", str(WORLD / "lab.yaml"))
    assert (code, document["ok"]) == (Exit.USAGE, False)
    (diagnostic,) = document["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"]) == ("expired-conduit", "error")
    assert diagnostic["origin"]["line"] > 1
