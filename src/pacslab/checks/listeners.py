"""Suite `listeners`: the sockets that wait in every node, compared with its manifest, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pacslab.checks.catalogue.listeners import LISTEN_EXTRA, LISTEN_MISSING
from pacslab.engine.converge import plugs
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric, Progress
from pacslab.model.fabric import Listener, ListenReport, ListenRequest, Unseen
from pacslab.model.lab import Service
from pacslab.model.plan import Plan, PlannedNode
from pacslab.model.verdict import Result, Verdict

DOWN = "does not run"
_ALONE = ": loopback only, no other node can reach it"
_READ = ("read in the node's own network namespace",)
_OF_EXTRA = Result(LISTEN_EXTRA.id, Verdict.PASS, "", "", "", "", "", _READ)
_OF_MISSING = Result(LISTEN_MISSING.id, Verdict.PASS, "", "", "", "", "", _READ)


def look(fabric: Fabric, plan: Plan, running: Iterable[Running], progress: Progress) -> ListenReport:
    """Look into every node that runs; one that does not run is unseen, and that is said."""
    plugged = plugs(plan, running)
    report = fabric.listen(ListenRequest(plugged), progress)
    there = {plug.cable.node for plug in plugged}
    down = tuple(Unseen(node.name, DOWN) for node in plan.nodes if node.name not in there)
    return ListenReport(report.listeners, (*report.unseen, *down))


def judge(plan: Plan, report: ListenReport) -> tuple[Result, ...]:
    """A verdict for every socket that waits, and for every service that should; a node without either says so."""
    unseen = {one.node: one.why for one in report.unseen}
    results: list[Result] = []
    for node in plan.nodes:
        if node.name in unseen:
            results += _unseen(node, unseen[node.name])
            continue
        waiting = tuple(listener for listener in report.listeners if listener.node == node.name)
        results += _extra(node, waiting)
        results += (_missing(node, service, waiting) for service in node.services)
    return tuple(results)


def _extra(node: PlannedNode, waiting: tuple[Listener, ...]) -> Iterator[Result]:
    about = replace(_OF_EXTRA, destination=node.name, origin=node.origin)
    if not waiting:
        yield replace(about, expected="nothing but the manifest's services", observed="nothing listens")
    for protocol, port in sorted({(one.protocol, one.port) for one in waiting}):
        sockets = tuple(one for one in waiting if (one.protocol, one.port) == (protocol, port))
        service = next((one for one in node.services if _is_of(one, sockets[0])), None)
        number = f"{port}/{protocol.value}"
        words = _words(sockets)
        if service is not None:
            yield replace(
                about, service=service.name, expected=f"service {service.name} of the manifest", observed=words
            )
        elif all(one.address.is_loopback for one in sockets):
            yield replace(about, service=number, expected="no service: loopback only", observed=f"{words}{_ALONE}")
        else:
            expected = f"nothing listens on {number}: the manifest has no such service"
            yield replace(about, verdict=Verdict.FAIL, service=number, expected=expected, observed=words)


def _missing(node: PlannedNode, service: Service, waiting: tuple[Listener, ...]) -> Result:
    first, last = service.ports
    number = f"{first}/{service.protocol.value}" if first == last else f"{first}-{last}/{service.protocol.value}"
    about = replace(_OF_MISSING, destination=node.name, service=service.name, origin=node.origin)
    about = replace(about, expected=f"something listens on {number}")
    sockets = tuple(one for one in waiting if _is_of(service, one))
    if not sockets:
        return replace(about, verdict=Verdict.FAIL, observed="nothing listens there")
    if all(one.address.is_loopback for one in sockets):
        return replace(about, verdict=Verdict.FAIL, observed=f"{_words(sockets)}{_ALONE}")
    return replace(about, observed=_words(sockets))


def _is_of(service: Service, listener: Listener) -> bool:
    """Whether a socket is a service's; of a range of ports, any of them."""
    first, last = service.ports
    return listener.protocol is service.protocol and first <= listener.port <= last


def _unseen(node: PlannedNode, why: str) -> Iterator[Result]:
    """A node that is down serves nothing, and that is seen; one that only cannot be looked into leaves it open."""
    about = replace(_OF_EXTRA, destination=node.name, origin=node.origin, evidence=(), observed="not seen", reason=why)
    about = replace(about, verdict=Verdict.INCONCLUSIVE)
    yield replace(about, expected="nothing but the manifest's services")
    if why == DOWN:
        about = replace(about, verdict=Verdict.FAIL, observed=f"{node.name} {DOWN}", reason="")
    for service in node.services:
        yield replace(about, check=LISTEN_MISSING.id, service=service.name, expected=f"{service.name} listens")


def _words(sockets: Iterable[Listener]) -> str:
    """For example "Orthanc listens on 0.0.0.0:104/tcp"."""
    programs: dict[str, list[str]] = {}
    for one in sockets:
        address = f"[{one.address}]" if one.address.version == 6 else str(one.address)
        where = programs.setdefault(one.program or "a program that cannot be told", [])
        where.append(f"{address}:{one.port}/{one.protocol.value}")
    return "; ".join(f"{program} listens on {', '.join(dict.fromkeys(at))}" for program, at in programs.items())
