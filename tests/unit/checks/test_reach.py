"""A sweep's report to a result for every pair, port and class: what nobody reported on is not forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from pacslab.checks.asking import request
from pacslab.checks.catalogue.reach import BY_CLASS
from pacslab.checks.reach import MOST_SINGLY, accounting, judge
from pacslab.compiler.probes import probes
from pacslab.model.fabric import Plug
from pacslab.model.packet import TCP, State
from pacslab.model.plan import Plan
from pacslab.model.probe import Probe, ProbeClass
from pacslab.model.sweep import (
    FATES,
    NOBODY,
    Confirmation,
    Connect,
    Control,
    Extra,
    Fate,
    Reply,
    Rows,
    Sighting,
    SweepReport,
    pack,
)
from pacslab.model.verdict import Result, Verdict

PREFIXES = ("", "pacslab:no-conduit", "pacslab:spoofed")
PASS, FAIL, UNCLEAR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def _fate(probe: Probe) -> Fate:
    if probe.allowed:
        return Fate.ARRIVED
    return Fate.DISCARDED if probe.kind is ProbeClass.NO_IPV6 else Fate.DROPPED


def perfect(plan: Plan, **changed: Fate) -> SweepReport:
    """What the sweep of a lab that is as planned reports; `changed`: number of a probe -> another fate."""
    every = list(probes(plan))
    fates = [changed.get(f"p{number}", _fate(probe)) for number, probe in enumerate(every)]
    dropped = {Fate.DROPPED, Fate.REJECTED}
    words = [(2 if p.kind is ProbeClass.SPOOFED else 1) * (f in dropped) for p, f in zip(every, fates, strict=True)]
    listens = {(node.name, port) for node in plan.nodes for service in node.services for port in service.ports}
    controls = tuple(
        Control(node.name, port, True, Reply.SYN_ACK if (node.name, port) in listens else Reply.RST,
                own=Connect.CONNECTED if (node.name, port) in listens else Connect.NOT_TRIED)
        for node in plan.nodes
        for _, port in plan.ports
    )  # fmt: skip
    of = Counter(fates)
    return SweepReport(
        pack(bytes(FATES.index(fate) for fate in fates)),
        pack(bytes(words)),
        PREFIXES,
        len(every) - of[Fate.UNSENT],
        of[Fate.ARRIVED],
        of[Fate.DROPPED],
        of[Fate.REJECTED],
        of[Fate.DISCARDED],
        of[Fate.LOST],
        of[Fate.DROPPED],
        1.0,
        confirmations=tuple(
            Confirmation(n, Connect.CONNECTED, 1, p.source_address)
            for n, p in enumerate(every)
            if p.allowed and p.protocol == TCP
        ),
        controls=controls,
    )


def _number(plan: Plan, kind: ProbeClass, source: str, destination: str, port: int | None = None) -> int:
    """The first probe of that kind."""
    return next(
        n
        for n, p in enumerate(probes(plan))
        if (p.kind, p.source, p.destination) == (kind, source, destination) and port in {None, p.destination_port}
    )


def _doubts(results: tuple[Result, ...]) -> list[tuple[str, Verdict, str, str, str]]:
    return [(r.check, r.verdict, r.source, r.destination, r.service) for r in results if r.verdict is not PASS]


def test_a_lab_as_planned_passes_in_every_pair_port_and_class(minimal: Plan) -> None:
    results = judge(minimal, perfect(minimal))
    assert {result.verdict for result in results} == {PASS}
    services = [r for r in results if r.check in {"REACH-01", "REACH-02"}]
    assert len(services) == 3 * 2 * len(minimal.ports)
    assert {r.check for r in results} == {f"REACH-{n:02}" for n in range(1, 19)}
    watched = [r for r in results if r.service == "watched port"]
    assert len(watched) == 3 * 2
    assert "445/tcp" in watched[0].evidence[0]


def test_services_are_named_and_other_ports_are_numbers(minimal: Plan) -> None:
    results = [r for r in judge(minimal, perfect(minimal)) if r.check == "REACH-02"]
    assert {result.service for result in results if result.destination == "vendor-1"} == {
        "22/tcp",
        "8042/tcp",
        "2762/tcp",
    }
    assert "http" in {result.service for result in results if result.destination == "pacs"}


def test_an_empty_report_proves_nothing(minimal: Plan) -> None:
    nothing = SweepReport(pack(b""), pack(b""), ("",), 0, 0, 0, 0, 0, 0, 0, 0.0)
    assert {result.verdict for result in judge(minimal, nothing)} == {UNCLEAR}


def test_a_missing_probe_is_a_doubt(minimal: Plan) -> None:
    every = list(probes(minimal))
    report = perfect(minimal)
    short = replace(report, fates=pack(bytes(FATES.index(_fate(p)) for p in every[:-1])))
    (doubt,) = _doubts(judge(minimal, short))
    assert doubt == ("REACH-06", UNCLEAR, every[-1].source, every[-1].destination, "ipv6")


@pytest.mark.parametrize(
    ("kind", "source", "destination", "port", "service"),
    [
        (ProbeClass.SERVICE, "vendor-1", "pacs", 2762, "dicom-tls"),
        (ProbeClass.WATCH, "vendor-1", "pacs", 445, "445/tcp"),
        (ProbeClass.ECHO, "ct-1", "vendor-1", None, "icmp echo"),
        (ProbeClass.FRAGMENT, "ct-1", "vendor-1", None, "fragment"),
        (ProbeClass.SPOOFED, "vendor-1", "pacs", None, "spoofed source"),
        (ProbeClass.NO_IPV6, "vendor-1", "pacs", None, "ipv6"),
        (ProbeClass.FABRIC, "vendor-1", "fabric", 22, "fabric"),
        (ProbeClass.MULTICAST, "vendor-1", "everybody", None, "multicast"),
    ],
)
def test_each_that_arrives_is_a_failure_of_its_own(
    minimal: Plan, kind: ProbeClass, source: str, destination: str, port: int | None, *, service: str
) -> None:
    number = _number(minimal, kind, source, destination, port)
    report = perfect(minimal, **{f"p{number}": Fate.ARRIVED})
    if kind is ProbeClass.MULTICAST:
        report = replace(report, sightings=(Sighting(number, "pacs", IPv4Address("198.18.60.10")),))
    results = judge(minimal, report)
    assert _doubts(results) == [(BY_CLASS[kind].id, FAIL, source, destination, service)]
    (failed,) = [r for r in results if r.verdict is FAIL]
    assert failed.observed == (
        {ProbeClass.MULTICAST: "reached pacs", ProbeClass.FABRIC: "reached the fabric"}.get(
            kind, "reached the receiver"
        )
    )
    assert any(one.startswith("probe arrived") for one in failed.evidence)


def test_a_lost_probe_leaves_itself_and_the_books_in_doubt(minimal: Plan) -> None:
    number = _number(minimal, ProbeClass.WATCH, "vendor-1", "pacs", 445)
    found = _doubts(judge(minimal, perfect(minimal, **{f"p{number}": Fate.LOST})))
    assert found == [
        ("REACH-04", UNCLEAR, "vendor-1", "pacs", "445/tcp"),
        ("REACH-03", UNCLEAR, "fabric", "fabric", "sweep"),
    ]


def test_many_of_a_kind_fill_one_result(minimal: Plan) -> None:
    numbers = [n for n, p in enumerate(probes(minimal))
               if (p.kind, p.source, p.destination) == (ProbeClass.WATCH, "vendor-1", "pacs")]  # fmt: skip
    assert len(numbers) > MOST_SINGLY
    results = judge(minimal, perfect(minimal, **{f"p{n}": Fate.ARRIVED for n in numbers}))
    (failed,) = [r for r in results if r.verdict is FAIL]
    assert (failed.source, failed.destination, failed.service) == ("vendor-1", "pacs", "watched port")
    assert failed.evidence[0].startswith(f"{len(numbers)} probed: 80/tcp, ")


def test_one_missing_control_spoils_the_denials_of_that_node_and_port(minimal: Plan) -> None:
    report = perfect(minimal)
    controls = tuple(control for control in report.controls if (control.node, control.port) != ("vendor-1", 22))
    found = _doubts(judge(minimal, replace(report, controls=controls)))
    assert [one[2:] for one in found] == [("ct-1", "vendor-1", "22/tcp"), ("pacs", "vendor-1", "22/tcp")]


def test_a_node_that_answers_nowhere_spoils_all_denials_of_it(minimal: Plan) -> None:
    report = perfect(minimal)
    dead = tuple(replace(c, reached=False, reply=Reply.NONE) if c.node == "pacs" else c for c in report.controls)
    found = _doubts(judge(minimal, replace(report, controls=dead)))
    assert {one[1] for one in found} == {UNCLEAR}
    classes = {ProbeClass(one[4]) for one in found if one[0] != "REACH-02" and one[4] in set(ProbeClass)}
    assert {ProbeClass.ECHO, ProbeClass.ACK, ProbeClass.FRAGMENT} <= classes
    assert ("REACH-14", UNCLEAR, "pacs", "fabric", "cable") in found


def test_a_second_link_and_an_ipv6_address_are_named(minimal: Plan) -> None:
    extras = (Extra("pacs", "link eth1"), Extra("ct-1", "address fe80::1 on eth0"))
    found = _doubts(judge(minimal, replace(perfect(minimal), extras=extras)))
    assert found == [
        ("REACH-06", FAIL, "ct-1", "everybody", "cable"),
        ("REACH-14", FAIL, "pacs", "everybody", "cable"),
    ]


def test_a_source_that_completes_nothing_and_a_service_that_does_not_answer_are_doubts(minimal: Plan) -> None:
    report = perfect(minimal)
    controls = tuple(replace(c, own=Connect.REFUSED) if c.node == "pacs" else c for c in report.controls)
    found = _doubts(judge(minimal, replace(report, confirmations=(), controls=controls)))
    assert ("REACH-15", UNCLEAR, "ct-1", "everybody", "control") in found
    assert {one[4] for one in found if one[0] == "REACH-16"} == {s.name for s in minimal.node("pacs").services}


def test_a_source_without_a_flow_says_so(minimal: Plan) -> None:
    (said,) = [r for r in judge(minimal, perfect(minimal)) if (r.check, r.source) == ("REACH-15", "vendor-1")]
    assert said.verdict is PASS
    assert said.observed.startswith("begins no flow; answered its control, and the firewall named ")


def test_accounting_is_passed_on(minimal: Plan) -> None:
    found = accounting(perfect(minimal))
    assert found.sent == found.arrived + found.dropped + found.rejected + found.discarded + found.lost
    assert found.counted_drops == found.dropped


def test_the_request_holds_every_probe_as_it_is(minimal: Plan) -> None:
    asked = request(minimal, (Plug(minimal.cables[0], 4242),))
    rows, every = Rows.unpacked(asked.rows), list(probes(minimal))
    assert len(rows.source) == len(every)
    assert [target.pid for target in asked.targets] == [4242, 0, 0]
    for number, probe in enumerate(every):
        shape = asked.shapes[rows.shape[number]]
        assert asked.targets[rows.source[number]].node == probe.source
        assert asked.addresses[rows.claimed[number]] == probe.source_address
        assert asked.addresses[rows.destination[number]] == probe.destination_address
        assert (shape.kind, shape.protocol, shape.manner) == (probe.kind, probe.protocol, probe.manner)
        if probe.about < 0:
            assert rows.port[number] == probe.destination_port
        else:
            talk, flow = asked.talks[rows.port[number]], minimal.flows[probe.about]
            assert asked.targets[talk.initiator].node == flow.source == probe.destination
            assert (talk.source, talk.destination, talk.port) == (
                flow.source_address,
                flow.destination_address,
                flow.port,
            )
            assert talk.is_open is (probe.state is State.RELATED)
        owner = asked.owners[rows.destination[number]]
        assert (asked.targets[owner].node if owner != NOBODY else "") in {probe.destination, ""}
    assert [every[number].allowed for number in asked.confirm] == [True] * sum(
        p.allowed and p.protocol == TCP for p in every
    )
    own = {(door.node, door.port) for door in asked.doors if door.is_own}
    assert own == {(node.name, service.port) for node in minimal.nodes for service in node.services}
