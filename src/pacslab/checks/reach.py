"""Suite `reach`: every ordered pair of nodes x every port and trick, probed from the node's own namespace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pacslab.checks.asking import Ending, Endings, request
from pacslab.checks.catalogue.reach import BY_CLASS
from pacslab.checks.judge import WITHOUT_TARGET, Judgement, evidence, judge_accounting, judge_other, judge_reach
from pacslab.checks.taking_part import judge_cables, judge_destinations, judge_sources
from pacslab.compiler.probes import probes
from pacslab.engine.converge import plugs
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric, Progress
from pacslab.model.dicom import Protocol
from pacslab.model.packet import TCP, UDP, State
from pacslab.model.plan import Plan
from pacslab.model.probe import EVERYBODY, THE_FABRIC, Probe, ProbeClass
from pacslab.model.ruleset import LOG_PREFIX, Denial
from pacslab.model.sweep import Control, Reply, SweepReport
from pacslab.model.verdict import Accounting, Result, Verdict

MOST_SINGLY = 8  # of one class between two nodes that ended alike: more fill one result
_PROTOCOLS = {TCP: Protocol.TCP, UDP: Protocol.UDP}
# Judged cable by cable, whatever the destination.
_BY_CABLE = {
    ProbeClass.SPOOFED: EVERYBODY,
    ProbeClass.NO_IPV6: EVERYBODY,
    ProbeClass.UNASSIGNED: EVERYBODY,
    ProbeClass.FABRIC: THE_FABRIC,
    ProbeClass.LAST_HOP: THE_FABRIC,
    ProbeClass.BROADCAST: EVERYBODY,
    ProbeClass.MULTICAST: EVERYBODY,
}
Group = tuple[ProbeClass, int, str, str]  # class, address family, source, destination


def sweep(fabric: Fabric, plan: Plan, running: Iterable[Running], progress: Progress) -> SweepReport:
    """Send every probe of a running lab."""
    return fabric.sweep(request(plan, plugs(plan, running)), progress)


def judge(plan: Plan, report: SweepReport) -> tuple[Result, ...]:
    """A verdict for every pair, port and class; a probe that nobody reported on is not forgotten."""
    endings = Endings(plan, report)
    names = {(n.name, s.protocol, s.port): s.name for n in plan.nodes for s in n.services}
    results: list[Result] = []
    groups: dict[Group, list[tuple[int, Probe]]] = {}
    for number, probe in enumerate(probes(plan)):
        if probe.kind is ProbeClass.SERVICE:
            protocol = _PROTOCOLS[probe.protocol]
            service = names.get((probe.destination, protocol, probe.destination_port), probe.packet.service)
            if probe.version == 6:
                service = f"{service} over IPv6"
            control = endings.control(probe.destination, protocol, probe.destination_port, probe.version)
            flow = plan.flows[probe.flow] if probe.allowed else None
            results.append(judge_reach(probe, flow, endings.of(number, probe), control, service))
        else:
            destination = _BY_CABLE.get(probe.kind, probe.destination)
            groups.setdefault((probe.kind, probe.version, probe.source, destination), []).append((number, probe))
    for group, members in groups.items():
        results += _judge_group(group, members, endings)
    return (
        *results,
        *judge_cables(plan, report),
        *judge_sources(plan, endings),
        *judge_destinations(plan, endings),
        judge_accounting(accounting(report)),
    )


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
        rejected=report.rejected,
        discarded=report.discarded,
    )


def _judge_group(group: Group, members: list[tuple[int, Probe]], endings: Endings) -> Iterator[Result]:
    """What passed together, and what did not one by one."""
    kind, _, _, destination = group
    control = None if kind in WITHOUT_TARGET else endings.alive(destination)
    passed: dict[str, list[Probe]] = {}
    others: dict[Judgement, list[tuple[Probe, Ending]]] = {}
    for number, probe in members:
        if _is_plainly_dropped(number, probe, endings, control):
            passed.setdefault(f"dropped by the firewall ({_word(endings.prefix(number))})", []).append(probe)
            continue
        ending = endings.of(number, probe)
        judgement = judge_other(probe, ending, control)
        if judgement[0] is Verdict.PASS:
            passed.setdefault(judgement[1], []).append(probe)
        else:
            others.setdefault(judgement, []).append((probe, ending))
    for judgement, found in others.items():
        if len(found) > MOST_SINGLY:
            yield _many(group, judgement, [probe for probe, _ in found])
        else:
            for probe, ending in found:
                yield _one(probe, judgement, ending, control)
    if passed:
        observed = ", ".join(f"{len(found)} {words}" for words, found in passed.items())
        covered = [_what(probe) for found in passed.values() for probe in found]
        yield _result(group, (Verdict.PASS, observed, ""), tuple(dict.fromkeys(covered)))


def _is_plainly_dropped(number: int, probe: Probe, endings: Endings, control: Control | None) -> bool:
    """The common case, without a look at anything else."""
    if probe.allowed or not endings.is_plain(number) or not (word := endings.prefix(number)):
        return False
    if probe.kind in WITHOUT_TARGET:
        return probe.kind is not ProbeClass.SPOOFED or _word(word) == Denial.SPOOFED.value
    return control is not None and control.reached and control.reply is not Reply.NONE


def _one(probe: Probe, judgement: Judgement, ending: Ending, control: Control | None) -> Result:
    verdict, observed, reason = judgement
    return Result(
        check=BY_CLASS[probe.kind].id,
        verdict=verdict,
        source=probe.source,
        destination=probe.destination,
        service=probe.packet.service if probe.kind in _PORTS else probe.kind.value,
        expected=_expected(probe.kind),
        observed=observed,
        evidence=(f"packet {probe.packet}", *evidence(ending, control if probe.kind not in WITHOUT_TARGET else None)),
        reason=reason,
    )


def _many(group: Group, judgement: Judgement, found: list[Probe]) -> Result:
    return _result(group, judgement, tuple(dict.fromkeys(_what(probe) for probe in found)))


def _result(group: Group, judgement: Judgement, covered: tuple[str, ...]) -> Result:
    kind, version, source, destination = group
    verdict, observed, reason = judgement
    service = f"{kind.value} over IPv6" if version == 6 and kind is not ProbeClass.NO_IPV6 else kind.value
    evidence = (f"{len(covered)} probed: {', '.join(covered)}",)
    return Result(BY_CLASS[kind].id, verdict, source, destination, service, _expected(kind), observed, evidence, reason)


_PORTS = frozenset(
    {ProbeClass.TRANSPORT, ProbeClass.BOUNDARY, ProbeClass.WATCH, ProbeClass.CANARY, ProbeClass.PROTOCOL}
)


def _what(probe: Probe) -> str:
    """What tells a probe from the others of its group."""
    if probe.kind is ProbeClass.SPOOFED:
        return f"{probe.source_address} -> {probe.destination}:{probe.packet.service}"
    if probe.kind is ProbeClass.ERROR:
        about = "an open conversation" if probe.state is State.RELATED else "no conversation"
        return f"{probe.packet.service} about {about}"
    if probe.kind in _BY_CABLE:
        return f"{probe.destination_address}:{probe.packet.service}"
    return probe.packet.service


def _expected(kind: ProbeClass) -> str:
    if kind is ProbeClass.ERROR:
        return "types 3, 11 and 12 (IPv6: 1 to 4) arrive, others are denied"
    if kind is ProbeClass.LAST_HOP:
        return "dropped, and no answer from the fabric"
    if kind is ProbeClass.SPOOFED:
        return "dropped by the firewall as spoofed"
    if kind is ProbeClass.NO_IPV6:
        return "no IPv6"
    return "denied: no conduit" if kind in _PORTS else "denied"


def _word(prefix: str) -> str:
    return prefix.removeprefix(LOG_PREFIX).strip()
