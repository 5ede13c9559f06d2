"""Suite `reach`: every ordered pair of nodes x every port of the lab, probed from the node's own namespace."""

from __future__ import annotations

from collections.abc import Iterable

from pacslab.checks.judge import judge_accounting, judge_reach
from pacslab.compiler.expectations import Expectation, expectations
from pacslab.engine.converge import plugs
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric, Progress
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Control, Fate, Probe, ProbeReport, Reply, SweepReport, SweepRequest, Target
from pacslab.model.plan import Plan
from pacslab.model.verdict import Accounting, Result

DEAD_PID = 0  # of a node that does not run: it cannot be probed, and that is said


def sweep(fabric: Fabric, plan: Plan, running: Iterable[Running], progress: Progress) -> SweepReport:
    """Probe every pair and port of a running lab."""
    pids = {plug.cable.node: plug.pid for plug in plugs(plan, running)}
    request = SweepRequest(
        targets=tuple(
            Target(c.node, c.interface, c.address, c.gateway, pids.get(c.node, DEAD_PID)) for c in plan.cables
        ),
        probes=tuple(_probe(expectation) for expectation in expectations(plan)),
    )
    return fabric.sweep(request, progress)


def judge(plan: Plan, report: SweepReport) -> tuple[Result, ...]:
    """A verdict for every expectation; a probe that nobody reported on is not forgotten."""
    reports = {(p.probe.source, p.probe.destination, p.probe.protocol, p.probe.port): p for p in report.probes}
    controls = {(control.node, control.protocol, control.port): control for control in report.controls}
    nodes = {node.name: node for node in plan.nodes}
    names = {(n.name, s.protocol, s.port): s.name for n in plan.nodes for s in n.services}
    results = []
    for expected in expectations(plan):
        key = (expected.source, expected.destination, expected.protocol, expected.port)
        service = names.get(key[1:], f"{expected.port}/{expected.protocol.value}")
        found = reports.get(key) or ProbeReport(_probe(expected), Fate.UNSENT)
        control = _control(controls, expected)
        results.append(judge_reach(expected, found, control, nodes[expected.source], service))
    return (*results, judge_accounting(accounting(report)))


def _control(controls: dict[tuple[str, Protocol, int], Control], expected: Expectation) -> Control | None:
    """The control of the same destination and port; an open UDP port is silent, so another may speak for its node."""
    own = controls.get((expected.destination, expected.protocol, expected.port))
    if own is None or own.protocol is Protocol.TCP or not own.reached or own.reply is not Reply.NONE:
        return own
    others = (control for key, control in controls.items() if key[0] == expected.destination)
    return next((control for control in others if control.reached and control.reply is not Reply.NONE), own)


def accounting(report: SweepReport) -> Accounting:
    """Where all the probes ended."""
    return Accounting(
        sent=report.sent,
        arrived=report.arrived,
        dropped=report.dropped,
        lost=report.lost,
        counted_drops=report.counted_drops,
        foreign_drops=report.foreign_drops,
        elapsed_s=report.elapsed_s,
        notes=report.notes,
    )


def _probe(expectation: Expectation) -> Probe:
    return Probe(
        expectation.source,
        expectation.destination,
        expectation.port,
        expectation.protocol,
        confirm=expectation.allowed and expectation.protocol is Protocol.TCP,
    )
