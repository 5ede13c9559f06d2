"""The traps that broke other generators (FACTS 4): each ruleset that is emitted loads and is proved."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from tests.properties.labs import cable, flow, kernel, text, zone

from pacslab.firewall.emit import emit
from pacslab.firewall.keys import comment
from pacslab.firewall.proof import prove
from pacslab.firewall.readback import read_back
from pacslab.firewall.text import grant, revoke
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Cable
from pacslab.model.lab import Posture
from pacslab.model.plan import Flow, PlannedZone
from pacslab.model.policy import Policy

needs_nft = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("unshare"), reason="needs root, nft and unshare"
)

ONE, TWO = zone(1, ipv6=False), zone(2, ipv6=True)
A, B, C = cable(ONE, 0), cable(ONE, 1), cable(TWO, 2)
D = cable(TWO, 3)


def policy(
    flows: Iterable[Flow] = (),
    cables: Iterable[Cable] = (A, B, C, D),
    zones: Iterable[PlannedZone] = (ONE, TWO),
    posture: Posture = Posture.SEGMENTED,
) -> Policy:
    return Policy(tuple(zones), tuple(cables), tuple(flows), posture)


def _mixed(first: IPv4Address | IPv6Address, second: IPv4Address | IPv6Address | None) -> Flow:
    assert second is not None
    return replace(flow(C, D, 104), source_address=first, destination_address=second)


def _everywhere() -> PlannedZone:
    return replace(ONE, network=IPv4Network("0.0.0.0/0"), gateway=IPv4Address("198.18.1.1"))


def _range(first: int, last: int, conduit: str = "c", **words: bool) -> Flow:
    return flow(A, B, first, last_port=last, conduit=conduit, **words)


KEYWORDS = ("accept", "log", "fwd", "jump", "ip", "th", "meta", "drop", "9-lives", "0", "inet", "a.b", "x" * 15)

HOSTILE = {
    "families that do not meet, 4 to 6": policy([_mixed(C.address, D.address6)]),
    "families that do not meet, 6 to 4": policy([_mixed(C.address6 or C.address, D.address)]),
    "families that do not meet, beside one that does": policy([_mixed(C.address, D.address6), flow(C, D, 104)]),
    "no flow": policy(),
    "no flow but one that waits for a grant": policy([flow(A, B, 22, granted=True)]),
    "no node": policy(cables=()),
    "no node in an open posture": policy(cables=(), posture=Posture.ZONED),
    "a zone that nobody is in": policy(cables=(A, B), posture=Posture.ZONED),
    "one node": policy(cables=(A,), posture=Posture.ZONED),
    "keywords and digits as names": policy(
        [flow(cable(ONE, 0, "accept"), cable(ONE, 1, "log"), 104, conduit="drop")],
        [cable(ONE, n, name) for n, name in enumerate(KEYWORDS)],
    ),
    "keywords as zones": policy(
        [flow(A, B, 1)], zones=(replace(ONE, name="accept"), replace(TWO, name="0")), posture=Posture.ZONED
    ),
    "a zone with spaces, quotes and emoji": policy(
        zones=(replace(ONE, name='a "b" \\ \U0001f3e5\n; accept'), TWO), posture=Posture.ZONED
    ),
    "a conduit with spaces, quotes and emoji": policy([flow(A, B, 1, conduit='x" : accept, \U0001f3e5 }\n')]),
    "a conduit with a very long name": policy([flow(A, B, 1, conduit="\U0001f3e5" * 200)]),
    "ports 0 and 65535": policy([flow(A, B, 0), flow(A, B, 65535), flow(A, C, 0, protocol=Protocol.UDP)]),
    "all ports": policy([_range(0, 65535)]),
    "adjacent ranges": policy([_range(100, 200, "a"), _range(201, 300, "b")]),
    "overlapping ranges": policy([_range(100, 200, "a"), _range(150, 300, "b"), _range(120, 130, "c")]),
    "the same range twice": policy([_range(100, 200, "a"), _range(100, 200, "b")]),
    "a range and ports in it": policy([_range(100, 200, "a"), flow(A, B, 150, conduit="b"), flow(A, B, 201)]),
    "adjacent ports": policy([flow(A, B, port, conduit=f"c{port}") for port in range(100, 120)]),
    "a range that waits for a grant": policy([flow(A, B, 100, last_port=200, granted=True)]),
    "open for good, and on grant too": policy([flow(A, B, 22), flow(A, B, 22, granted=True, conduit="g")]),
    "a zone that is everywhere": policy(zones=(_everywhere(),), cables=(A, B, C), posture=Posture.ZONED),
    "zones within zones": policy(
        zones=(replace(ONE, network=IPv4Network("198.18.0.0/15")), ONE, TWO), posture=Posture.ZONED
    ),
    "adjacent zones": policy(
        zones=[replace(ONE, network=IPv4Network(n)) for n in ("198.18.1.0/28", "198.18.1.16/28", "198.18.1.32/27")],
        posture=Posture.ZONED,
    ),
    "the same zone twice": policy(zones=(ONE, ONE, TWO), posture=Posture.ZONED),
    "duplicated flows": policy([flow(A, B, 104)] * 3),
    "one flow of two conduits": policy([flow(A, B, 104, conduit="a"), flow(A, B, 104, conduit="b")]),
    "a node allowed to itself": policy([flow(A, A, 104), flow(C, C, 104, ipv6=True)]),
    "a pair of families": policy([flow(C, D, 104), flow(C, D, 104, ipv6=True), flow(C, D, 1, last_port=9, ipv6=True)]),
    "IPv6 on every cable": policy([flow(C, D, 104, ipv6=True)], cables=(C, D), zones=(TWO,)),
    "IPv6 in an open posture": policy(posture=Posture.ZONED),
    "everything open": policy(posture=Posture.FLAT),
    "TCP and UDP on one port": policy([flow(A, B, 53), flow(A, B, 53, protocol=Protocol.UDP)]),
    "both directions": policy([flow(A, B, 104), flow(B, A, 104)]),
    "thousands of one-port conduits": policy([flow(A, B, port, conduit=f"c{port}") for port in range(1, 5001)]),
    "thousands of adjacent ranges": policy([_range(10 * n, 10 * n + 9, f"c{n}") for n in range(2000)]),
}


@needs_nft
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_policy_is_loaded_and_proved(name: str) -> None:
    hostile = HOSTILE[name]
    proof = prove(read_back(kernel(text(hostile))), hostile)
    assert proof.sound, proof.differences


@pytest.mark.parametrize("name", ["n-*", 'n"', "a b", "", "x" * 16, "\U0001f3e5", "a/b", "-x", "n;"])
def test_a_cable_that_nft_would_misread_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a cable"):
        emit((ONE,), (Cable(name, name, A.address, A.gateway),), (), Posture.SEGMENTED)


def test_families_that_do_not_meet_open_nothing() -> None:
    table = emit((ONE, TWO), (C, D), [_mixed(C.address, D.address6)], Posture.SEGMENTED)
    assert [one.elements for one in table.maps] == [(), ()]


def test_overlapping_ranges_are_cut_so_that_the_lower_one_keeps_its_ports() -> None:
    table = emit((ONE,), (A, B), [_range(150, 300, "b"), _range(100, 200, "a")], Posture.SEGMENTED)
    ranges = next(one for one in table.maps if one.name == "ranges")
    assert [(element.key[-1], element.comment) for element in ranges.elements] == [("100-200", "a"), ("201-300", "b")]


@needs_nft
@pytest.mark.parametrize(
    "granted",
    [
        flow(A, B, 22, granted=True, conduit='g"'),
        flow(C, D, 22, granted=True, ipv6=True),
        flow(A, B, 100, last_port=200, granted=True),
    ],
)
def test_a_grant_is_part_of_the_policy_until_it_is_revoked(granted: Flow) -> None:
    subject = policy([granted, flow(A, B, 104)])
    opened = kernel(text(subject), f"nft '{grant(granted, 60).strip()}'")
    proof = prove(read_back(opened), subject)
    assert proof.sound, proof.differences
    ((conduit, what, left_s),) = proof.granted
    assert (conduit, what.split(":")[0]) == (comment(granted.conduit), f"{granted.source} -> {granted.destination}")
    assert 50 <= left_s <= 60
    closed = kernel(text(subject), f"nft '{grant(granted, 60).strip()}'", f"nft '{revoke(granted).strip()}'")
    assert prove(read_back(closed), subject).granted == ()


@needs_nft
def test_an_expired_grant_is_gone() -> None:
    granted = flow(A, B, 22, granted=True)
    subject = policy([granted])
    expired = kernel(text(subject), f"nft '{grant(granted, 1).strip()}'", "sleep 1.5")
    assert prove(read_back(expired), subject).granted == ()
