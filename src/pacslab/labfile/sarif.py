"""Diagnostics -> a SARIF 2.1.0 document, which code-review systems show beside the lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from pacslab.errors import Diagnostic, Severity
from pacslab.labfile.codes import CODES, Code
from pacslab.model.lab import Origin

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HELP = "docs/reference/diagnostics.md"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning"}  # SARIF 3.27.10


def sarif(diagnostics: Iterable[Diagnostic], version: str) -> dict[str, Any]:
    """One run of `pacslab lint`.

    Args:
        diagnostics: What was found.
        version: The program's own.
    """
    numbers = {code.name: index for index, code in enumerate(CODES)}
    driver = {"name": "pacslab", "version": version, "rules": [_rule(code) for code in CODES]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",  # SARIF 3.14.27
        "results": [_result(diagnostic, numbers[diagnostic.code]) for diagnostic in diagnostics],
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def _rule(code: Code) -> dict[str, Any]:
    """SARIF 3.49: a reporting descriptor."""
    return {
        "id": code.name,
        "shortDescription": {"text": code.meaning},
        "help": {"text": f"See {_HELP}, {code.name}."},
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    """SARIF 3.27: the message says what is wrong and what to write."""
    text = f"{diagnostic.message}. {diagnostic.hint}" if diagnostic.hint else diagnostic.message
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": text},
        "locations": [_location(diagnostic.origin)],
    }
    if diagnostic.related:
        related = [{"id": n, **_location(place)} for n, place in enumerate(diagnostic.related, 1)]
        result["relatedLocations"] = related
    return result


def _location(origin: Origin) -> dict[str, Any]:
    """SARIF 3.28: a place in a file; its name is a URI reference (RFC 3986)."""
    artifact = {"uri": _uri(origin.file)}
    region = {"startLine": origin.line, "startColumn": origin.column}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _uri(file: str) -> str:
    quoted = quote(file, errors="surrogateescape")
    return f"file://{quoted}" if file.startswith("/") else quoted
