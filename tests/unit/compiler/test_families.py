"""IPv6 beside IPv4, and ranges of ports: addresses, flows, sysctls, what is probed and expected."""

import contextlib
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest

from pacslab.compiler.addressing import cables, planned_nodes, planned_zones
from pacslab.compiler.compile import compile_lab
from pacslab.compiler.containers import containers, fabric
from pacslab.compiler.expectations import expectations, expected_pairs
from pacslab.compiler.policy import flows, probe_ports
from pacslab.labfile.load import load
from pacslab.model.dicom import Protocol
from pacslab.model.lab import Lab

LAB = "lab: families\nzones: [both.yaml, old.yaml]\n"
BOTH = """\
zone: both
network: 198.18.10.0/24
network6: 2001:2:0:10::/64
nodes:
  a: {kind: probe}
  b:
    kind: container
    image: example/b
    services: [{name: own, port: 6000-6010}, {name: mid, port: 7000, protocol: udp}]
  c: {kind: container, image: example/c, services: [{name: odd, port: 6005}]}
accepts:
  - {id: in, from: both/a, to: b, service: own, why: They talk to each other., granted: true, for: 90m}
  - {id: old, from: old/d, to: b, service: own, why: The old one talks too.}
  - {id: odd, from: both/a, to: c, service: odd, why: One port in between.}
"""
OLD = "zone: old\nnetwork: 198.18.20.0/24\nnodes: {d: {kind: probe}}\n"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    for name, text in (("lab", LAB), ("both", BOTH), ("old", OLD)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    with contextlib.chdir(tmp_path):
        return load(Path("lab.yaml")).lab


def test_addresses_have_the_same_digits_in_both_families(lab: Lab) -> None:
    found = [(n.name, str(n.address), n.address6 and str(n.address6)) for n in planned_nodes(lab)]
    assert found == [
        ("a", "198.18.10.10", "2001:2:0:10::10"),
        ("b", "198.18.10.11", "2001:2:0:10::11"),
        ("c", "198.18.10.12", "2001:2:0:10::12"),
        ("d", "198.18.20.10", None),
    ]
    both, old = planned_zones(lab)
    assert (str(both.network6), str(both.gateway6)) == ("2001:2:0:10::/64", "2001:2:0:10::1")
    assert (old.network6, old.gateway6) == (None, None)


def test_cables_carry_both(lab: Lab) -> None:
    laid = {cable.node: cable for cable in cables(lab)}
    assert (str(laid["a"].address6), str(laid["a"].gateway6)) == ("2001:2:0:10::10", "2001:2:0:10::1")
    assert (laid["d"].address6, laid["d"].gateway6) == (None, None)


def test_a_conduit_opens_ipv6_where_both_ends_have_it(lab: Lab) -> None:
    found = [(f.conduit, str(f.source_address), str(f.destination_address), f.ports) for f in flows(lab)]
    assert found == [
        ("in", "198.18.10.10", "198.18.10.11", (6000, 6010)),
        ("in", "2001:2:0:10::10", "2001:2:0:10::11", (6000, 6010)),
        ("old", "198.18.20.10", "198.18.10.11", (6000, 6010)),
        ("odd", "198.18.10.10", "198.18.10.12", (6005, 6005)),
        ("odd", "2001:2:0:10::10", "2001:2:0:10::12", (6005, 6005)),
    ]
    assert {(f.granted, f.grant_limit_s) for f in flows(lab)} == {(True, 5400), (False, None)}


def test_a_range_is_probed_at_its_ends(lab: Lab) -> None:
    assert probe_ports(lab) == (
        (Protocol.TCP, 6000),
        (Protocol.TCP, 6005),
        (Protocol.TCP, 6010),
        (Protocol.UDP, 7000),
    )


def test_sysctls_leave_ipv6_on_only_where_it_is_used(lab: Lab, minimal_lab: Lab) -> None:
    found = {c.node: dict(c.sysctls) for c in containers(lab, flows(lab))}
    assert found["a"]["net.ipv6.conf.all.disable_ipv6"] == "0"
    assert found["a"]["net.ipv6.conf.all.accept_ra"] == "0"
    assert found["d"]["net.ipv6.conf.all.disable_ipv6"] == "1"
    assert dict(fabric(lab).sysctls)["net.ipv6.conf.all.forwarding"] == "1"
    assert dict(fabric(lab).sysctls)["net.ipv6.conf.all.disable_ipv6"] == "0"
    assert "net.ipv6.conf.all.forwarding" not in dict(fabric(minimal_lab).sysctls)
    assert dict(fabric(minimal_lab).sysctls)["net.ipv6.conf.all.disable_ipv6"] == "1"


def test_every_probed_port_of_a_range_is_expected_to_be_open(tmp_path: Path) -> None:
    text = BOTH.replace("network6: 2001:2:0:10::/64\n", "").replace(", granted: true, for: 90m", "")
    for name, content in (("lab", LAB), ("both", text), ("old", OLD)):
        (tmp_path / f"{name}.yaml").write_text(content, encoding="utf-8")
    plan = compile_lab(load(tmp_path / "lab.yaml").lab)
    allowed = [(e.source, e.destination, e.port) for e in expectations(plan) if e.allowed]
    assert allowed == [
        *(("a", "b", port) for port in (6000, 6005, 6010)),
        ("a", "c", 6005),
        *(("d", "b", port) for port in (6000, 6005, 6010)),
    ]
    assert expected_pairs(plan).allowed == len(allowed)


def test_programs_are_configured_for_ipv4(reference_lab: Lab) -> None:
    """Kinds see one flow for each pair and service, whether or not IPv6 opens it too."""
    zones = tuple(
        replace(
            zone,
            network6=IPv6Network(f"2001:2:0:{n}::/64"),
            nodes=tuple(
                replace(node, address6=IPv6Address(f"2001:2:0:{n}::{m}")) for m, node in enumerate(zone.nodes, 10)
            ),
        )
        for n, zone in enumerate(reference_lab.zones)
    )
    both = replace(reference_lab, zones=zones)
    assert len(flows(both)) == 2 * len(flows(reference_lab))
    old, new = (containers(lab, flows(lab)) for lab in (reference_lab, both))
    assert [c.files for c in new] == [c.files for c in old]
