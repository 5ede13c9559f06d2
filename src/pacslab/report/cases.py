"""A conformance run -> test cases for CI: what passes by zone pair and service, what does not one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pacslab.model.verdict import Check, Result, Run, Verdict
from pacslab.report.seats import Seats

CHECKS_PAGE = "docs/reference/checks.md"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a CI's list: results that pass together, or one that does not."""

    check: Check
    name: str
    verdict: Verdict
    results: tuple[Result, ...]


def link(identity: str) -> str:
    """Where a check is documented."""
    return f"{CHECKS_PAGE}#{identity.lower()}"


def unfinished(run: Run) -> str:
    """Why a run is not all it should have been; nothing if it is."""
    if run.error:
        return f"the run died: {run.error}"
    if run.finished is None:
        return "the run is not finished, or was ended from outside"
    return ""


def cases(run: Run, seats: Seats, catalogue: Iterable[Check]) -> dict[str, tuple[Case, ...]]:
    """The cases of each suite that was asked for; an unstarted suite has none."""
    checks = {check.id: check for check in catalogue}
    groups: dict[str, dict[tuple[object, ...], list[Result]]] = {suite: {} for suite in run.suites}
    for number, result in enumerate(run.results):
        alone = () if result.verdict is Verdict.PASS else (number,)
        zones = seats.zone(result.source), seats.zone(result.destination)
        service = result.service if any(zones) else ""
        suite = groups.setdefault(checks[result.check].suite, {})
        suite.setdefault((result.check, *zones, service, *alone), []).append(result)
    return {suite: _named(found.values(), checks, seats) for suite, found in groups.items()}


def _named(found: Iterable[list[Result]], checks: dict[str, Check], seats: Seats) -> tuple[Case, ...]:
    """No two cases of a check share a name: what collects them takes names for identities."""
    taken: Counter[tuple[str, str]] = Counter()
    named = []
    for results in found:
        first, check = results[0], checks[results[0].check]
        name = _name(first, check, seats)
        taken[check.id, name] += 1
        if taken[check.id, name] > 1:
            name = f"{name} #{taken[check.id, name]}"
        named.append(Case(check, name, first.verdict, tuple(results)))
    return tuple(named)


def _name(result: Result, check: Check, seats: Seats) -> str:
    ends = result.source, result.destination
    if result.verdict is Verdict.PASS:
        ends = seats.zone(ends[0]), seats.zone(ends[1])
    way = " -> ".join(end for end in ends if end)
    return ": ".join(word for word in (way, result.service) if word) if way else check.requirement


def lines(result: Result, check: Check) -> tuple[tuple[str, str], ...]:
    """Everything there is to say of a result, as (word, text), in the order people ask."""
    said = (
        ("requirement", check.requirement),
        ("expected", result.expected),
        ("observed", result.observed),
        ("because", result.reason),
        ("evidence", "; ".join(result.evidence)),
        ("rule", result.rule),
        ("conduit", result.conduit),
        ("written at", str(result.origin) if result.origin else ""),
        ("attempts", str(result.attempts) if result.attempts > 1 else ""),
    )
    return tuple((word, text) for word, text in said if text)
