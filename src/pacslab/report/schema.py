"""The values of a conformance run -> the JSON Schema of the document that `json` writes of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import types
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pacslab.model.verdict import Check, Run, Verdict
from pacslab.report.json import SCHEMA_VERSION

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "Run.verdict": "FAIL: a verdict failed. INCONCLUSIVE: none failed, but something could not be decided, nothing "
        "was checked, or the run is not finished. PASS: everything else.",
        "Run.posture": "How much of the policy the firewall enforces. The policy is judged, whatever the posture.",
        "Run.plan": "SHA-256 of the plan that was judged; empty if the run ended before it was known.",
        "Run.ruleset": "SHA-256 of the generated ruleset.",
        "Run.pacslab": "Version of pacslab.",
        "Run.engine": "Version of the container engine.",
        "Run.started": "With its offset from UTC.",
        "Run.finished": "null: not finished, or ended from outside.",
        "Run.suites": "What was asked for; one that was not begun has no results.",
        "Run.error": "Why the run died; empty if it did not.",
        "Result.source": "Who opens: a node, a zone's gateway, the fabric; empty where a check has no such end.",
        "Result.destination": "Who is asked: as source.",
        "Result.service": "A service's name, a port (`22/tcp`), or a class of packets.",
        "Result.evidence": "What makes the verdict believable, in whole phrases.",
        "Result.reason": "Why it is INCONCLUSIVE or SKIPPED.",
        "Result.conduit": "Id of the conduit that permits it; empty: nothing permits it.",
        "Result.origin": "The line of the lab's files that says what was expected.",
        "Result.attempts": "How often a permitted flow was tried; what is denied is tried once.",
        "Result.rule": "The rule or element of the ruleset that decided, where it is known.",
        "Check.id": "Stable, and never used again for another check.",
        "Check.references": "What the requirement answers to.",
        "Accounting.counted_drops": "How far the firewall's own deny counters advanced meanwhile.",
        "Accounting.foreign_drops": "Of them, what was not about the sweep's own probes.",
        "Accounting.rejected": "How many were refused in so many words: a reset or an ICMP error, and no arrival.",
        "Accounting.discarded": "Over IPv6, thrown away by a kernel that has it switched off and counts.",
        "Accounting.notes": "What weakens the evidence, in whole sentences.",
    },
)


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of what `json.render` writes; it leaves room for what later versions add."""
    definitions: dict[str, Any] = {}
    run = _object(Run, definitions)
    count = {"type": "integer", "minimum": 0}
    counts = {"type": "object", "required": list(Verdict), "properties": {verdict.value: count for verdict in Verdict}}
    names = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
    head = {
        "schema_version": {"const": SCHEMA_VERSION},
        "verdict": _type(Verdict, definitions) | {"description": MEANINGS["Run.verdict"]},
        "counts": counts | {"description": "How many results have each verdict."},
        "checks": {
            "type": "array",
            "items": _type(Check, definitions),
            "description": "The checks that results name.",
        },
        "zones": names | {"description": "Each zone's nodes."},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pacslab verify",
        "description": "What `pacslab verify --json` writes.",
        "type": "object",
        "required": [*head, *run["required"]],
        "properties": {**head, **run["properties"]},
        "$defs": definitions,
    }


def _object(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A dataclass; every field is always written."""
    properties = {}
    for name, hint in typing.get_type_hints(cls).items():
        meaning = MEANINGS.get(f"{cls.__name__}.{name}")
        properties[name] = _type(hint, definitions) | ({"description": meaning} if meaning else {})
    return {"type": "object", "required": list(properties), "properties": properties}


def _type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return {"anyOf": [_type(argument, definitions) for argument in arguments]}
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _type(arguments[0], definitions)}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = _object(hint, definitions) | {"description": hint.__doc__}
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if hint is dt.datetime:
        return {"type": "string", "format": "date-time"}
    return {"type": {str: "string", int: "integer", float: "number", types.NoneType: "null"}[hint]}
