"""A conformance run -> one JSON document, of the shape that `schema` publishes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pacslab.model import codec
from pacslab.model.verdict import Check, Run, Verdict
from pacslab.report.seats import Seats

SCHEMA_VERSION = 1


def render(run: Run, seats: Seats, catalogue: Iterable[Check]) -> str:
    """Write a run as JSON: the verdict, the counts, the checks' requirements, the zones, and every result."""
    used = {result.check for result in run.results}
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "verdict": run.verdict.value,
        "counts": {verdict.value: run.count(verdict) for verdict in Verdict},
        "checks": [codec.encode(check) for check in catalogue if check.id in used],
        "zones": {zone: [node for node, home in seats.nodes if home == zone] for zone in seats.zones},
        **codec.encode(run),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
