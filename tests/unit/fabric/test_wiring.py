"""A cable is right only if all of it is; each lack has its words."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from pacslab.fabric.rtnetlink import Link, Route, Snapshot
from pacslab.fabric.wiring import fabric_mac, lacks, node_mac
from pacslab.model.fabric import Cable

CABLE = Cable("ct-1", "ct-1", IPv4Address("198.18.10.10"), IPv4Address("198.18.10.1"))
HERE, THERE = 7, 2
MAC, GATEWAY_MAC = node_mac(int(CABLE.address)), fabric_mac(int(CABLE.address))
ANY = IPv4Address(0)

FABRIC = Snapshot(
    (Link(HERE, "ct-1", "veth", GATEWAY_MAC, up=True, peer=THERE, silent=True),),
    frozenset({(HERE, CABLE.gateway, 32)}),
    frozenset({Route(CABLE.address, 32, HERE)}),
    frozenset({(HERE, CABLE.address, MAC)}),
)
NODE = Snapshot(
    (Link(THERE, "eth0", "veth", MAC, up=True, peer=HERE, silent=True),),
    frozenset({(THERE, CABLE.address, 32)}),
    frozenset({Route(CABLE.gateway, 32, THERE), Route(ANY, 0, THERE, CABLE.gateway)}),
    frozenset({(THERE, CABLE.gateway, GATEWAY_MAC)}),
)


def test_a_right_cable_lacks_nothing() -> None:
    assert lacks(CABLE, FABRIC, NODE) == ""


def test_ethernet_addresses_are_local_and_tell_the_ends_apart() -> None:
    assert MAC.hex(":") == "02:50:c6:12:0a:0a"
    assert GATEWAY_MAC.hex(":") == "02:51:c6:12:0a:0a"


def link(snapshot: Snapshot, **changes: object) -> Snapshot:
    return replace(snapshot, links=(replace(snapshot.links[0], **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fabric", "node", "words"),
    [
        (replace(FABRIC, links=()), NODE, "no link on the fabric's side"),
        (FABRIC, replace(NODE, links=()), "no eth0 in the node"),
        (link(FABRIC, kind="dummy"), NODE, "the two ends do not belong together"),
        (link(FABRIC, peer=3), NODE, "the two ends do not belong together"),
        (FABRIC, link(NODE, peer=8), "the two ends do not belong together"),
        (FABRIC, link(NODE, mac=bytes(6)), "an end has another Ethernet address"),
        (link(FABRIC, mac=bytes(6)), NODE, "an end has another Ethernet address"),
        (link(FABRIC, up=False), NODE, "an end is down"),
        (FABRIC, link(NODE, up=False), "an end is down"),
        (link(FABRIC, silent=False), NODE, "an end speaks unasked"),
        (FABRIC, link(NODE, silent=False), "an end speaks unasked"),
        (FABRIC, replace(NODE, addresses=frozenset()), "the node lacks its address 198.18.10.10"),
        (replace(FABRIC, addresses=frozenset()), NODE, "the fabric lacks the address 198.18.10.1"),
        (
            FABRIC,
            replace(NODE, routes=frozenset({Route(ANY, 0, THERE, CABLE.gateway)})),
            "the node lacks the route to its gateway",
        ),
        (
            FABRIC,
            replace(NODE, routes=frozenset({Route(CABLE.gateway, 32, THERE)})),
            "the node lacks its default route",
        ),
        (replace(FABRIC, routes=frozenset()), NODE, "the fabric lacks the route to the node"),
        (FABRIC, replace(NODE, neighbours=frozenset()), "the node lacks its neighbour entry"),
        (replace(FABRIC, neighbours=frozenset()), NODE, "the fabric lacks the node's neighbour entry"),
    ],
)
def test_each_lack_has_its_words(fabric: Snapshot, node: Snapshot, words: str) -> None:
    assert lacks(CABLE, fabric, node) == words


ADDRESS6, GATEWAY6, ANY6 = IPv6Address("2001:2:0:10::10"), IPv6Address("2001:2:0:10::1"), IPv6Address(0)
CABLE6 = replace(CABLE, address6=ADDRESS6, gateway6=GATEWAY6)
FABRIC6 = replace(
    FABRIC,
    addresses=FABRIC.addresses | {(HERE, GATEWAY6, 128)},
    routes=FABRIC.routes | {Route(ADDRESS6, 128, HERE)},
    neighbours=FABRIC.neighbours | {(HERE, ADDRESS6, MAC)},
)
TO_GATEWAY6, DEFAULT6 = Route(GATEWAY6, 128, THERE), Route(ANY6, 0, THERE, GATEWAY6)
NODE6 = replace(
    NODE,
    addresses=NODE.addresses | {(THERE, ADDRESS6, 128)},
    routes=NODE.routes | {TO_GATEWAY6, DEFAULT6},
    neighbours=NODE.neighbours | {(THERE, GATEWAY6, GATEWAY_MAC)},
)


def test_a_right_cable_of_both_families_lacks_nothing() -> None:
    assert lacks(CABLE6, FABRIC6, NODE6) == ""


@pytest.mark.parametrize(
    ("fabric", "node", "words"),
    [
        (FABRIC6, replace(NODE6, addresses=NODE.addresses), "the node lacks its IPv6 address 2001:2:0:10::10"),
        (replace(FABRIC6, addresses=FABRIC.addresses), NODE6, "the fabric lacks the IPv6 address 2001:2:0:10::1"),
        (FABRIC6, replace(NODE6, routes=NODE6.routes - {TO_GATEWAY6}), "the node lacks the IPv6 route to its gateway"),
        (FABRIC6, replace(NODE6, routes=NODE6.routes - {DEFAULT6}), "the node lacks its IPv6 default route"),
        (replace(FABRIC6, routes=FABRIC.routes), NODE6, "the fabric lacks the IPv6 route to the node"),
        (FABRIC6, replace(NODE6, neighbours=NODE.neighbours), "the node lacks its IPv6 neighbour entry"),
        (replace(FABRIC6, neighbours=FABRIC.neighbours), NODE6, "the fabric lacks the node's IPv6 neighbour entry"),
        (FABRIC6, replace(NODE6, routes=NODE6.routes - NODE.routes), "the node lacks the route to its gateway"),
    ],
)
def test_each_lack_of_ipv6_has_its_words(fabric: Snapshot, node: Snapshot, words: str) -> None:
    assert lacks(CABLE6, fabric, node) == words
