"""The fabric against a real kernel and real services: cables, rules, greetings, and a sweep whose account closes."""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import docker
import pytest
from docker.models.containers import Container

from pacslab.fabric.ruleset import DENY_ALL
from pacslab.model import codec
from pacslab.model.dicom import Application, Protocol
from pacslab.model.fabric import (
    Answer,
    Cable,
    CableState,
    Greeting,
    GreetReport,
    GreetRequest,
    Plug,
    WireReport,
    WireRequest,
)
from pacslab.model.packet import TCP, UDP
from pacslab.model.probe import ProbeClass
from pacslab.model.sweep import (
    FATES,
    REPLIES,
    Connect,
    Control,
    Door,
    Fate,
    Reply,
    Rows,
    Shape,
    SweepReport,
    SweepRequest,
    Target,
    unpack,
)

pytestmark = pytest.mark.e2e

T = TypeVar("T")

SOURCE = Path(__file__).parents[2] / "src" / "pacslab"
FABRIC_IMAGE = "pacslab/fabric:trixie"
FABRIC_SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
    "net.netfilter.nf_conntrack_tcp_loose": "0",
}

IDLE = "exec sleep infinity"
LISTENER = """exec python3 -c "
import socket, time
tcp = socket.create_server(('0.0.0.0', 11112), backlog=64)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('0.0.0.0', 514))
while True: tcp.accept()[0].close()
" """
ORTHANC = """
echo '{"DicomPort": 11112, "HttpPort": 8042, "DicomCheckCalledAet": true, "RegisteredUsers": {"a": "b"},
 "AuthenticationEnabled": true, "RemoteAccessAllowed": true,
 "StorageDirectory": "/tmp/o", "IndexDirectory": "/tmp/o"}' > /tmp/o.json
exec Orthanc /tmp/o.json"""
POSTGRES = 'exec postgres -D "$PGDATA" -c listen_addresses="*" -c unix_socket_directories=/tmp'
SSHD = """ssh-keygen -q -t ed25519 -N '' -f /tmp/key
exec /usr/sbin/sshd -D -e -f /dev/null -o HostKey=/tmp/key -o PidFile=none"""
NGINX = """cd /tmp
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=web -keyout k -out c 2>/dev/null
echo 'daemon off; error_log stderr; pid /tmp/pid; events {} http { access_log off;
 server { listen 443 ssl; ssl_certificate c; ssl_certificate_key k; return 204; }
 server { listen 80; return 204; } }' > /tmp/nginx.conf
for port in 2762:tls1_3 2763:tls1_2; do
  openssl s_server -accept ${port%:*} -${port#*:} -cert c -key k -Verify 1 -verify_return_error -quiet &
done
exec nginx -e stderr -c /tmp/nginx.conf"""
HL7 = """exec python3 -c "
import asyncio, hl7.mllp
async def answer(reader, writer):
    while not writer.is_closing():
        message = await reader.readmessage()
        writer.writemessage(message.create_ack())
        await writer.drain()
async def serve():
    async with await hl7.mllp.start_hl7_server(answer, port=2575) as server:
        await server.serve_forever()
asyncio.run(serve())
" """

NODES = {
    "ct-1": ("probe", LISTENER, "198.18.10.10"),
    "pacs": ("orthanc", ORTHANC, "198.18.20.10"),
    "pacs-web": ("web-gateway", NGINX, "198.18.20.11"),
    "pacs-db": ("database", POSTGRES, "198.18.20.12"),
    "ris": ("ris", HL7, "198.18.50.10"),
    "bastion": ("bastion", SSHD, "198.18.60.10"),
    "guest-1": ("probe", IDLE, "198.18.90.10"),
}
PORTS = (22, 80, 104, 443, 2575, 5432, 8042, 11112)


def cable(node: str) -> Cable:
    address = IPv4Address(NODES[node][2])
    return Cable(node, node, address, IPv4Address(int(address) & 0xFFFFFF00 | 1))


