"""Plan -> probes: nothing that matters is left out, each once, and each says what the policy says."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.unit.compiler.test_families import BOTH, LAB, OLD

from pacslab.compiler.compile import compile_lab
from pacslab.compiler.expectations import expectations
from pacslab.compiler.probe_ports import WATCHED_TCP
from pacslab.compiler.probes import probes
from pacslab.labfile.load import load
from pacslab.model.packet import TCP, UDP, State
from pacslab.model.plan import Plan
from pacslab.model.probe import Probe, ProbeClass


@pytest.fixture(scope="module")
def every(reference: Plan) -> tuple[Probe, ...]:
    return tuple(probes(reference))


@pytest.fixture
def families(tmp_path: Path) -> Plan:
    """Two nodes with both families, one with IPv4 only; a range, a UDP service."""
    for name, text in (("lab", LAB), ("both", BOTH.replace(", granted: true, for: 90m", "")), ("old", OLD)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    with contextlib.chdir(tmp_path):
        return compile_lab(load(Path("lab.yaml")).lab)


def test_each_is_sent_once_and_every_class_is_there(every: tuple[Probe, ...]) -> None:
    assert len(set(every)) == len(every)
    assert {probe.kind for probe in every} == set(ProbeClass)


def test_services_are_what_is_expected_of_every_pair(reference: Plan, every: tuple[Probe, ...]) -> None:
    found = {(p.source, p.destination, p.destination_port): p.allowed for p in every if p.kind is ProbeClass.SERVICE}
    assert found == {(e.source, e.destination, e.port): e.allowed for e in expectations(reference)}


def test_only_services_and_errors_about_conversations_are_ever_allowed(
    every: tuple[Probe, ...], reference: Plan
) -> None:
    assert {p.kind for p in every if p.allowed} == {ProbeClass.SERVICE, ProbeClass.ERROR}
    for probe in every:
        if probe.allowed and probe.kind is ProbeClass.SERVICE:
            flow = reference.flows[probe.flow]
            assert (flow.source_address, flow.destination_address) == (probe.source_address, probe.destination_address)


def test_every_watched_port_goes_between_every_two_nodes(reference: Plan, every: tuple[Probe, ...]) -> None:
    pairs = len(reference.nodes) * (len(reference.nodes) - 1)
    tried = Counter(p.destination_port for p in every if p.protocol == TCP and p.kind in
                    {ProbeClass.SERVICE, ProbeClass.BOUNDARY, ProbeClass.WATCH})  # fmt: skip
    assert {port: tried[port] for port in WATCHED_TCP} == dict.fromkeys(WATCHED_TCP, pairs)


def test_the_ports_beside_each_service_are_tried(reference: Plan, every: tuple[Probe, ...]) -> None:
    tried = {(p.protocol, p.destination_port) for p in every}
    for _, port in reference.ports:
        assert {(TCP, port - 1), (TCP, port + 1), (UDP, port)} <= tried


def test_every_flow_of_others_is_claimed_on_every_cable(reference: Plan, every: tuple[Probe, ...]) -> None:
    claimed = {(p.source, p.source_address, p.destination_address, p.destination_port)
               for p in every if p.kind is ProbeClass.SPOOFED}  # fmt: skip
    for flow in (f for f in reference.flows if not f.granted):
        for node in reference.nodes:
            if node.name not in {flow.source, flow.destination}:
                assert (node.name, flow.source_address, flow.destination_address, flow.port) in claimed
    own = {node.name: node.address for node in reference.nodes}
    assert all(address != own[source] for source, address, _, _ in claimed)
    # Also of those that have no flow.
    assert {address for source, address, _, _ in claimed if source == "guest-1"} >= set(own.values()) - {own["guest-1"]}


def test_strays_go_to_open_ports_and_are_of_no_conversation(reference: Plan, every: tuple[Probe, ...]) -> None:
    strays = [p for p in every if p.kind in {ProbeClass.ACK, ProbeClass.SYN_ACK, ProbeClass.FLAGS}]
    assert {p.state for p in strays} == {State.INVALID}
    for flow in (f for f in reference.flows if not f.granted):
        way = flow.source, flow.destination, flow.port
        aimed = {p.kind for p in strays if (p.source, p.destination, p.destination_port) == way}
        assert aimed == {ProbeClass.ACK, ProbeClass.SYN_ACK, ProbeClass.FLAGS}


def test_free_addresses_are_nobodys(reference: Plan, every: tuple[Probe, ...]) -> None:
    taken = {*(node.address for node in reference.nodes), *(zone.gateway for zone in reference.zones)}
    free = {p.destination_address for p in every if p.kind is ProbeClass.UNASSIGNED}
    assert len(free) == len(reference.zones)
    assert not free & taken
    assert all(any(address in zone.network for zone in reference.zones) for address in free)


def test_a_lab_without_ipv6_tries_it_between_every_two_nodes(reference: Plan, every: tuple[Probe, ...]) -> None:
    six = [p for p in every if p.version == 6]
    assert {p.kind for p in six} == {ProbeClass.NO_IPV6}
    names = [node.name for node in reference.nodes]
    assert {(p.source, p.destination) for p in six} >= {(a, b) for a in names for b in names if a != b}


def test_where_there_is_ipv6_it_gets_the_same_sweep(families: Plan) -> None:
    every = tuple(probes(families))
    assert len(set(every)) == len(every)
    kinds = {version: {p.kind for p in every if p.version == version} for version in (4, 6)}
    assert kinds[4] - kinds[6] == {ProbeClass.BROADCAST, ProbeClass.FRAGMENT}
    between = {(p.source, p.destination) for p in every if p.version == 6 and p.kind is ProbeClass.SERVICE}
    assert between == {(a, b) for a in "abc" for b in "abc" if a != b}
    without = {(p.source, p.destination) for p in every if p.kind is ProbeClass.NO_IPV6 and p.destination in "abcd"}
    assert without == {pair for other in "abc" for pair in (("d", other), (other, "d"))}


def test_a_range_is_tried_at_its_ends_and_beside_them_and_not_inside(families: Plan) -> None:
    ports = {ProbeClass.SERVICE, ProbeClass.TRANSPORT, ProbeClass.BOUNDARY, ProbeClass.WATCH, ProbeClass.CANARY}
    ab = [p for p in probes(families) if (p.source, p.destination, p.version) == ("a", "b", 4) and p.kind in ports]
    own = {
        p.destination_port: (p.kind, p.allowed) for p in ab if p.protocol == TCP and 5990 < p.destination_port < 6020
    }
    assert {port: own[port] for port in (5999, 6000, 6005, 6010, 6011)} == {
        5999: (ProbeClass.BOUNDARY, False),
        6000: (ProbeClass.SERVICE, True),
        6005: (ProbeClass.SERVICE, True),
        6010: (ProbeClass.SERVICE, True),
        6011: (ProbeClass.BOUNDARY, False),
    }
    assert not {6004, 6006} & set(own)  # beside another node's service, and permitted here


def test_a_plan_of_one_node_has_nobody_to_claim(reference: Plan) -> None:
    alone = replace(reference, nodes=reference.nodes[:1], flows=())
    kinds = {probe.kind for probe in probes(alone)}
    assert kinds == {
        ProbeClass.UNASSIGNED,
        ProbeClass.FABRIC,
        ProbeClass.BROADCAST,
        ProbeClass.MULTICAST,
        ProbeClass.NO_IPV6,
    }
    assert all(probe.source_address != IPv4Address(0) for probe in probes(alone))
