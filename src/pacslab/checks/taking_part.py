"""A sweep's controls -> verdicts on the sweep itself: each node took part, and hangs on one cable."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.checks.asking import Endings
from pacslab.checks.catalogue import reach
from pacslab.compiler.probes import probes
from pacslab.model.dicom import Protocol
from pacslab.model.plan import Flow, Plan, PlannedNode
from pacslab.model.probe import EVERYBODY, THE_FABRIC, ProbeClass
from pacslab.model.sweep import Connect, SweepReport
from pacslab.model.verdict import Check, Result, Verdict

Way = tuple[str, str, str]  # source, destination, service


def judge_cables(plan: Plan, report: SweepReport) -> Iterator[Result]:
    """One cable for each node, and no IPv6 address that the plan does not give it."""
    looked_at = {control.node for control in report.controls if control.reached}
    for node in plan.nodes:
        extras = [extra.what for extra in report.extras if extra.node == node.name]
        for what in extras:
            check = reach.REACH_ONE_CABLE if what.startswith("link ") else reach.REACH_IPV6
            yield _result(check, Verdict.FAIL, (node.name, EVERYBODY, "cable"), "its cable only", f"also has {what}")
        if not any(what.startswith("link ") for what in extras):
            known = node.name in looked_at
            yield _result(
                reach.REACH_ONE_CABLE,
                Verdict.PASS if known else Verdict.INCONCLUSIVE,
                (node.name, THE_FABRIC, "cable"),
                "its cable only",
                "one cable" if known else "not seen",
                reason="" if known else "its control did not reach it",
            )


def judge_sources(plan: Plan, endings: Endings) -> Iterator[Result]:
    """Each node's known-good flow; of a node that has none, its cable in both directions."""
    completed, named = _completed(plan, endings), _named(plan, endings)
    for node in plan.nodes:
        flows = [flow for flow in plan.flows if flow.source == node.name and _can_complete(flow)]
        done = completed.get(node.name)
        if done is not None:
            words = f"completed conduit {done.conduit} to {done.destination}:{done.service}"
            yield _source(node, Verdict.PASS, words)
        elif flows:
            yield _source(
                node, Verdict.INCONCLUSIVE, "completed none of its flows", "it may not be able to send at all"
            )
        elif endings.alive(node.name) is not None and named.get(node.name):
            words = f"begins no flow; answered its control, and the firewall named {named[node.name]} of its packets"
            yield _source(node, Verdict.PASS, words)
        else:
            yield _source(node, Verdict.INCONCLUSIVE, "begins no flow", "nothing shows that its cable carries packets")


def judge_destinations(plan: Plan, endings: Endings) -> Iterator[Result]:
    """Each TCP service, asked from its own namespace."""
    for node in plan.nodes:
        for service in node.services:
            if service.protocol is not Protocol.TCP:
                continue  # a UDP service need not answer
            control = endings.control(node.name, service.protocol, service.port, 4)
            own = control.own if control is not None else Connect.NOT_TRIED
            answers = own is Connect.CONNECTED
            yield _result(
                reach.REACH_DESTINATION,
                Verdict.PASS if answers else Verdict.INCONCLUSIVE,
                (node.name, node.name, service.name),
                "answers a connection from its own namespace",
                own.value,
                reason="" if answers else "what does not listen cannot show that the firewall keeps anybody out",
            )


def _completed(plan: Plan, endings: Endings) -> dict[str, Flow]:
    """A flow that each source opened end to end, its address seen unchanged."""
    wanted = {one.probe: one for one in endings.report.confirmations if one.outcome is Connect.CONNECTED}
    found: dict[str, Flow] = {}
    for number, probe in enumerate(probes(plan)) if wanted else ():
        if number in wanted and probe.allowed and wanted[number].source_seen == probe.source_address:
            found.setdefault(probe.source, plan.flows[probe.flow])
    return found


def _named(plan: Plan, endings: Endings) -> dict[str, int]:
    """How many packets of each node the firewall named as dropped, with the node's own address as source."""
    found: dict[str, int] = {}
    for number, probe in enumerate(probes(plan)):
        if probe.kind is not ProbeClass.SPOOFED and endings.is_plain(number):
            found[probe.source] = found.get(probe.source, 0) + 1
    return found


def _can_complete(flow: Flow) -> bool:
    return not flow.granted and flow.protocol is Protocol.TCP and flow.source_address.version == 4


def _source(node: PlannedNode, verdict: Verdict, observed: str, reason: str = "") -> Result:
    expected = "completes a flow of its own, or its cable carries packets both ways"
    return _result(reach.REACH_SOURCE, verdict, (node.name, EVERYBODY, "control"), expected, observed, reason=reason)


def _result(check: Check, verdict: Verdict, way: Way, expected: str, observed: str, *, reason: str = "") -> Result:
    return Result(check.id, verdict, *way, expected, observed, reason=reason)
