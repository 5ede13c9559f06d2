"""A conformance run -> one JSON document."""

from __future__ import annotations

import json
from typing import Any

from pacslab.model import codec
from pacslab.model.verdict import Check, Run, Verdict

SCHEMA_VERSION = 1


def render(run: Run, catalogue: tuple[Check, ...]) -> str:
    """Write a run as JSON: the verdict, the counts, the checks' requirements, and every result."""
    used = {result.check for result in run.results}
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "verdict": run.verdict.value,
        "counts": {verdict.value: run.count(verdict) for verdict in Verdict},
        "checks": [codec.encode(check) for check in catalogue if check.id in used],
        **codec.encode(run),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
