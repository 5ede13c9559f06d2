"""A sweep's report to one result for every expectation: what nobody reported on is not forgotten."""

from dataclasses import replace
from ipaddress import IPv4Address

from pacslab.checks.reach import accounting, judge
from pacslab.compiler.expectations import expectations
from pacslab.model.fabric import Connect, Control, Fate, Probe, ProbeReport, Reply, SweepReport
from pacslab.model.plan import Plan
from pacslab.model.verdict import Verdict


def _perfect(plan: Plan) -> SweepReport:
    """What the sweep of a lab that is as planned reports."""
    listens = {(node.name, service.port) for node in plan.nodes for service in node.services}
    ports = [port for _, port in plan.ports]
    probes = tuple(_report(plan, e.source, e.destination, e.port, allowed=e.allowed) for e in expectations(plan))
    controls = tuple(
        Control(node.name, port, True, Reply.SYN_ACK if (node.name, port) in listens else Reply.RST)
        for node in plan.nodes
        for port in ports
    )
    arrived = sum(probe.fate is Fate.ARRIVED for probe in probes)
    return SweepReport(probes, controls, len(probes), arrived, len(probes) - arrived, 0, len(probes) - arrived, 1.0)


def _report(plan: Plan, source: str, destination: str, port: int, *, allowed: bool) -> ProbeReport:
    probe = Probe(source, destination, port, confirm=allowed)
    if not allowed:
        return ProbeReport(probe, Fate.DROPPED, "pacslab:no-conduit")
    address: IPv4Address = plan.node(source).address
    return ProbeReport(probe, Fate.ARRIVED, "", Reply.SYN_ACK, address, Connect.CONNECTED, 1)


def test_a_lab_as_planned_passes_in_every_pair_and_port(minimal: Plan) -> None:
    results = judge(minimal, _perfect(minimal))
    assert len(results) == 3 * 2 * len(minimal.ports) + 1  # and the sweep's books
    assert {result.verdict for result in results} == {Verdict.PASS}


def test_services_are_named_and_other_ports_are_numbers(minimal: Plan) -> None:
    results = judge(minimal, _perfect(minimal))
    assert {result.service for result in results if result.destination == "vendor-1"} == {
        "22/tcp",
        "8042/tcp",
        "2762/tcp",
    }
    assert "dicom-tls" in {result.service for result in results if result.destination == "pacs"}


def test_an_empty_report_proves_nothing(minimal: Plan) -> None:
    results = judge(minimal, SweepReport((), (), 0, 0, 0, 0, 0, 0.0))
    assert len(results) == 3 * 2 * len(minimal.ports) + 1
    assert {result.verdict for result in results} == {Verdict.INCONCLUSIVE}


def test_one_missing_probe_is_one_doubt(minimal: Plan) -> None:
    perfect = _perfect(minimal)
    report = replace(perfect, probes=perfect.probes[1:])
    verdicts = [result.verdict for result in judge(minimal, report)]
    assert verdicts.count(Verdict.INCONCLUSIVE) == 1
    assert verdicts.count(Verdict.PASS) == len(verdicts) - 1


def test_one_missing_control_spoils_the_denials_of_that_node_and_port(minimal: Plan) -> None:
    perfect = _perfect(minimal)
    controls = tuple(control for control in perfect.controls if (control.node, control.port) != ("vendor-1", 22))
    results = judge(minimal, replace(perfect, controls=controls))
    doubtful = [(r.source, r.destination, r.service) for r in results if r.verdict is not Verdict.PASS]
    assert doubtful == [("ct-1", "vendor-1", "22/tcp"), ("pacs", "vendor-1", "22/tcp")]


def test_accounting_is_passed_on(minimal: Plan) -> None:
    found = accounting(_perfect(minimal))
    assert found.sent == found.arrived + found.dropped + found.lost
    assert found.counted_drops == found.dropped
