"""What namespaces and containers hold against their plan, and each difference's effect in words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from pacslab.engine import drift
from pacslab.engine.docker_values import Running
from pacslab.engine.drift import Deviation, Where
from pacslab.model import codec
from pacslab.model.fabric import LookRequest, Seen, Sight
from pacslab.model.plan import Plan

RUNNING = Running(
    id="", name="", lab="minimal", zone="", node="pacs", plan="", spec="", home="", state="running", pid=1,
    exit_code=0, started_at=None, image="", networks=(), ports=(), cap_add=(), privileged=False,
)  # fmt: skip


def deviations(plan: Plan, *, without: tuple[Seen, ...] = (), extra: tuple[Seen, ...] = ()) -> list[Deviation]:
    seen = [one for one in drift._wanted(plan, plan.cables) if one not in without]
    return list(drift.compare(plan, plan.cables, [*seen, *extra]))


def test_as_planned(minimal: Plan) -> None:
    assert deviations(minimal) == []


def test_ipv6_that_is_planned_is_no_deviation_and_other_is(minimal: Plan) -> None:
    address, gateway = IPv6Address("2001:2:0:20::10"), IPv6Address("2001:2:0:20::1")
    cables = tuple(
        replace(cable, address6=address, gateway6=gateway) if cable.node == "pacs" else cable
        for cable in minimal.cables
    )
    plan = replace(minimal, cables=cables)
    new = {
        Seen("", Sight.ADDRESS, "2001:2:0:20::1/128 dev pacs"),
        Seen("", Sight.ROUTE, "2001:2:0:20::10/128 dev pacs"),
        Seen("pacs", Sight.ADDRESS, "2001:2:0:20::10/128 dev eth0"),
        Seen("pacs", Sight.ROUTE, "2001:2:0:20::1/128 dev eth0"),
        Seen("pacs", Sight.ROUTE, "::/0 via 2001:2:0:20::1 dev eth0"),
    }
    assert set(drift._wanted(plan, cables)) - set(drift._wanted(minimal, minimal.cables)) == new
    (found,) = deviations(plan, extra=(Seen("", Sight.ROUTE, "2001:2:0:20::10/128 dev ct-1"),))
    assert found.effect == "sends what is meant for pacs by another way: 2001:2:0:20::10/128 dev ct-1"
    assert len(deviations(minimal, extra=tuple(new))) == len(new)


def test_a_route_of_the_fabric_changed(minimal: Plan) -> None:
    pacs = next(cable for cable in minimal.cables if cable.node == "pacs")
    planned = Seen("", Sight.ROUTE, f"{pacs.address}/32 dev pacs")
    changed = Seen("", Sight.ROUTE, f"{pacs.address}/32 dev vendor-1")
    found = deviations(minimal, without=(planned,), extra=(changed,))
    assert [(one.where, one.node, one.effect) for one in found] == [
        (Where.ROUTE, "fabric", f"sends what is meant for pacs by another way: {pacs.address}/32 dev vendor-1"),
        (Where.ROUTE, "fabric", "blocks every node -> pacs: a route is gone"),
    ]


def test_a_node_without_its_default_route(minimal: Plan) -> None:
    pacs = next(cable for cable in minimal.cables if cable.node == "pacs")
    (found,) = deviations(minimal, without=(Seen("pacs", Sight.ROUTE, f"0.0.0.0/0 via {pacs.gateway} dev eth0"),))
    assert (found.node, found.effect) == ("pacs", "blocks pacs -> every other node: a route is gone")


@pytest.mark.parametrize(
    ("extra", "effect"),
    [
        (Seen("pacs", Sight.LINK, "eth1"), "gives pacs a link nobody planned: eth1"),
        (Seen("pacs", Sight.ADDRESS, "10.0.0.1/24 dev eth0"),
         "gives pacs an address nobody planned: 10.0.0.1/24 dev eth0"),
        (Seen("", Sight.ROUTE, "0.0.0.0/0 dev eth0"), "gives fabric a route nobody planned: 0.0.0.0/0 dev eth0"),
        (Seen("pacs", Sight.GONE, "process 1 is gone"), "pacs has no network namespace"),
    ],
)  # fmt: skip
def test_more_than_planned(minimal: Plan, extra: Seen, effect: str) -> None:
    assert [one.effect for one in deviations(minimal, extra=(extra,))] == [effect]


def test_a_sysctl_changed(minimal: Plan) -> None:
    planned = Seen("", Sight.SYSCTL, "net.netfilter.nf_conntrack_tcp_loose=0")
    (found,) = deviations(minimal, without=(planned,), extra=(replace(planned, what=planned.what[:-1] + "1"),))
    assert found.effect == "fabric: net.netfilter.nf_conntrack_tcp_loose is 1"
    assert found.detail == "planned: net.netfilter.nf_conntrack_tcp_loose=0"


@pytest.mark.parametrize(
    ("running", "words"),
    [
        (replace(RUNNING, privileged=True), "pacs is privileged"),
        (replace(RUNNING, cap_add=("NET_ADMIN",)), "capabilities nobody planned: NET_ADMIN"),
        (replace(RUNNING, networks=("bridge",)), "on Docker network bridge: a way around the firewall"),
        (replace(RUNNING, ports=("0.0.0.0:1->1/tcp",)), "publishes 0.0.0.0:1->1/tcp"),
    ],
)
def test_a_container_that_may_do_more(minimal: Plan, running: Running, words: str) -> None:
    container = next(one for one in minimal.containers if one.node == "pacs")
    assert list(drift.privileges(container, RUNNING, is_fabric=False)) == []
    (found,) = drift.privileges(container, running, is_fabric=False)
    assert words in found.effect


def test_the_fabric_may_do_what_it_is_made_for_and_no_more(minimal: Plan) -> None:
    its_own = replace(RUNNING, cap_add=("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"))
    assert list(drift.privileges(minimal.fabric, its_own, is_fabric=True)) == []
    more = replace(its_own, cap_add=(*its_own.cap_add, "SYS_MODULE"))
    (found,) = drift.privileges(minimal.fabric, more, is_fabric=True)
    assert "SYS_MODULE" in found.effect


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_the_fabric_looks_at_its_own_namespace(tmp_path: Path) -> None:
    """The verb itself, in a real namespace: a link, an address, a route and a sysctl set by hand are seen."""
    request = tmp_path / "look.json"
    request.write_text(codec.dumps(LookRequest((), ("net.ipv4.ip_forward", "net.no.such"), ())))
    prepare = (
        "import sys; from ipaddress import IPv4Address as A; from pacslab.fabric import netlink, rtnetlink as r;"
        "n = netlink.Netlink(netlink.ROUTE); n.request([r.set_up(1), r.add_address(1, A('198.18.1.1'))]);"
        "n.request([r.add_route(1, A('198.18.1.1'), to=A('198.18.1.10'))]);"
        "open('/proc/sys/net/ipv4/ip_forward', 'w').write('1');"
        "from pacslab.fabric.__main__ import main; sys.exit(main(['look', sys.argv[1]]))"
    )
    command = ["unshare", "--net", sys.executable, "-c", prepare, str(request)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    seen = {(one["sight"], one["what"]) for one in json.loads(done.stdout)["value"]["seen"]}
    assert ("route", "198.18.1.10/32 dev lo") in seen
    assert {("sysctl", "net.ipv4.ip_forward=1"), ("sysctl", "net.no.such=(not there)")} <= seen
