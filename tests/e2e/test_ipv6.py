"""IPv6 on the cables of a compiled lab: laid, silent, kept and laid anew, and open only where the lab says so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from pacslab.compiler.compile import compile_lab
from pacslab.labfile.load import load
from pacslab.model.fabric import CableState, Plug
from pacslab.model.plan import Plan
from tests.e2e.test_fabric import Bench, Refused, states, wait_ready

pytestmark = pytest.mark.e2e

LAB = "lab: six\nzones: [left.yaml, right.yaml, old.yaml]\n"
ZONES = {
    "left": "network: 198.18.10.0/24\nnetwork6: 2001:2:0:10::/64\nnodes: {a: {kind: probe}, thief: {kind: probe}}\n",
    "right": """\
network: 198.18.20.0/24
network6: 2001:2:0:20::/64
nodes:
  b: {kind: container, image: 'pacslab/probe:trixie', services: [{name: open, port: 7000}, {name: shut, port: 7001}]}
accepts:
  - {id: talk, from: left/a, to: b, service: open, why: They talk to each other.}
""",
    "old": "network: 198.18.30.0/24\nnodes: {d: {kind: probe}}\n",
}
A, B, THIEF = "2001:2:0:10::10", "2001:2:0:20::10", "2001:2:0:10::11"
LISTENER = """exec python3 -c "
import socket, time
doors = [socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True) for port in (7000, 7001)]
time.sleep(3600)
" """
CHATTER_S = 4  # reports of group membership come within 1 s, and again (RFC 3810 9.11)


