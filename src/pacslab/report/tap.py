"""A conformance run -> TAP version 14: a subtest for each suite, with YAML diagnostics of what is not green."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from pacslab.model.verdict import Check, Run, Verdict
from pacslab.report.cases import Case, cases, lines, link, unfinished
from pacslab.report.seats import Seats

_INDENT = "    "  # TAP 14, Subtests: four spaces


def render(run: Run, seats: Seats, catalogue: Iterable[Check]) -> str:
    """Write a run; one that did not finish bails out, and says why."""
    suites = cases(run, seats, catalogue)
    lines_ = ["TAP version 14", f"1..{len(suites)}"]
    about = {"lab": run.lab, "posture": run.posture, "plan": run.plan, "ruleset": run.ruleset}
    about |= {"pacslab": run.pacslab, "engine": run.engine, "started": run.started.isoformat()}
    lines_ += [f"# {_text(name)}: {_text(value)}" for name, value in about.items()]
    for number, (suite, found) in enumerate(suites.items(), 1):
        if not found and unfinished(run):
            break  # it was not begun
        lines_ += _suite(number, suite, found)
    if why := unfinished(run):
        lines_.append(f"Bail out! {_text(why)}")
    return "\n".join([*lines_, ""])


def _suite(number: int, suite: str, found: tuple[Case, ...]) -> Iterator[str]:
    yield f"# Subtest: {suite}"
    yield f"{_INDENT}1..{len(found)}" if found else f"{_INDENT}1..0 # SKIP nothing of this lab is for this suite"
    for point, case in enumerate(found, 1):
        yield from (f"{_INDENT}{line}" for line in _point(point, case))
    ok = all(case.verdict in {Verdict.PASS, Verdict.SKIPPED} for case in found)
    yield f"{'ok' if ok else 'not ok'} {number} - {suite}{'' if found else ' # SKIP nothing to check'}"


def _point(number: int, case: Case) -> Iterator[str]:
    name = f"{number} - {case.check.id} {_text(case.name)}"
    first = case.results[0]
    match case.verdict:
        case Verdict.PASS:
            yield f"ok {name}"
        case Verdict.SKIPPED:
            yield f"ok {name} # SKIP {_text(first.reason or first.observed)}"
        case Verdict.FAIL | Verdict.INCONCLUSIVE:
            yield f"not ok {name}"
            yield "  ---"
            said = (("verdict", case.verdict.value), *lines(first, case.check), ("see", link(case.check.id)))
            # A JSON string is a YAML string, whatever it holds.
            yield from (f"  {word}: {json.dumps(text, ensure_ascii=False)}" for word, text in said)
            yield "  ..."


def _text(text: str) -> str:
    """TAP 14, Escaping: one line, and no directive that was not meant."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("#", "\\#")