def ruleset(allowed: Iterable[tuple[str, str, Protocol, int]] = (), *, first: str = "") -> str:
    """Rules of the shape that pacslab generates; `first` comes before everything in the forward chain."""
    cables = ", ".join(f'"{node}" . {address}' for node, (_, _, address) in NODES.items())
    flows = ", ".join(
        f'{NODES[source][2]} . {NODES[destination][2]} . {protocol.value} . {port} counter comment "c" : accept'
        for source, destination, protocol, port in allowed
    )
    elements = f"elements = {{ {flows} }}" if flows else ""
    denies = "\n".join(
        f"""chain deny_{reason.replace("-", "_")} {{
            log prefix "pacslab:{reason}" group 1
            counter comment "deny {reason}"
            drop
        }}"""
        for reason in ("spoofed", "state", "no-conduit", "input")
    )
    return f"""table inet pacslab
delete table inet pacslab
table inet pacslab {{
    set cables {{ typeof iifname . ip saddr; elements = {{ {cables} }} }}
    map flows {{ typeof ip saddr . ip daddr . meta l4proto . th dport : verdict; counter; {elements} }}
    {denies}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        {first}
        iifname . ip saddr != @cables goto deny_spoofed
        ct state vmap {{ established : accept, related : accept, invalid : goto deny_state }}
        ip saddr . ip daddr . meta l4proto . th dport vmap @flows
        goto deny_no_conduit
    }}
    chain input {{
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        goto deny_input
    }}
}}
"""


@dataclass(frozen=True)
class Probe:
    """One packet to a port of another node."""

    source: str
    destination: str
    port: int
    protocol: Protocol = Protocol.TCP
    confirm: bool = False


@dataclass(frozen=True)
class Ended:
    """What became of a probe."""

    probe: Probe
    fate: Fate
    log_prefix: str
    reply: Reply
    source_seen: object
    connect: Connect
    connect_attempts: int


@dataclass(frozen=True)
class Swept:
    """A report with its columns spread out."""

    report: SweepReport
    probes: tuple[Ended, ...]

    @property
    def controls(self) -> tuple[Control, ...]:
        return self.report.controls


def sweep_request(probes: Sequence[Probe], pids: Mapping[str, int], **settings: float) -> SweepRequest:
    """The probes as columns, and a door for each port of a destination."""
    nodes = list(NODES)
    targets = tuple(Target(node, node, cable(node).address, cable(node).gateway, pids[node]) for node in nodes)
    shapes = tuple(Shape(ProbeClass.SERVICE, 4, number, flags=2 if number == TCP else 0) for number in (TCP, UDP))
    place = {node: nodes.index(node) for node in nodes}
    rows = Rows.of((place[p.source], place[p.source], place[p.destination], p.port, int(p.protocol is Protocol.UDP))
                   for p in probes)  # fmt: skip
    doors = dict.fromkeys(Door(p.destination, p.port, p.protocol) for p in probes)
    return SweepRequest(
        targets,
        tuple(target.address for target in targets),
        tuple(range(len(targets))),
        shapes,
        rows.packed(),
        tuple(n for n, probe in enumerate(probes) if probe.confirm),
        tuple(doors),
        **settings,  # type: ignore[arg-type]
    )


def spread(probes: Sequence[Probe], report: SweepReport) -> Swept:
    """Each probe with what became of it."""
    fates, words = unpack(report.fates), unpack(report.words)
    confirmed = {one.probe: one for one in report.confirmations}
    elsewhere = {one.probe: one.source for one in report.sightings}
    ended = []
    for n, probe in enumerate(probes):
        fate, one = FATES[fates[n] & 7], confirmed.get(n)
        seen = elsewhere.get(n, cable(probe.source).address if fate is Fate.ARRIVED else None)
        ended.append(
            Ended(
                probe,
                fate,
                report.prefixes[words[n]],
                REPLIES[fates[n] >> 3],
                one.source_seen if one is not None and one.source_seen is not None else seen,
                one.outcome if one is not None else Connect.NOT_TRIED,
                one.attempts if one is not None else 0,
            ),
        )
    return Swept(report, tuple(ended))


