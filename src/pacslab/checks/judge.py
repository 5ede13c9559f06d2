"""Expectation and observation -> verdict; pure, and honest about what was not seen (ARCHITECTURE 6)."""

from __future__ import annotations

from pacslab.checks.catalogue import dicom, reach
from pacslab.compiler.expectations import Expectation
from pacslab.model.device import Observation
from pacslab.model.dicom import Operation, Protocol
from pacslab.model.fabric import Connect, Control, Fate, ProbeReport, Reply
from pacslab.model.plan import Flow, PlannedNode
from pacslab.model.ruleset import LOG_PREFIX
from pacslab.model.verdict import Accounting, Result, Verdict


def judge_reach(
    expectation: Expectation, report: ProbeReport, control: Control | None, source: PlannedNode, service: str
) -> Result:
    """Judge one probe.

    Args:
        expectation: What the policy says of this pair and port.
        report: What became of the probe.
        control: The fabric's own probe of the same destination and port in the same run; None: there was none.
        source: The node that sent it.
        service: The destination's service there, or the bare port.
    """
    verdict, observed, reason = (
        _judge_allowed(report, control, source) if expectation.flow else _judge_denied(report, control)
    )
    flow = expectation.flow
    return Result(
        check=(reach.REACH_ALLOWED if flow else reach.REACH_DENIED).id,
        verdict=verdict,
        source=expectation.source,
        destination=expectation.destination,
        service=service,
        expected=f"allowed by conduit {flow.conduit}" if flow else "denied: no conduit",
        observed=observed,
        evidence=_evidence(report, control),
        reason=reason,
        conduit=flow.conduit if flow else "",
        origin=flow.origin if flow else None,
        attempts=max(1, report.connect_attempts),
    )


def judge_accounting(accounting: Accounting) -> Result:
    """Judge the sweep's books: what does not add up leaves everything in doubt, and never counts as a denial."""
    a = accounting
    closes = 0 < a.sent == a.arrived + a.dropped and a.lost == 0
    counted = a.counted_drops >= a.dropped
    return Result(
        check=reach.REACH_ACCOUNTED.id,
        verdict=Verdict.PASS if closes and counted else Verdict.INCONCLUSIVE,
        source="fabric",
        destination="fabric",
        service="sweep",
        expected="sent = arrived + dropped <= counted drops",
        observed=f"{a.sent} sent, {a.arrived} arrived, {a.dropped} dropped, {a.lost} lost, {a.counted_drops} counted",
        evidence=a.notes,
        reason="" if closes and counted else "the books do not close, so some denial may not be the firewall's",
    )


def judge_operation(flow: Flow, operation: Operation, observation: Observation | None, trouble: str = "") -> Result:
    """Judge one declared operation.

    Args:
        flow: The flow that declares it.
        operation: The operation.
        observation: What the initiator's device saw; None: it saw nothing because of `trouble`.
        trouble: Why it could not be tried.
    """
    verdict, observed = Verdict.INCONCLUSIVE, "not tried"
    evidence: tuple[str, ...] = ()
    if observation is not None:
        verdict = Verdict.PASS if observation.ok else Verdict.FAIL
        observed = f"{observation.layer.value}: {observation.status}"
        evidence = (observation.detail,) if observation.detail else ()
    return Result(
        check=dicom.BY_OPERATION[operation].id,
        verdict=verdict,
        source=flow.source,
        destination=flow.destination,
        service=flow.service,
        expected=f"{operation.value} succeeds (conduit {flow.conduit})",
        observed=observed,
        evidence=evidence,
        reason=trouble,
        conduit=flow.conduit,
        origin=flow.origin,
    )


def _judge_allowed(report: ProbeReport, control: Control | None, source: PlannedNode) -> tuple[Verdict, str, str]:
    """An acceptance counts only end to end; a dead target decides nothing about the firewall."""
    if report.source_seen is not None and report.source_seen != source.address:
        how = "connected" if report.connect is Connect.CONNECTED else "not connected"
        return Verdict.FAIL, f"{how}, and the receiver saw {report.source_seen}", ""
    if report.probe.protocol is Protocol.UDP and report.fate is Fate.ARRIVED and report.source_seen is not None:
        return Verdict.PASS, "arrived", ""  # there is no connection to confirm: one arrival is all that UDP offers
    if report.connect is Connect.CONNECTED:
        if report.fate is Fate.DROPPED:
            why = f"the firewall also dropped a probe of it ({_word(report)}): one of the two is not its rule"
            return Verdict.INCONCLUSIVE, "connected", why
        if report.source_seen is None:
            return (
                Verdict.INCONCLUSIVE,
                "connected",
                "nothing was seen at the receiver: something else may have answered",
            )
        return Verdict.PASS, "connected", ""
    if report.fate is Fate.DROPPED:
        return Verdict.FAIL, f"dropped by the firewall ({_word(report)})", ""
    if control is None or not control.reached or control.reply is Reply.NONE:
        return Verdict.INCONCLUSIVE, report.connect.value, "the destination does not answer its control probe"
    if control.reply is Reply.RST:
        return Verdict.INCONCLUSIVE, report.connect.value, "nothing listens there, so the flow could not be tried"
    if report.fate in {Fate.LOST, Fate.UNSENT}:
        return Verdict.INCONCLUSIVE, f"probe {report.fate.value}", "the probe is not accounted for"
    return Verdict.FAIL, f"not connected: {report.connect.value}", ""


def _judge_denied(report: ProbeReport, control: Control | None) -> tuple[Verdict, str, str]:
    """A denial counts only when the firewall accounts for it and the target was alive to be reached."""
    if report.fate is Fate.ARRIVED:
        answered = f", and answered {report.reply.value.upper()}" if report.reply is not Reply.NONE else ""
        return Verdict.FAIL, f"reached the receiver{answered}", ""
    if report.connect is Connect.CONNECTED:
        return Verdict.FAIL, "connected", ""
    if report.fate is Fate.DROPPED:
        if control is not None and control.reached and control.reply is not Reply.NONE:
            return Verdict.PASS, f"dropped by the firewall ({_word(report)})", ""
        return Verdict.INCONCLUSIVE, "dropped", "the destination does not answer its control probe"
    if report.fate is Fate.UNSENT:
        return Verdict.INCONCLUSIVE, "not sent", "the probe never left its node"
    return Verdict.INCONCLUSIVE, "lost", "neither arrived nor dropped: the probe is not accounted for"


def _evidence(report: ProbeReport, control: Control | None) -> tuple[str, ...]:
    found = [f"probe {report.fate.value}"]
    if report.log_prefix:
        found.append(f"firewall log {report.log_prefix!r}")
    if report.source_seen is not None:
        found.append(f"receiver saw {report.source_seen}")
    if control is None:
        found.append("no control")
    elif control.reached:
        found.append(f"control reached it, answer {control.reply.value}")
    else:
        found.append("control did not reach it")
    return tuple(found)


def _word(report: ProbeReport) -> str:
    return report.log_prefix.removeprefix(LOG_PREFIX).strip() or "no log entry"
