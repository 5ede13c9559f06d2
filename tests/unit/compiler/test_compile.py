"""The reference lab as REFERENCE-LAB.md has it: addresses, cables, flows, what is probed and what is expected."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from pacslab.compiler.expectations import expectations, expected_pairs
from pacslab.compiler.policy import flows
from pacslab.model.dicom import Protocol
from pacslab.model.lab import Lab, Posture
from pacslab.model.plan import Plan

ADDRESSES = {
    "ct-1": "198.18.10.10",
    "mr-1": "198.18.10.11",
    "us-1": "198.18.10.12",
    "pacs": "198.18.20.10",
    "pacs-web": "198.18.20.11",
    "pacs-db": "198.18.20.12",
    "vna": "198.18.30.10",
    "cloud-web": "198.18.40.10",
    "cloud-store": "198.18.40.11",
    "ehr": "198.18.50.10",
    "ris": "198.18.50.11",
    "reading-1": "198.18.50.12",
    "bastion": "198.18.60.10",
    "vendor-1": "198.18.60.11",
    "internet-1": "198.18.90.10",
    "guest-1": "198.18.90.11",
}
FLOWS = """
ehr ris 2576 order
ris ehr 2576 result
ct-1 ris 2762 worklist
mr-1 ris 2762 worklist
us-1 ris 2762 worklist
ct-1 pacs 2762 acquire
mr-1 pacs 2762 acquire
us-1 pacs 2762 acquire
pacs ct-1 2762 commit
pacs mr-1 2762 commit
pacs us-1 2762 commit
pacs pacs-db 5432 index
pacs-web pacs 8042 web-backend
reading-1 pacs-web 443 read-web
reading-1 pacs 2762 read-dimse
pacs reading-1 2762 deliver
pacs vna 2762 archive
vna cloud-web 443 offsite
cloud-web cloud-store 8042 cloud-backend
vendor-1 bastion 22 vendor-login
bastion ct-1 22 vendor-service
"""


def test_addresses(reference: Plan) -> None:
    assert {node.name: str(node.address) for node in reference.nodes} == ADDRESSES


def test_every_node_has_one_cable_with_its_name_address_and_gateway(reference: Plan) -> None:
    gateways = {zone.name: zone.gateway for zone in reference.zones}
    assert [(c.node, c.interface, c.address, c.gateway) for c in reference.cables] == [
        (node.name, node.name, node.address, gateways[node.zone]) for node in reference.nodes
    ]
    assert str(gateways["modality"]) == "198.18.10.1"


def test_flows(reference: Plan) -> None:
    expected = sorted(tuple(line.split()) for line in FLOWS.strip().splitlines())
    assert len(expected) == 21
    assert sorted((f.source, f.destination, str(f.port), f.conduit) for f in reference.flows) == expected
    assert [f.conduit for f in reference.flows if f.granted] == ["vendor-service"]
    for flow in reference.flows:
        assert str(flow.source_address) == ADDRESSES[flow.source]
        assert str(flow.destination_address) == ADDRESSES[flow.destination]
        assert flow.protocol is Protocol.TCP


def test_a_node_needs_no_conduit_to_itself(minimal_lab: Lab) -> None:
    zones = tuple(
        replace(z, conduits=tuple(replace(c, sources=(*c.sources, *c.destinations)) for c in z.conduits))
        for z in minimal_lab.zones
    )
    assert flows(replace(minimal_lab, zones=zones)) == flows(minimal_lab)


def test_a_service_that_the_loader_would_refuse_is_a_bug_here(minimal_lab: Lab) -> None:
    zones = tuple(
        replace(z, conduits=tuple(replace(c, service="telnet") for c in z.conduits)) for z in minimal_lab.zones
    )
    with pytest.raises(ValueError, match="has no service 'telnet'"):
        flows(replace(minimal_lab, zones=zones))


def test_conduits_from_absent_zones_are_inert_in_the_minimal_lab(minimal: Plan, minimal_lab: Lab) -> None:
    assert [(f.source, f.destination, f.port, f.conduit) for f in minimal.flows] == [
        ("pacs", "ct-1", 2762, "commit"),
        ("ct-1", "pacs", 2762, "acquire"),
    ]
    inert = {conduit.id for conduit in minimal_lab.conduits} - {flow.conduit for flow in minimal.flows}
    assert inert == {"vendor-service", "index", "web-backend", "read-web", "read-dimse", "vendor-login"}


def test_every_port_of_the_lab_is_probed(reference: Plan) -> None:
    assert [port for _, port in reference.ports] == [22, 443, 2576, 2762, 5432, 8042]


def test_expectations_are_every_ordered_pair_and_port(reference: Plan) -> None:
    every = list(expectations(reference))
    assert len({(e.source, e.destination, e.protocol, e.port) for e in every}) == len(every) == 16 * 15 * 6
    allowed = {(e.source, e.destination, e.port) for e in every if e.allowed}
    assert allowed == {(f.source, f.destination, f.port) for f in reference.flows if not f.granted}
    assert len(allowed) == 20
    pairs = expected_pairs(reference)
    assert (pairs.total, pairs.allowed) == (len(every), 20)


@pytest.mark.parametrize("posture", Posture)
def test_a_posture_changes_the_ruleset_and_not_what_is_expected(
    posture: Posture, postures: dict[Posture, Plan], reference: Plan
) -> None:
    plan = postures[posture]
    assert list(expectations(plan)) == list(expectations(reference))
    assert (plan.ruleset == reference.ruleset) is (posture is Posture.SEGMENTED)
    assert (plan.digest == reference.digest) is (posture is Posture.SEGMENTED)


def test_containers_are_named_and_know_each_other_by_name(reference: Plan) -> None:
    assert reference.fabric.name == "pacslab-reference-fabric"
    for container in reference.containers:
        assert container.name == f"pacslab-reference-{container.node}"
        assert dict(container.extra_hosts) == ADDRESSES
        assert ("net.ipv4.ip_unprivileged_port_start", "0") in container.sysctls
        assert container.memory_bytes > 0
        assert container.pids > 0
        assert container.image.startswith("pacslab/")


def test_the_fabric_forwards_and_leaves_spoofing_to_the_ruleset_that_counts_it(reference: Plan) -> None:
    sysctls = dict(reference.fabric.sysctls)
    assert sysctls["net.ipv4.ip_forward"] == "1"
    assert sysctls["net.ipv4.conf.all.rp_filter"] == "0"
    assert sysctls["net.netfilter.nf_conntrack_tcp_loose"] == "0"


def test_addresses_are_values(reference: Plan) -> None:
    assert all(isinstance(node.address, IPv4Address) for node in reference.nodes)