class Refused(Exception):  # noqa: N818
    """The fabric answered with an error."""


class Bench:
    """A fabric and its nodes, made for one module."""

    sysctls: Mapping[str, str] = FABRIC_SYSCTLS

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.name = f"pacslab-test-{uuid.uuid4().hex[:8]}"
        self.containers: dict[str, Container] = {}

    def create_fabric(self, files: dict[str, str] | None = None) -> Container:
        fabric = self.client.containers.create(
            FABRIC_IMAGE,
            name=f"{self.name}-fabric-{uuid.uuid4().hex[:4]}",
            network_mode="none",
            pid_mode="host",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"],
            sysctls=dict(self.sysctls),
        )
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(SOURCE.rglob("*.py")):
                if path.relative_to(SOURCE).parts[0] in {"__init__.py", "model", "fabric"}:
                    archive.add(path, f"opt/pacslab/pacslab/{path.relative_to(SOURCE)}")
        fabric.put_archive("/", packed.getvalue())
        for path, text in (files or {}).items():
            put(fabric, path, text)
        return fabric

    def start(self) -> None:
        for node, (image, script, _) in NODES.items():
            self.containers[node] = self.client.containers.run(
                f"pacslab/{image}:trixie",
                ["sh", "-c", script],
                name=f"{self.name}-{node}",
                network_mode="none",
                cap_drop=["ALL"],
                sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
                init=True,
                detach=True,
            )
        self.fabric = self.create_fabric()
        self.containers["fabric"] = self.fabric
        self.fabric.start()
        wait_ready(self.fabric)

    def stop(self) -> None:
        for container in self.containers.values():
            container.remove(force=True, v=True)

    def pid(self, node: str) -> int:
        container = self.containers[node]
        container.reload()
        return int(container.attrs["State"]["Pid"])

    def ask(self, verb: str, text: str | None = None) -> Any:
        if text is not None:
            put(self.fabric, "/var/lib/pacslab/request", text)
        words = [] if text is None else ["/var/lib/pacslab/request"]
        done = self.fabric.exec_run(["python3", "-m", "pacslab.fabric", verb, *words], demux=True)
        out, err = (part.decode() if part else "" for part in done.output)
        *progress, last = [json.loads(line) for line in out.splitlines()]
        assert all(line["event"] == "progress" for line in progress), err
        if last["event"] == "error":
            assert done.exit_code == 1
            raise Refused(f"{last['message']} / {last['hint']}")
        assert (done.exit_code, last["event"]) == (0, "result"), err
        return last["value"]

    def plugs(self) -> tuple[Plug, ...]:
        return tuple(Plug(cable(node), self.pid(node)) for node in NODES)

    def wire(self, plugs: tuple[Plug, ...] | None = None, verb: str = "wire") -> WireReport:
        request = WireRequest(self.plugs() if plugs is None else plugs)
        return answer_as(WireReport, self.ask(verb, codec.dumps(request)))

    def sweep(self, probes: Sequence[Probe], pids: Mapping[str, int] | None = None, **settings: float) -> Swept:
        request = sweep_request(probes, pids or {node: self.pid(node) for node in NODES}, **settings)
        return spread(probes, answer_as(SweepReport, self.ask("sweep", codec.dumps(request))))

    def run(self, node: str, command: str) -> str:
        done = self.containers[node].exec_run(["sh", "-c", command])
        assert done.exit_code == 0, done.output
        return str(done.output.decode())


def answer_as(cls: type[T], value: Any) -> T:
    decoded: T = codec.decode(cls, value)
    return decoded


