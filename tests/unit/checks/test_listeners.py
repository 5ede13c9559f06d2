"""Sockets seen in the nodes, against their manifests."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from pacslab.checks.listeners import DOWN, judge
from pacslab.model.dicom import Application, Protocol
from pacslab.model.fabric import Listener, ListenReport, Unseen
from pacslab.model.lab import Service
from pacslab.model.plan import Plan
from pacslab.model.verdict import Result, Verdict


def _as_planned(plan: Plan) -> ListenReport:
    anywhere = ip_address("0.0.0.0")  # noqa: S104 - what servers listen on
    return ListenReport(
        tuple(
            Listener(node.name, service.protocol, anywhere, service.port, "Orthanc")
            for node in plan.nodes
            for service in node.services
        )
    )


def _wrong(plan: Plan, report: ListenReport) -> list[Result]:
    return [result for result in judge(plan, report) if result.verdict is not Verdict.PASS]


def _with(plan: Plan, *more: Listener) -> ListenReport:
    return replace(_as_planned(plan), listeners=(*_as_planned(plan).listeners, *more))


def test_what_the_manifest_says_passes_in_both_directions_and_silent_nodes_are_said(minimal: Plan) -> None:
    results = judge(minimal, _as_planned(minimal))
    assert {result.verdict for result in results} == {Verdict.PASS}
    services = sum(len(node.services) for node in minimal.nodes)
    silent = [node.name for node in minimal.nodes if not node.services]
    assert sum(result.check == "LISTEN-02" for result in results) == services
    assert [r.destination for r in results if r.observed == "nothing listens"] == silent == ["vendor-1"]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "198.18.20.10", "fe80::1"])  # noqa: S104
@pytest.mark.parametrize("protocol", Protocol)
def test_an_extra_listener_fails_and_is_named(minimal: Plan, address: str, protocol: Protocol) -> None:
    (wrong,) = _wrong(minimal, _with(minimal, Listener("pacs", protocol, ip_address(address), 4444, "nc")))
    assert (wrong.check, wrong.verdict, wrong.destination) == ("LISTEN-01", Verdict.FAIL, "pacs")
    assert wrong.service == f"4444/{protocol.value}"
    assert wrong.observed.startswith("nc listens on ")
    assert wrong.origin == minimal.node("pacs").origin


def test_the_same_port_by_another_protocol_is_extra(minimal: Plan) -> None:
    port = minimal.node("pacs").services[0].port
    (wrong,) = _wrong(minimal, _with(minimal, Listener("pacs", Protocol.UDP, ip_address("::"), port, "nc")))
    assert wrong.service == f"{port}/udp"


def test_loopback_alone_is_no_finding_but_is_said(minimal: Plan) -> None:
    report = _with(minimal, Listener("pacs", Protocol.TCP, ip_address("127.0.0.1"), 4444, "nc"))
    assert _wrong(minimal, report) == []
    assert any(r.observed == "nc listens on 127.0.0.1:4444/tcp: loopback only, no other node can reach it"
               for r in judge(minimal, report))  # fmt: skip


def test_loopback_and_more_is_a_finding(minimal: Plan) -> None:
    both = [Listener("pacs", Protocol.TCP, ip_address(at), 4444, "nc") for at in ("::1", "198.18.20.10")]
    (wrong,) = _wrong(minimal, _with(minimal, *both))
    assert wrong.observed == "nc listens on [::1]:4444/tcp, 198.18.20.10:4444/tcp"


def test_a_service_that_does_not_listen_fails(minimal: Plan) -> None:
    planned = _as_planned(minimal)
    lost = planned.listeners[0]
    (wrong,) = _wrong(minimal, replace(planned, listeners=planned.listeners[1:]))
    assert (wrong.check, wrong.verdict, wrong.destination) == ("LISTEN-02", Verdict.FAIL, lost.node)
    assert wrong.observed == "nothing listens there"


def test_a_service_on_loopback_only_fails(minimal: Plan) -> None:
    planned = _as_planned(minimal)
    moved = replace(planned.listeners[0], address=ip_address("127.0.0.1"))
    (wrong,) = _wrong(minimal, replace(planned, listeners=(moved, *planned.listeners[1:])))
    assert (wrong.check, wrong.verdict) == ("LISTEN-02", Verdict.FAIL)
    assert "loopback only" in wrong.observed


def test_of_a_range_of_ports_one_is_enough_and_every_one_belongs_to_it(minimal: Plan) -> None:
    ranged = Service("passive", Application.HTTP, 30000, last_port=30009)
    nodes = tuple(replace(n, services=(*n.services, ranged)) if n.name == "pacs" else n for n in minimal.nodes)
    plan = replace(minimal, nodes=nodes)
    listener = Listener("pacs", Protocol.TCP, ip_address("::"), 30005, "")
    assert _wrong(plan, replace(_with(minimal, listener))) == []
    (wrong,) = _wrong(plan, _as_planned(minimal))
    assert wrong.expected == "something listens on 30000-30009/tcp"


def test_a_node_that_is_down_serves_nothing(minimal: Plan) -> None:
    planned = _as_planned(minimal)
    rest = tuple(one for one in planned.listeners if one.node != "pacs")
    wrong = _wrong(minimal, ListenReport(rest, (Unseen("pacs", DOWN),)))
    assert (wrong[0].check, wrong[0].verdict, wrong[0].reason) == ("LISTEN-01", Verdict.INCONCLUSIVE, DOWN)
    assert {(r.check, r.verdict, r.observed) for r in wrong[1:]} == {("LISTEN-02", Verdict.FAIL, "pacs does not run")}


def test_a_node_that_cannot_be_looked_into_decides_nothing(minimal: Plan) -> None:
    wrong = _wrong(minimal, replace(_as_planned(minimal), unseen=(Unseen("pacs", "process 7 is gone"),)))
    assert {(result.verdict, result.reason) for result in wrong} == {(Verdict.INCONCLUSIVE, "process 7 is gone")}
    assert len(wrong) == 1 + len(minimal.node("pacs").services)
