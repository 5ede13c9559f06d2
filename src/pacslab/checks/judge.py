"""Expectation and observation -> verdict; pure, and honest about what was not seen (ARCHITECTURE 6)."""

from __future__ import annotations

from pacslab.checks.asking import Ending
from pacslab.checks.catalogue import dicom, reach
from pacslab.model.device import Observation
from pacslab.model.dicom import Operation
from pacslab.model.packet import UDP
from pacslab.model.plan import Flow
from pacslab.model.probe import Probe, ProbeClass
from pacslab.model.ruleset import LOG_PREFIX, Denial
from pacslab.model.sweep import Connect, Control, Fate, Reply
from pacslab.model.verdict import Accounting, Result, Verdict

Judgement = tuple[Verdict, str, str]  # verdict, what was observed, why it is in doubt

# There is nobody at the address, or the packet must not get so far that it would matter who is.
# Whatever comes back of these, the fabric itself has said.
_ANSWERED_BY_FABRIC = frozenset({ProbeClass.FABRIC, ProbeClass.LAST_HOP})
WITHOUT_TARGET = frozenset(
    {
        ProbeClass.NO_IPV6,
        ProbeClass.SPOOFED,
        ProbeClass.UNASSIGNED,
        ProbeClass.FABRIC,
        ProbeClass.BROADCAST,
        ProbeClass.MULTICAST,
        ProbeClass.LAST_HOP,
    },
)


def judge_reach(probe: Probe, flow: Flow | None, ending: Ending, control: Control | None, service: str) -> Result:
    """Judge one probe of a service's port.

    Args:
        probe: The probe.
        flow: The flow that permits it; None: denied.
        ending: What became of it.
        control: The fabric's own probe of the same destination and port in the same run; None: there was none.
        service: The destination's service there, or the bare port.
    """
    verdict, observed, reason = _judge_allowed(probe, ending, control) if flow else judge_denied(probe, ending, control)
    return Result(
        check=(reach.REACH_ALLOWED if flow else reach.BY_CLASS[probe.kind]).id,
        verdict=verdict,
        source=probe.source,
        destination=probe.destination,
        service=service,
        expected=f"allowed by conduit {flow.conduit}" if flow else "denied: no conduit",
        observed=observed,
        evidence=evidence(ending, control),
        reason=reason,
        conduit=flow.conduit if flow else "",
        origin=flow.origin if flow else None,
        attempts=max(1, ending.attempts),
    )