def put(container: Container, path: str, text: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    container.put_archive("/", packed.getvalue())


def wait_ready(fabric: Container, timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while fabric.exec_run(["test", "-e", "/run/pacslab/ready"]).exit_code:
        assert time.monotonic() < end, fabric.logs().decode()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def shared(client: docker.DockerClient) -> Iterator[Bench]:
    bench = Bench(client)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


@pytest.fixture
def bench(shared: Bench) -> Bench:
    """The module's bench with default rules and every cable laid, whatever the test before left."""
    for node, container in shared.containers.items():
        container.reload()
        if container.status != "running":
            container.start()
            if node == "fabric":
                wait_ready(container)
    shared.ask("load", ruleset())
    shared.wire()
    return shared


def states(report: WireReport) -> dict[str, CableState]:
    return {one.interface: one.state for one in report.cables}


# --- serve


def test_a_fabric_is_closed_before_it_is_ready(shared: Bench) -> None:
    fabric = shared.create_fabric()
    try:
        fabric.start()
        wait_ready(fabric)
        listed = fabric.exec_run(["nft", "list", "table", "inet", "pacslab"]).output.decode()
    finally:
        fabric.remove(force=True)
    assert "hook forward priority filter; policy drop" in listed
    assert "hook input priority filter; policy drop" in listed


def test_a_fabric_serves_the_ruleset_copied_in_and_ends_when_told(shared: Bench) -> None:
    fabric = shared.create_fabric({"/etc/pacslab/ruleset.nft": ruleset([("ct-1", "pacs", Protocol.TCP, 11112)])})
    try:
        fabric.start()
        wait_ready(fabric)
        listed = fabric.exec_run(["nft", "list", "map", "inet", "pacslab", "flows"]).output.decode()
        started = time.monotonic()
        fabric.stop(timeout=10)
        took_s = time.monotonic() - started
        fabric.reload()
    finally:
        fabric.remove(force=True)
    assert "198.18.10.10 . 198.18.20.10 . tcp . 11112" in listed
    assert took_s < 3
    assert fabric.attrs["State"]["ExitCode"] == 0


def test_a_fabric_whose_ruleset_does_not_load_ends(shared: Bench) -> None:
    fabric = shared.create_fabric({"/etc/pacslab/ruleset.nft": "table inet pacslab {\n  nonsense\n}\n"})
    try:
        fabric.start()
        code = fabric.wait(timeout=10)["StatusCode"]
        said = fabric.logs().decode()
    finally:
        fabric.remove(force=True)
    assert code == 1
    assert "line 2" in said


# --- load, ruleset


def test_a_ruleset_that_nft_refuses_changes_nothing_and_is_explained(bench: Bench) -> None:
    before = bench.ask("ruleset")
    with pytest.raises(Refused, match=r"line 3, column \d+: .*syntax error.*'accept everything'"):
        bench.ask("load", "table inet pacslab {\n  chain forward {\n    accept everything\n  }\n}\n")
    assert bench.ask("ruleset") == before


def test_load_replaces_the_table_and_no_other(bench: Bench) -> None:
    bench.run("fabric", "nft add table inet other")
    try:
        bench.ask("load", DENY_ALL)
        tables = {item["table"]["name"] for item in bench.ask("ruleset")["nftables"] if "table" in item}
    finally:
        bench.run("fabric", "nft delete table inet other")
    assert tables == {"pacslab", "other"}


def test_an_unknown_verb_is_answered_with_the_known_ones(bench: Bench) -> None:
    with pytest.raises(Refused, match="there are: serve, load FILE"):
        bench.ask("unplug")


# --- cables


def test_cables_that_are_right_are_left_alone(bench: Bench) -> None:
    before = bench.run("fabric", "ip -o link")
    assert set(states(bench.wire()).values()) == {CableState.KEPT}
    assert bench.run("fabric", "ip -o link") == before


def test_a_node_has_one_address_one_way_out_and_no_chatter(bench: Bench) -> None:
    assert "198.18.10.10/32" in bench.run("ct-1", "cat /proc/net/fib_trie; echo 198.18.10.10/32")
    routes = bench.run("fabric", f"nsenter -t {bench.pid('ct-1')} -n ip -o route").splitlines()
    assert [" ".join(route.split()[:3]) for route in routes] == ["default via 198.18.10.1", "198.18.10.1 dev eth0"]
    assert "inet6" not in bench.run("fabric", f"nsenter -t {bench.pid('ct-1')} -n ip address show eth0")


def test_a_restarted_node_gets_a_new_cable(bench: Bench) -> None:
    bench.containers["guest-1"].restart(timeout=0)
    assert states(bench.wire(verb="observe"))["guest-1"] is CableState.MISSING
    report = states(bench.wire())
    assert report.pop("guest-1") is CableState.LAID
    assert set(report.values()) == {CableState.KEPT}


def test_a_broken_cable_is_seen_and_laid_anew(bench: Bench) -> None:
    bench.run("fabric", f"nsenter -t {bench.pid('guest-1')} -n ip route delete default")
    seen = {one.node: one for one in bench.wire(verb="observe").cables}
    assert (seen["guest-1"].state, seen["guest-1"].detail) == (CableState.MISSING, "the node lacks its default route")
    assert states(bench.wire())["guest-1"] is CableState.LAID
    assert states(bench.wire(verb="observe"))["guest-1"] is CableState.KEPT


def test_a_cable_nobody_asked_for_is_taken_away(bench: Bench) -> None:
    report = states(bench.wire(tuple(plug for plug in bench.plugs() if plug.cable.node != "guest-1")))
    assert report["guest-1"] is CableState.REMOVED
    assert "guest-1" not in bench.run("fabric", "ip -o link")


@pytest.mark.parametrize(
    "rules", ["", "table inet pacslab { chain forward { type filter hook forward priority 0; }; }"]
)
def test_no_cable_while_the_firewall_is_open(bench: Bench, rules: str) -> None:
    bench.wire(())
    bench.run("fabric", "nft delete table inet pacslab")
    if rules:
        bench.ask("load", rules)
    with pytest.raises(Refused, match="no cable is laid while the firewall is open"):
        bench.wire()
    assert "guest-1" not in bench.run("fabric", "ip -o link")


def test_no_cable_into_the_host_or_the_fabric_itself(bench: Bench) -> None:
    shim = bench.run("fabric", f"awk '/^PPid/ {{print $2}}' /proc/{bench.pid('fabric')}/status")
    before = bench.run("fabric", f"nsenter -t {int(shim)} -n ip -o link | wc -l")
    report = bench.wire((Plug(cable("ct-1"), int(shim)), Plug(cable("pacs"), bench.pid("fabric"))))
    assert [(one.state, one.detail) for one in report.cables[:2]] == [
        (CableState.MISSING, f"process {int(shim)} is in the host's network namespace"),
        (CableState.MISSING, f"process {bench.pid('fabric')} is in the fabric's own network namespace"),
    ]
    assert bench.run("fabric", f"nsenter -t {int(shim)} -n ip -o link | wc -l") == before


def test_no_cable_into_a_namespace_with_another_way_out(bench: Bench) -> None:
    inside = f"nsenter -t {bench.pid('guest-1')} -n ip"
    bench.run("fabric", f"{inside} link delete eth0 && {inside} link add side type veth peer name other")
    bench.run("fabric", f"{inside} link set side up")
    try:
        (found,) = [one for one in bench.wire().cables if one.node == "guest-1"]
    finally:
        bench.run("fabric", f"{inside} link delete side")
    assert (found.state, found.detail) == (CableState.MISSING, "not laid: the node also has side")


def test_a_node_that_is_gone_does_not_stop_the_others(bench: Bench) -> None:
    plugs = bench.plugs()
    bench.containers["guest-1"].kill()
    bench.containers["guest-1"].wait()
    report = {one.node: one for one in bench.wire(plugs).cables}
    assert report.pop("guest-1").state is CableState.MISSING
    assert {one.state for one in report.values()} == {CableState.KEPT}


# --- greetings

SERVICES = (
    ("pacs", Application.DICOM, 11112, "A-ASSOCIATE-RJ 1/1/7"),
    ("pacs", Application.HTTP, 8042, "HTTP/1.1 401"),
    ("pacs-web", Application.HTTPS, 443, "HTTP/1.1 204"),
    ("pacs-web", Application.HL7_TLS, 443, "TLSv1.3 TLS_AES"),
    ("pacs-web", Application.DICOM_TLS, 443, "TLSv1.3 TLS_AES"),
    ("pacs-web", Application.DICOM_TLS, 2762, "TLSv1.3 TLS_AES_256_GCM_SHA384, then alert"),
    ("pacs-web", Application.HL7_TLS, 2763, "TLS: "),
    ("pacs-web", Application.HTTP, 80, "HTTP/1.1 204"),
    ("pacs-db", Application.POSTGRES, 5432, "SQLSTATE 28000"),
    ("ris", Application.HL7, 2575, "HL7 acknowledgement AA"),
    ("bastion", Application.SSH, 22, "SSH-2.0-OpenSSH"),
)


def greet(bench: Bench, services: Iterable[tuple[str, Application, int]], timeout_s: float) -> tuple[Answer, ...]:
    greetings = tuple(
        Greeting(node, bench.pid(node), cable(node).address, application.value, port, application)
        for node, application, port in services
    )
    return answer_as(GreetReport, bench.ask("greet", codec.dumps(GreetRequest(greetings, timeout_s)))).answers


def test_every_service_is_greeted_in_its_own_protocol(bench: Bench) -> None:
    answers = greet(bench, [service[:3] for service in SERVICES], 20.0)
    heard = [(one.node, one.service, one.ready, one.detail) for one in answers]
    for (node, application, _, detail), one in zip(SERVICES, heard, strict=True):
        assert one[:3] == (node, application.value, True), one
        assert one[3].startswith(detail), one


def test_what_does_not_speak_its_protocol_is_not_ready(bench: Bench) -> None:
    wrong = [
        ("pacs-web", Application.DICOM, 80),
        ("bastion", Application.HTTP, 22),
        ("pacs-web", Application.SSH, 80),
        ("bastion", Application.HTTPS, 22),
        ("bastion", Application.POSTGRES, 22),
        ("pacs", Application.HL7, 8042),
        ("guest-1", Application.SSH, 22),
    ]
    answers = greet(bench, wrong, 1.0)
    assert [one.ready for one in answers] == [False] * len(wrong)
    assert answers[-1].detail == "connection refused"
    assert all(one.detail for one in answers)
    assert max(one.elapsed_s for one in answers) < 3


def test_a_service_that_comes_up_late_is_waited_for(bench: Bench) -> None:
    bench.containers["pacs-db"].restart(timeout=0)
    bench.wire()
    (answer,) = greet(bench, [("pacs-db", Application.POSTGRES, 5432)], 20.0)
    assert answer.ready, answer


# --- the sweep


def every_pair(allowed: Iterable[tuple[str, str, Protocol, int]] = ()) -> list[Probe]:
    expected = {(source, destination, port) for source, destination, _, port in allowed}
    return [
        Probe(source, destination, port, confirm=(source, destination, port) in expected)
        for source in NODES
        for destination in NODES
        if source != destination
        for port in PORTS
    ]


def only(report: Swept, fate: Fate) -> list[tuple[str, str, int]]:
    return [(p.probe.source, p.probe.destination, p.probe.port) for p in report.probes if p.fate is fate]


def one(report: Swept, source: str, destination: str, port: int) -> Ended:
    (found,) = [
        p for p in report.probes if (p.probe.source, p.probe.destination, p.probe.port) == (source, destination, port)
    ]
    return found


ALLOWED = (("ct-1", "pacs", Protocol.TCP, 11112), ("pacs", "pacs-db", Protocol.TCP, 5432))


def test_the_account_of_a_sweep_closes(bench: Bench) -> None:
    bench.ask("load", ruleset(ALLOWED))
    greet(bench, [("pacs-db", Application.POSTGRES, 5432), ("pacs", Application.DICOM, 11112)], 20.0)
    probes = every_pair(ALLOWED)
    report = bench.sweep(probes)
    assert only(report, Fate.ARRIVED) == [("ct-1", "pacs", 11112), ("pacs", "pacs-db", 5432)]
    assert (report.report.sent, report.report.dropped, report.report.lost) == (len(probes), len(probes) - 2, 0)
    assert report.report.counted_drops == report.report.dropped + report.report.foreign_drops
    assert {p.log_prefix for p in report.probes if p.fate is Fate.DROPPED} == {"pacslab:no-conduit"}
    stored = one(report, "ct-1", "pacs", 11112)
    assert (stored.reply, stored.connect, stored.connect_attempts) == (Reply.SYN_ACK, Connect.CONNECTED, 1)
    assert stored.source_seen == cable("ct-1").address
    assert report.report.notes == ()


def test_every_door_that_was_probed_has_a_control(bench: Bench) -> None:
    report = bench.sweep(every_pair())
    assert len(report.controls) == len(NODES) * len(PORTS)
    assert all(control.reached for control in report.controls)
    replies = {(control.node, control.port): control.reply for control in report.controls}
    assert replies["ct-1", 11112] is Reply.SYN_ACK
    assert replies["ct-1", 104] is Reply.RST


def test_a_sweep_leaves_no_conversation_behind(bench: Bench) -> None:
    bench.ask("load", ruleset(ALLOWED))
    bench.sweep(every_pair(ALLOWED))
    assert "198.18" not in bench.run("fabric", "conntrack -L 2>/dev/null")
    waiting = bench.run("ct-1", "awk '$4 == \"03\"' /proc/net/tcp")  # SYN_RECV
    assert waiting == ""


def test_an_accept_put_in_by_hand_is_seen(bench: Bench) -> None:
    bench.run("fabric", "nft insert rule inet pacslab forward ip daddr 198.18.10.10 tcp dport 11112 accept")
    report = bench.sweep(every_pair())
    assert only(report, Fate.ARRIVED) == [(node, "ct-1", 11112) for node in NODES if node != "ct-1"]
    assert report.report.counted_drops == report.report.dropped + report.report.foreign_drops


def test_what_is_dropped_without_a_log_entry_is_lost(bench: Bench) -> None:
    bench.ask("load", ruleset(first="ip saddr 198.18.90.10 tcp dport 22 drop"))
    report = bench.sweep(every_pair(), settle_s=0.1)
    assert only(report, Fate.LOST) == [("guest-1", node, 22) for node in NODES if node != "guest-1"]
    assert report.report.notes == ("6 lost probes were sent again", "6 lost probes were sent again")
    assert report.report.sent == report.report.arrived + report.report.dropped + report.report.lost


def test_a_dead_target_is_told_from_a_blocked_one(bench: Bench) -> None:
    targets = {node: bench.pid(node) for node in NODES}
    bench.containers["ris"].kill()
    bench.containers["ris"].wait()
    probes = [Probe("ct-1", "ris", 2575, confirm=True), Probe("ris", "ct-1", 11112), Probe("ct-1", "pacs", 22)]
    report = bench.sweep(probes, targets, settle_s=0.1, connect_timeout_s=0.5)
    to_dead, from_dead, other = report.probes
    assert (to_dead.fate, to_dead.log_prefix) == (Fate.REJECTED, "")  # by the fabric: there is no route
    assert to_dead.connect in {Connect.UNREACHABLE, Connect.TIMED_OUT}
    assert (from_dead.fate, other.fate) == (Fate.UNSENT, Fate.DROPPED)
    controls = {control.node: (control.reached, control.reply) for control in report.controls}
    assert controls == {"ris": (False, Reply.NONE), "ct-1": (True, Reply.SYN_ACK), "pacs": (True, Reply.RST)}
    assert any(note.startswith("ris: process") for note in report.report.notes)


def test_nothing_is_sent_from_a_process_that_is_not_the_node_any_more(bench: Bench) -> None:
    pids = dict.fromkeys(NODES, bench.pid("ris"))
    report = bench.sweep([Probe("ct-1", "ris", 2575), Probe("ris", "ct-1", 11112)], pids, settle_s=0.1)
    assert [probe.fate for probe in report.probes] == [Fate.UNSENT, Fate.DROPPED]
    assert "ct-1: eth0 of ct-1 has 198.18.50.10, not 198.18.10.10" in report.report.notes


def test_a_dead_service_answers_its_control_with_a_reset(bench: Bench) -> None:
    flow = ("ct-1", "guest-1", Protocol.TCP, 11112)
    bench.ask("load", ruleset([flow]))
    report = bench.sweep([Probe("ct-1", "guest-1", 11112, confirm=True)])
    assert (report.probes[0].fate, report.probes[0].reply) == (Fate.ARRIVED, Reply.RST)
    assert (report.probes[0].connect, report.probes[0].connect_attempts) == (Connect.REFUSED, 2)
    assert report.controls[0].reply is Reply.RST


def test_datagrams_are_accounted_for_as_well(bench: Bench) -> None:
    bench.ask("load", ruleset([("guest-1", "ct-1", Protocol.UDP, 514), ("guest-1", "pacs", Protocol.UDP, 514)]))
    report = bench.sweep(
        [
            Probe(source, destination, 514, Protocol.UDP)
            for source, destination in (("guest-1", "ct-1"), ("guest-1", "pacs"), ("guest-1", "ris"))
        ],
    )
    assert [(p.fate, p.reply) for p in report.probes] == [
        (Fate.ARRIVED, Reply.NONE),  # somebody listens there, and has nothing to say
        (Fate.ARRIVED, Reply.ICMP),
        (Fate.DROPPED, Reply.NONE),
    ]
    assert [(c.protocol, c.reached) for c in report.controls] == [(Protocol.UDP, True)] * 3
    assert report.report.counted_drops == 1


def test_a_rejection_is_noticed_at_the_source(bench: Bench) -> None:
    rejected = 'ip daddr 198.18.20.10 log prefix "pacslab:rejected" group 1 counter reject with tcp reset'
    bench.ask("load", ruleset(first=f'{rejected} comment "deny rejected"'))
    report = bench.sweep([Probe("ct-1", "pacs", port) for port in PORTS])
    assert {(p.fate, p.reply) for p in report.probes} == {(Fate.REJECTED, Reply.RST)}
    assert {p.log_prefix for p in report.probes} <= {"", "pacslab:rejected"}  # the reset may be heard before the log


def test_a_translated_source_is_noticed(bench: Bench) -> None:
    bench.ask("load", ruleset([("ct-1", "bastion", Protocol.TCP, 22)]))
    nat = "table ip nat { chain post { type nat hook postrouting priority srcnat; masquerade; }; }"
    bench.ask("load", nat)
    try:
        report = bench.sweep([Probe("ct-1", "bastion", 22, confirm=True)])
    finally:
        bench.run("fabric", "nft delete table ip nat")
    assert report.probes[0].source_seen == cable("bastion").gateway


def test_a_wide_open_fabric_is_seen_as_such(bench: Bench) -> None:
    bench.run("fabric", "nft delete table inet pacslab")
    report = bench.sweep(every_pair())
    assert report.report.arrived == report.report.sent == len(every_pair())
    assert report.report.notes == ("no table inet pacslab is loaded: nothing was counted",)


def test_two_sweeps_at_once_do_not_share_a_log(bench: Bench) -> None:
    reader = "from pacslab.fabric.nflog import Log; import time; log = Log(); open('/tmp/bound', 'w'); time.sleep(30)"
    bench.fabric.exec_run(["timeout", "4", "python3", "-c", reader], detach=True)
    bench.run("fabric", "until [ -e /tmp/bound ]; do sleep 0.05; done; rm /tmp/bound")
    with pytest.raises(Refused, match="somebody else reads the firewall's log"):
        bench.sweep([Probe("ct-1", "pacs", 22)])
    bench.run("fabric", "sleep 4")


def test_sweeps_of_an_untouched_lab_agree(bench: Bench) -> None:
    bench.ask("load", ruleset(ALLOWED))
    greet(bench, [("pacs-db", Application.POSTGRES, 5432), ("pacs", Application.DICOM, 11112)], 20.0)
    first = bench.sweep(every_pair(ALLOWED))
    for _ in range(5):
        assert bench.sweep(every_pair(ALLOWED)).probes == first.probes
