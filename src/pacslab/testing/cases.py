"""Plan -> the cases of a test run, and results -> the case each one belongs to: zone pair x service, and check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacslab.checks.catalogue import CATALOGUE, reach
from pacslab.model.plan import Plan
from pacslab.model.verdict import Result, Verdict

PAIRED = (reach.REACH_ALLOWED, reach.REACH_DENIED)  # the checks whose results are about pairs of nodes and a service
ELSEWHERE = "elsewhere"  # every port that is no service of the responding zone


@dataclass(frozen=True, slots=True)
class Case:
    """One test: what a zone may open of a service in another zone, or one check."""

    suite: str
    name: str  # "modality -> pacs-core dicom-tls", or the check's id and requirement


def cases(plan: Plan) -> Iterator[Case]:
    """Every case of a lab, in the order of its zones and of the catalogue."""
    for source in plan.zones:
        for destination in plan.zones:
            if _has_pair(plan, source.name, destination.name):
                for service in (*_services(plan, destination.name), ELSEWHERE):
                    yield Case(reach.REACH_ALLOWED.suite, f"{source.name} -> {destination.name} {service}")
    for check in CATALOGUE:
        if check not in PAIRED:
            yield Case(check.suite, check.id)


def sorted_out(plan: Plan, results: Iterable[Result]) -> dict[Case, list[Result]]:
    """Each result with its case; what is about no pair of zones belongs to its check."""
    checks = {check.id: check for check in CATALOGUE}
    zones = {node.name: node.zone for node in plan.nodes}
    services = {zone.name: set(_services(plan, zone.name)) for zone in plan.zones}
    found: dict[Case, list[Result]] = {}
    for result in results:
        check = checks[result.check]
        case = Case(check.suite, check.id)
        source, destination = zones.get(result.source), zones.get(result.destination)
        if check in PAIRED and source and destination:
            service = result.service if result.service in services[destination] else ELSEWHERE
            case = Case(check.suite, f"{source} -> {destination} {service}")
        found.setdefault(case, []).append(result)
    return found


def told(results: Iterable[Result]) -> str:
    """What people read of results that are not as they should be: requirement, expected, observed, evidence, line."""
    requirements = {check.id: check.requirement for check in CATALOGUE}
    blocks = []
    for result in results:
        if result.verdict not in {Verdict.FAIL, Verdict.INCONCLUSIVE}:
            continue
        ends = " -> ".join(end for end in (result.source, result.destination) if end)
        lines = [
            " ".join(word for word in (result.verdict.value, result.check, ends, result.service) if word),
            f"  requirement  {requirements[result.check]}",
        ]
        lines += [f"  expected     {result.expected}"] if result.expected != requirements[result.check] else []
        lines += [f"  observed     {result.observed}"] if result.observed else []
        lines += [f"  evidence     {'; '.join(result.evidence)}"] if result.evidence else []
        lines += [f"  rule         {result.rule}"] if result.rule else []
        lines += [f"  because      {result.reason}"] if result.reason else []
        lines += [f"  written at   {result.origin}"] if result.origin else []
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _has_pair(plan: Plan, source: str, destination: str) -> bool:
    senders = [node for node in plan.nodes if node.zone == source]
    receivers = [node for node in plan.nodes if node.zone == destination]
    return any(one is not other for one in senders for other in receivers)


def _services(plan: Plan, zone: str) -> tuple[str, ...]:
    """The names of the services that a zone's nodes offer, as first met."""
    return tuple(dict.fromkeys(service.name for node in plan.nodes if node.zone == zone for service in node.services))
