"""A hand in the running lab: `verify --only reach` says no or cannot tell, by which check and why."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import NamedTuple

import pytest

from pacslab.compiler.probes import made_up
from pacslab.engine.docker import Docker
from pacslab.model.verdict import Verdict
from tests.e2e.conftest import RunningLab

TABLE = ("inet", "pacslab")
PACS, VENDOR, US, CT = "198.18.20.10", "198.18.60.11", "198.18.10.12", "198.18.10.10"
FAIL, UNCLEAR = Verdict.FAIL.value, Verdict.INCONCLUSIVE.value
CAPTURE = "/opt/pacslab/pacslab/fabric/capture.py"
RUNS = 3


class Found(NamedTuple):
    """A result that is not green."""

    check: str
    verdict: str
    source: str
    destination: str
    service: str
    observed: str
    evidence: str


def reach(lab: RunningLab) -> tuple[int, set[Found]]:
    """The exit code, and what is not green."""
    done = lab("verify", "--only", "reach", "--json", "-")
    assert done.stdout, str(done)
    document = json.loads(done.stdout)
    a = document["accounting"]
    assert a["sent"] == a["arrived"] + a["dropped"] + a["rejected"] + a["discarded"] + a["lost"]
    keys = Found._fields[:-1]
    return done.exit_code, {
        Found(*(one[key] for key in keys), "; ".join(one["evidence"]))
        for one in document["results"]
        if one["verdict"] in {FAIL, UNCLEAR}
    }


def like(found: set[Found], *wanted: str) -> Found:
    """The one result of that check, verdict, source, destination and service."""
    (one,) = [f for f in found if f[:5] == wanted]
    return one


@contextmanager
def rules_changed(lab: RunningLab, *commands: tuple[str, ...]) -> Iterator[None]:
    """With the rules changed behind pacslab's back."""
    try:
        for command in commands:
            lab.nft(*command)
        yield
    finally:
        lab.nft("-f", "/etc/pacslab/ruleset.nft")


def handle(lab: RunningLab, chain: str, words: str) -> str:
    listing = lab.nft("-a", "list", "chain", *TABLE, chain)
    return next(line.rsplit(" ", 1)[1] for line in listing.splitlines() if words in line)


def accept(chain: str, *match: str) -> tuple[str, ...]:
    return ("insert", "rule", *TABLE, chain, *match, "accept")


