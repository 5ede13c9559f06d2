"""A conformance run -> one HTML page that needs no network: a heat map, findings, all results to filter."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pacslab.model.verdict import Check, Result, Run, Verdict
from pacslab.report.cases import CHECKS_PAGE, lines, unfinished
from pacslab.report.seats import Seats
from pacslab.report.truth import Cell, truth_table

MOST_FINDINGS = 200  # that stand in the page itself; all are among the results, which the page's script lists
_ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.SKIPPED, Verdict.PASS)
_MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?", Verdict.SKIPPED: "-"}


def render(run: Run, seats: Seats, catalogue: Iterable[Check]) -> str:
    """Write a run as a page; every text of it is escaped, and nothing but its own script may run."""
    checks = {check.id: check for check in catalogue}
    style, script = _part("style.css"), _part("script.js")
    table = truth_table(run.results, seats)
    wrong = sorted(
        (r for r in run.results if r.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE}),
        key=lambda result: _ORDER.index(result.verdict),
    )
    counts: Counter[tuple[str, Verdict]] = Counter((result.check, result.verdict) for result in run.results)
    used = {check for check, _ in counts}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(
        _part("page.html")
    ).render(
        run=run,
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        data=_data(run, seats, checks),
        table=table,
        found={(pair.source, pair.destination): pair for pair in table.pairs},
        wrong=wrong[:MOST_FINDINGS],
        more=max(0, len(wrong) - MOST_FINDINGS),
        checks=checks,
        counted=[(c, {v: counts[c.id, v] for v in _ORDER}) for c in checks.values() if c.id in used],
        verdicts=_ORDER,
        unfinished=unfinished(run),
        seconds=f"{(run.finished - run.started).total_seconds():.1f}" if run.finished else "",
        page=CHECKS_PAGE,
        lines=lines,
        mark=lambda cell: _MARK[cell.verdict],
        tone=_tone,
        way=_way,
    )


def _part(name: str) -> str:
    return files("pacslab").joinpath("templates", "report", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """CSP 3: nothing is fetched, and what is inline runs only if it is what we wrote."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    of_style, of_script = hashes
    inline = f"style-src 'sha256-{of_style}'; script-src 'sha256-{of_script}'"
    return f"default-src 'none'; {inline}; base-uri 'none'; form-action 'none'"


def _data(run: Run, seats: Seats, checks: dict[str, Check]) -> Markup:
    """Every result, each text once: thousands of results say the same few hundred things."""
    words: dict[str, int] = {}

    def number(text: str) -> int:
        return words.setdefault(text, len(words))

    rows = [_row(result, number) for result in run.results]
    ends = {end for result in run.results for end in (result.source, result.destination) if end}
    document = {
        "words": list(words),
        "rows": rows,
        "requirements": {check: checks[check].requirement for check in {result.check for result in run.results}},
        "zones": {end: seats.zone(end) for end in sorted(ends)},
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    # HTML 13.2.5.4: inside a script element only "</script" and "<!--" mean anything.
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - JSON, in which no "<" is left


def _row(result: Result, number: Any) -> list[Any]:
    said = (
        result.verdict.value,
        result.check,
        result.source,
        result.destination,
        result.service,
        result.expected,
        result.observed,
        result.reason,
        result.rule,
        result.conduit,
        str(result.origin) if result.origin else "",
        str(result.attempts),
    )
    return [*(number(text) for text in said), [number(text) for text in result.evidence]]


def _tone(cell: Cell) -> str:
    """The class of a cell's colour; what is shut is paler than what is open."""
    return "shut" if cell.verdict is Verdict.PASS and not cell.open else cell.verdict.value


def _way(result: Result) -> str:
    ends = " → ".join(end for end in (result.source, result.destination) if end)
    return " ".join(word for word in (ends, result.service) if word)