class Dual(Bench):
    """The containers of a plan, each started with the plan's sysctls."""

    def __init__(self, client: docker.DockerClient, plan: Plan) -> None:
        super().__init__(client)
        self.plan = plan
        self.sysctls = dict(plan.fabric.sysctls)

    def start(self) -> None:
        for container in self.plan.containers:
            self.containers[container.node] = self.client.containers.run(
                "pacslab/probe:trixie",
                ["sh", "-c", LISTENER],
                name=f"{self.name}-{container.node}",
                network_mode="none",
                cap_drop=["ALL"],
                sysctls=dict(container.sysctls),
                init=True,
                detach=True,
            )
        self.fabric = self.create_fabric()
        self.containers["fabric"] = self.fabric
        self.fabric.start()
        wait_ready(self.fabric)

    def plugs(self) -> tuple[Plug, ...]:
        return tuple(Plug(cable, self.pid(cable.node)) for cable in self.plan.cables)

    def ip(self, node: str, command: str) -> str:
        return self.run("fabric", f"nsenter -t {self.pid(node)} -n ip {command}")

    def denied(self) -> dict[str, int]:
        """How many packets each reason has denied."""
        listed = self.ask("ruleset")["nftables"]
        rules = [one["rule"] for one in listed if "rule" in one and one["rule"].get("comment", "").startswith("deny ")]
        counters = {
            rule["comment"].removeprefix("deny "): statement["counter"]["packets"]
            for rule in rules
            for statement in rule["expr"]
            if "counter" in statement
        }
        return {reason: packets for reason, packets in counters.items() if packets}

    def opens(self, node: str, address: str, port: int, source: str = "") -> bool:
        bound = f"-s {source}" if source else ""
        done = self.containers[node].exec_run(["sh", "-c", f"nc -z -w 1 {bound} {address} {port}"])
        return bool(done.exit_code == 0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder: Path = tmp_path_factory.mktemp("six")
    (folder / "lab.yaml").write_text(LAB, encoding="utf-8")
    for zone, text in ZONES.items():
        (folder / f"{zone}.yaml").write_text(f"zone: {zone}\n{text}", encoding="utf-8")
    with contextlib.chdir(folder):
        return compile_lab(load(Path("lab.yaml")).lab)


@pytest.fixture(scope="module")
def shared(plan: Plan) -> Iterator[Dual]:
    client = docker.from_env()
    bench = Dual(client, plan)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()
        client.close()


@pytest.fixture
def bench(shared: Dual) -> Dual:
    """The module's bench with the plan's rules as they were, and every cable laid."""
    shared.ask("load", shared.plan.ruleset)
    shared.wire()
    return shared


def test_laying_cables_makes_no_noise(bench: Dual) -> None:
    bench.wire(())
    bench.ask("load", bench.plan.ruleset)
    assert set(states(bench.wire()).values()) == {CableState.LAID}
    time.sleep(CHATTER_S)
    for cable in bench.plan.cables:
        counts = bench.run("fabric", f"cd /sys/class/net/{cable.interface}/statistics && cat rx_packets tx_packets")
        assert counts.split() == ["0", "0"], cable.node
    assert bench.denied() == {}


def test_cables_that_are_right_are_left_alone(bench: Dual) -> None:
    assert set(states(bench.wire(verb="observe")).values()) == {CableState.KEPT}
    assert set(states(bench.wire()).values()) == {CableState.KEPT}


def test_a_node_has_one_address_and_one_way_out(bench: Dual) -> None:
    assert [line.split()[3] for line in bench.ip("a", "-6 -o address show eth0").splitlines()] == [f"{A}/128"]
    routes = sorted(" ".join(line.split()[:5]) for line in bench.ip("a", "-6 route show dev eth0").splitlines())
    assert routes == [f"2001:2:0:10::1 proto static src {A}", "default via 2001:2:0:10::1 proto static"]


def test_a_zone_without_ipv6_has_none(bench: Dual) -> None:
    assert bench.ip("d", "-6 address") == ""
    assert bench.ip("d", "-6 route") == ""
    assert bench.run("fabric", "ip -6 address show dev d") == ""


def test_what_the_lab_declares_is_open_and_nothing_else(bench: Dual) -> None:
    assert bench.opens("a", B, 7000)
    assert bench.denied() == {}
    assert not bench.opens("a", B, 7001)  # a service without a conduit
    assert not bench.opens("thief", B, 7000)  # a stranger
    assert not bench.opens("b", A, 7000)  # the other way
    assert set(bench.denied()) == {"no-conduit"}
    assert not bench.opens("a", "2001:2:0:20::1", 7000)  # the fabric
    assert not bench.opens("a", "2001:2:0:20::99", 7000)  # nobody
    assert set(bench.denied()) == {"no-conduit", "fabric", "no-node"}


def test_a_borrowed_address_gets_nowhere(bench: Dual) -> None:
    bench.ip("thief", f"-6 address add {A}/128 dev eth0 nodad")
    try:
        assert not bench.opens("thief", B, 7000, source=A)
    finally:
        bench.ip("thief", f"-6 address delete {A}/128 dev eth0")
    assert set(bench.denied()) == {"spoofed"}


@pytest.mark.parametrize(("source", "reason"), [("fe80::66", "spoofed"), (THIEF, "no-node")])
def test_link_local_addresses_and_groups_get_nowhere(bench: Dual, source: str, reason: str) -> None:
    shout = (
        "import socket; udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); link = socket.if_nametoindex('eth0'); "
        f"udp.bind(('{source}', 0, 0, link)); udp.sendto(b'router?', ('ff02::2', 5355, 0, link))"
    )
    if source != THIEF:
        bench.ip("thief", f"-6 address add {source}/128 dev eth0 nodad")
    try:
        bench.run("fabric", f'nsenter -t {bench.pid("thief")} -n python3 -c "{shout}"')
    finally:
        if source != THIEF:
            bench.ip("thief", f"-6 address delete {source}/128 dev eth0")
    assert bench.denied() == {reason: 1}


@pytest.mark.parametrize(
    ("command", "lack"),
    [
        ("-6 route delete default", "the node lacks its IPv6 default route"),
        (f"-6 address delete {A}/128 dev eth0", f"the node lacks its IPv6 address {A}"),
        ("-6 neighbour delete 2001:2:0:10::1 dev eth0", "the node lacks its IPv6 neighbour entry"),
        ("link set eth0 arp on", "an end speaks unasked"),
    ],
)
def test_a_broken_cable_is_seen_and_laid_anew(bench: Dual, command: str, lack: str) -> None:
    bench.ip("a", command)
    seen = {one.node: one for one in bench.wire(verb="observe").cables}
    assert (seen["a"].state, seen["a"].detail) == (CableState.MISSING, lack)
    report = states(bench.wire())
    assert report.pop("a") is CableState.LAID
    assert set(report.values()) == {CableState.KEPT}
    assert bench.opens("a", B, 7000)


def test_a_restarted_node_gets_a_new_cable(bench: Dual) -> None:
    bench.containers["b"].restart(timeout=0)
    assert states(bench.wire(verb="observe"))["b"] is CableState.MISSING
    assert states(bench.wire())["b"] is CableState.LAID
    end = time.monotonic() + 10
    while not bench.opens("a", B, 7000):  # its listener starts
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_fabric_that_does_not_forward_ipv6_gets_no_such_cable(shared: Dual) -> None:
    sysctls, fabric = shared.sysctls, shared.fabric
    shared.sysctls = {**sysctls, "net.ipv6.conf.all.forwarding": "0"}
    other = shared.create_fabric()
    try:
        other.start()
        wait_ready(other)
        shared.fabric = other
        shared.ask("load", shared.plan.ruleset)
        with pytest.raises(Refused, match=r"does not forward IPv6 / .*net.ipv6.conf.all.forwarding=1"):
            shared.wire()
    finally:
        shared.sysctls, shared.fabric = sysctls, fabric
        other.remove(force=True)