def judge_accounting(accounting: Accounting) -> Result:
    """Judge the sweep's books: what does not add up leaves everything in doubt, and never counts as a denial."""
    a = accounting
    closes = 0 < a.sent == a.arrived + a.dropped + a.rejected + a.discarded and a.lost == 0
    counted = a.counted_drops >= a.dropped
    ends = {"arrived": a.arrived, "dropped": a.dropped, "rejected": a.rejected, "discarded": a.discarded}
    found = ", ".join(f"{number} {end}" for end, number in ends.items())
    return Result(
        check=reach.REACH_ACCOUNTED.id,
        verdict=Verdict.PASS if closes and counted else Verdict.INCONCLUSIVE,
        source="fabric",
        destination="fabric",
        service="sweep",
        expected="sent = arrived + dropped + rejected + discarded, and dropped <= counted drops",
        observed=f"{a.sent} sent, {found}, {a.lost} lost, {a.counted_drops} counted",
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


def _judge_allowed(probe: Probe, ending: Ending, control: Control | None) -> Judgement:
    """An acceptance counts only end to end; a dead target decides nothing about the firewall."""
    if ending.source_seen is not None and ending.source_seen != probe.source_address:
        how = "connected" if ending.connect is Connect.CONNECTED else "not connected"
        return Verdict.FAIL, f"{how}, and the receiver saw {ending.source_seen}", ""
    if probe.protocol == UDP and ending.fate is Fate.ARRIVED and ending.source_seen is not None:
        return Verdict.PASS, "arrived", ""  # there is no connection to confirm: one arrival is all that UDP offers
    if ending.connect is Connect.CONNECTED:
        if ending.fate in {Fate.DROPPED, Fate.REJECTED}:
            why = f"the firewall also denied a probe of it ({_word(ending)}): one of the two is not its rule"
            return Verdict.INCONCLUSIVE, "connected", why
        if ending.source_seen is None:
            return (
                Verdict.INCONCLUSIVE,
                "connected",
                "nothing was seen at the receiver: something else may have answered",
            )
        return Verdict.PASS, "connected", ""
    if ending.fate in {Fate.DROPPED, Fate.REJECTED}:
        return Verdict.FAIL, f"{ending.fate.value} by the firewall ({_word(ending)})", ""
    return _judge_unconnected(probe, ending, control)


def _judge_unconnected(probe: Probe, ending: Ending, control: Control | None) -> Judgement:
    """Not dropped, and still no connection: who is to blame."""
    if control is None or not control.reached or control.reply is Reply.NONE:
        return Verdict.INCONCLUSIVE, ending.connect.value, "the destination does not answer its control probe"
    if control.reply is Reply.RST:
        if probe.version == 6 and ending.fate is Fate.ARRIVED:
            return Verdict.SKIPPED, "arrived", "nothing listens over IPv6 there, so no connection was to be had"
        return Verdict.INCONCLUSIVE, ending.connect.value, "nothing listens there, so the flow could not be tried"
    if ending.fate is Fate.LOST and ending.connect is Connect.TIMED_OUT:
        # Seen leaving, and the service answers past the firewall: whoever swallows it, the flow is not open.
        return Verdict.FAIL, "not connected: timed-out, and no log entry says why", ""
    if ending.fate is not Fate.ARRIVED:
        return Verdict.INCONCLUSIVE, f"probe {ending.fate.value}", "the probe is not accounted for"
    return Verdict.FAIL, f"not connected: {ending.connect.value}", ""


def judge_other(probe: Probe, ending: Ending, control: Control | None) -> Judgement:
    """Judge a probe of anything but a service's port."""
    return _judge_error(ending) if probe.allowed else judge_denied(probe, ending, control)


def _judge_error(ending: Ending) -> Judgement:
    """An ICMP error that may come: its arrival is all there is to see."""
    match ending.fate:
        case Fate.ARRIVED if not ending.elsewhere:
            return Verdict.PASS, "arrived", ""
        case Fate.ARRIVED:
            return Verdict.FAIL, f"reached {ending.elsewhere}", ""
        case Fate.DROPPED | Fate.REJECTED:
            return Verdict.FAIL, f"{ending.fate.value} by the firewall ({_word(ending)})", ""
        case Fate.UNSENT:
            return Verdict.INCONCLUSIVE, "not sent", "the conversation that it is about did not come about"
    return Verdict.INCONCLUSIVE, ending.fate.value, "the probe is not accounted for"


def judge_denied(probe: Probe, ending: Ending, control: Control | None) -> Judgement:
    """A denial counts only when the firewall accounts for it and the target, if there is one, was alive."""
    if probe.kind in _ANSWERED_BY_FABRIC and not ending.elsewhere and ending.reply is not Reply.NONE:
        return Verdict.FAIL, f"the fabric answered {ending.reply.value.upper()}", ""
    if ending.fate is Fate.ARRIVED:
        answered = f", and was answered {ending.reply.value.upper()}" if ending.reply is not Reply.NONE else ""
        receiver = "the fabric" if probe.kind is ProbeClass.FABRIC else "the receiver"
        return Verdict.FAIL, f"reached {ending.elsewhere or receiver}{answered}", ""
    if ending.connect is Connect.CONNECTED:
        return Verdict.FAIL, "connected", ""
    return _judge_stopped(probe, ending, control)


def _judge_stopped(probe: Probe, ending: Ending, control: Control | None) -> Judgement:
    """Not seen to arrive: by whose word."""
    if ending.fate is Fate.DISCARDED and probe.kind is ProbeClass.NO_IPV6:
        return Verdict.PASS, "discarded: the fabric's kernel does not speak IPv6, and counted it", ""
    if ending.fate in {Fate.DROPPED, Fate.REJECTED} and ending.prefix:
        words = f"{ending.fate.value} by the firewall ({_word(ending)})"
        if probe.kind is ProbeClass.SPOOFED and _word(ending) != Denial.SPOOFED.value:
            return Verdict.FAIL, f"let in with {probe.source_address} as its source, then {words}", ""
        if probe.kind in WITHOUT_TARGET or (control is not None and control.reached and control.reply != Reply.NONE):
            return Verdict.PASS, words, ""
        return Verdict.INCONCLUSIVE, ending.fate.value, "the destination does not answer its control probe"
    if ending.fate is Fate.REJECTED:
        why = "its source was told no, but the firewall's log does not account for it"
        return Verdict.INCONCLUSIVE, f"rejected: {ending.reply.value}", why
    if ending.fate is Fate.UNSENT:
        return Verdict.INCONCLUSIVE, "not sent", "the probe was not seen to leave its node"
    return Verdict.INCONCLUSIVE, ending.fate.value, "neither arrived nor dropped: the probe is not accounted for"


def evidence(ending: Ending, control: Control | None) -> tuple[str, ...]:
    """What makes a verdict on one probe believable."""
    found = [f"probe {ending.fate.value}"]
    if ending.prefix:
        found.append(f"firewall log {ending.prefix!r}")
    if ending.source_seen is not None:
        found.append(f"receiver saw {ending.source_seen}")
    if ending.elsewhere:
        found.append(f"packet seen at {ending.elsewhere}")
    if control is None:
        found.append("no control")
    elif control.reached:
        found.append(f"control reached it, answer {control.reply.value}")
    else:
        found.append("control did not reach it")
    return tuple(found)


def _word(ending: Ending) -> str:
    return ending.prefix.removeprefix(LOG_PREFIX).strip() or "no log entry"