def beside(lab: RunningLab, node: str, script: str) -> None:
    """Run a script as somebody with power over a node's network namespace, which neither node nor fabric gives away."""
    options = ["--cap-add", "NET_ADMIN", "--security-opt", "systempaths=unconfined"]  # may write to /proc/sys/net
    done = subprocess.run(
        ["docker", "run", "--rm", *options, "--network", f"container:{lab.container(node)}", "--entrypoint", "sh",
         "pacslab/fabric:trixie", "-ec", script],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def lab(reference: RunningLab) -> Iterator[RunningLab]:
    """The reference lab, which must be green again after the test."""
    yield reference
    assert reach(reference) == (0, set())


def test_an_untouched_lab_is_green_every_time(lab: RunningLab) -> None:
    assert [reach(lab) for _ in range(RUNS - 1)] == [(0, set())] * (RUNS - 1)


def test_an_accept_inserted_is_seen_at_the_receiver(lab: RunningLab) -> None:
    pair = ("ip", "saddr", VENDOR, "ip", "daddr", PACS, "tcp", "dport", "{", "2762,", "3389", "}")
    with rules_changed(lab, accept("forward", *pair)):
        code, found = reach(lab)
    assert code == 1
    service = like(found, "REACH-02", FAIL, "vendor-1", "pacs", "dicom-tls")
    assert service.observed == "reached the receiver, and was answered SYN-ACK"
    watched = like(found, "REACH-04", FAIL, "vendor-1", "pacs", "3389/tcp")
    assert watched.observed == "reached the receiver, and was answered RST"
    assert (
        f"packet {VENDOR} -> {PACS} 3389/tcp, new, on vendor-1; probe arrived; receiver saw {VENDOR}"
        in watched.evidence
    )
    assert {(f.source, f.destination) for f in found} == {("vendor-1", "pacs")}


def test_a_rule_deleted_blocks_every_flow(lab: RunningLab) -> None:
    with rules_changed(lab, ("delete", "rule", *TABLE, "forward", "handle", handle(lab, "forward", "@flows"))):
        code, found = reach(lab)
    assert code == 1
    blocked = like(found, "REACH-01", FAIL, "ct-1", "pacs", "dicom-tls")
    assert blocked.observed == "dropped by the firewall (no-conduit)"
    assert "firewall log 'pacslab:no-conduit'" in blocked.evidence
    assert like(found, "REACH-15", UNCLEAR, "ct-1", "everybody", "control").observed == "completed none of its flows"
    # And there is no conversation that an ICMP error could be about.
    assert {f.check for f in found} == {"REACH-01", "REACH-15", "REACH-18"}


def test_a_udp_port_opened_is_found(lab: RunningLab) -> None:
    with rules_changed(lab, accept("forward", "ip", "daddr", CT, "udp", "dport", "161")):
        code, found = reach(lab)
    assert code == 1
    assert {(f.check, f.verdict, f.destination, f.service) for f in found} == {("REACH-04", FAIL, "ct-1", "161/udp")}
    assert len(found) == 15  # from every other node


def test_ipv6_switched_on_with_addresses_is_found(lab: RunningLab) -> None:

    write = "w() { echo $2 > /proc/sys/net/ipv6/conf/$1; }; "
    on = f"{write} for i in all default; do w $i/disable_ipv6 0; done"
    off = f"{write} for i in all default; do w $i/disable_ipv6 1; done"
    nodes = {"vendor-1": VENDOR, "pacs": PACS}
    six = {node: made_up(IPv4Address(address)) for node, address in nodes.items()}
    try:
        beside(lab, "fabric", f"{on}; w all/forwarding 1")
        for node, address in six.items():
            beside(lab, node, f"{on}; ip -6 address add {address}/128 dev eth0 nodad")
            beside(lab, "fabric", f"ip -6 route replace {address}/128 dev {node}")
        code, found = reach(lab)
        assert code == 1
        for node, address in six.items():
            observed = {f.observed for f in found if f[:3] == ("REACH-06", FAIL, node)}
            assert f"also has address {address} on eth0" in observed
        assert not [f for f in found if "reached" in f.observed]  # the rules still deny it
        with rules_changed(
            lab,
            *(accept(chain, "ip6", "saddr", str(six["vendor-1"])) for chain in ("prerouting", "forward")),
        ):
            code, found = reach(lab)
        assert code == 1
        reached = {f.destination for f in found if f[:3] == ("REACH-06", FAIL, "vendor-1") and "reached" in f.observed}
        assert reached == {"pacs"}
    finally:
        for node in six:
            beside(lab, node, off)
        beside(lab, "fabric", f"{off}; w all/forwarding 0")


def test_anti_spoofing_removed_is_found_on_every_cable(lab: RunningLab) -> None:
    rule = handle(lab, "prerouting", "@cables")
    with rules_changed(lab, ("delete", "rule", *TABLE, "prerouting", "handle", rule)):
        code, found = reach(lab)
    assert code == 1
    assert {(f.check, f.verdict) for f in found} == {("REACH-07", FAIL)}
    assert len({f.source for f in found}) == 16
    assert any(f.observed.startswith("reached the receiver") for f in found if f.source == "guest-1")


def test_one_address_too_many_on_a_cable_is_found(lab: RunningLab) -> None:
    with rules_changed(lab, ("add", "element", *TABLE, "cables", f'{{ "us-1" . {CT} }}')):
        code, found = reach(lab)
    assert code == 1
    assert {f[:3] for f in found} == {("REACH-07", FAIL, "us-1")}
    assert any(f"packet {CT} -> {PACS} 2762/tcp, new, on us-1" in f.evidence for f in found)


def test_a_second_cable_past_the_firewall_is_found(lab: RunningLab) -> None:
    docker = Docker.connect()
    pids = {one.node: one.pid for one in docker.list(lab=lab.name)}
    at = {node: f"nsenter -t {pids[node]} -n ip link" for node in ("vendor-1", "pacs")}
    lay = f"{at['vendor-1']} add side0 type veth peer name side1 netns {pids['pacs']}"
    up = f"{at['vendor-1']} set side0 up && {at['pacs']} set side1 up"
    try:
        assert docker.exec(lab.container("fabric"), ("sh", "-c", f"{lay} && {up}")).exit_code == 0
        code, found = reach(lab)
    finally:
        docker.exec(lab.container("fabric"), ("sh", "-c", f"{at['vendor-1']} delete side0"))
        docker.close()
    assert code == 1
    assert {(*f[:5], f.observed) for f in found} == {
        ("REACH-14", FAIL, "vendor-1", "everybody", "cable", "also has link side0"),
        ("REACH-14", FAIL, "pacs", "everybody", "cable", "also has link side1"),
    }


def test_a_stopped_node_never_passes_for_a_blocked_one(lab: RunningLab) -> None:
    subprocess.run(["docker", "stop", "--time", "1", lab.container("pacs-web")], check=True, capture_output=True)
    try:
        code, found = reach(lab)
    finally:
        assert lab("up").exit_code == 0
    assert code == 4
    assert {f.verdict for f in found} == {UNCLEAR}
    to_it = {(f.source, f.service) for f in found if f[:2] == ("REACH-02", UNCLEAR) and f.destination == "pacs-web"}
    assert len({source for source, _ in to_it}) == 15  # not one denial of it counts
    assert like(found, "REACH-01", UNCLEAR, "reading-1", "pacs-web", "https")
    assert like(found, "REACH-16", UNCLEAR, "pacs-web", "pacs-web", "https").observed == "not-tried"


def test_a_service_that_ended_in_a_live_node_leaves_its_flow_undecided(lab: RunningLab) -> None:
    # Its port answers with a reset, as if the firewall had let nobody in; but it is the node that says so.
    closed = "nft add table inet shut; nft 'add chain inet shut in { type filter hook input priority 0; }';"
    beside(lab, "ris", f"{closed} nft add rule inet shut in tcp dport 2762 reject with tcp reset")
    try:
        code, found = reach(lab)
    finally:
        beside(lab, "ris", "nft delete table inet shut")
    assert code == 4
    flow = like(found, "REACH-01", UNCLEAR, "ct-1", "ris", "dicom-tls")
    assert "control reached it, answer rst" in flow.evidence
    assert like(found, "REACH-16", UNCLEAR, "ris", "ris", "dicom-tls").observed == "refused"


def test_a_deaf_capture_decides_nothing(lab: RunningLab) -> None:
    docker = Docker.connect()
    fabric = lab.container("fabric")

    def capture_returns(words: str, instead: str) -> None:
        done = docker.exec(fabric, ("sed", "-i", f"s/{words}/{instead}/", CAPTURE))
        assert done.exit_code == 0, done.stderr

    kept = "(_RET, 0, 0, _SNAP_BYTES),"
    capture_returns(kept, "(_RET, 0, 0, 0 * _SNAP_BYTES),")
    try:
        code, found = reach(lab)
    finally:
        capture_returns(r"0 \* _SNAP_BYTES", "_SNAP_BYTES")
        docker.close()
    assert code == 4
    assert {f.verdict for f in found} == {UNCLEAR}
    assert {"REACH-01", "REACH-02"} <= {f.check for f in found}


def test_drops_that_the_log_does_not_name_decide_nothing(lab: RunningLab) -> None:
    with rules_changed(lab, ("insert", "rule", *TABLE, "forward", "ip", "saddr", VENDOR, "tcp", "dport", "23", "drop")):
        code, found = reach(lab)
    assert code == 4
    assert {(f.check, f.verdict) for f in found} == {("REACH-03", UNCLEAR), ("REACH-04", UNCLEAR)}
    assert {f.source for f in found} == {"fabric", "vendor-1"}
