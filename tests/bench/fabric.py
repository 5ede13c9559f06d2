"""Packets through the fabric with 10, 1,000 and 10,000 flows loaded, beside the same packets over a straight cable."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from pathlib import Path

from pacslab.fabric import netlink, rtnetlink, ruleset, supervise, wiring
from pacslab.fabric.netlink import Netlink
from pacslab.fabric.netns import inside, open_namespace
from pacslab.firewall.emit import emit
from pacslab.firewall.text import render
from pacslab.model.dicom import Application, Protocol
from pacslab.model.fabric import Cable, CableState, Plug, WireRequest
from pacslab.model.lab import Origin, Posture
from pacslab.model.plan import Flow, PlannedZone

SIZES = (10, 1_000, 10_000)
MARK = 0.85  # of what 10 flows let through, 10,000 must still; two shared cores measure no finer
ROUNDS = 5
PORT = 11112
_PACKETS, _BATCH, _CONVERSATIONS, _STREAM_BYTES = 20_000, 50, 1_000, 256 << 20
_ORIGIN = Origin("bench.yaml")
_NETWORK = IPv4Network("198.18.1.0/24")
_A, _B = (Cable(name, name, _NETWORK[n], _NETWORK[1]) for name, n in (("a", 10), ("b", 11)))


def main() -> bool:
    """Measure in throw-away namespaces, needing root; say whether the loss grows with the number of flows."""
    rows = {name: _apart(name) for name in ("straight", *(str(size) for size in SIZES))}
    print(f"\nmedians of {ROUNDS} rounds\n")
    print("| flows | packets/s | latency, µs | first packets of conversations/s | TCP, Gbit/s |")
    print("|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['pps']:,.0f} | {row['latency_us']:.1f} | {row['new']:,.0f} | {row['gbit_s']:.2f} |")
    kept = {key: min(rows[str(b)][key] / rows[str(a)][key] for a, b in pairwise(SIZES)) for key in ("pps", "new")}
    met = all(ratio >= MARK for ratio in kept.values())
    print(f"\nten times more flows keep {kept['pps']:.2f} of the packets/s, {kept['new']:.2f} of the first packets/s, "
          f"mark {MARK}: {'met' if met else 'MISSED'}")  # fmt: skip
    stream = rows[str(SIZES[-1])]["gbit_s"] / rows["straight"]["gbit_s"]
    print(f"TCP through {SIZES[-1]:,} flows: {stream:.2f} of the straight cable")
    return met


def _apart(name: str) -> dict[str, float]:
    print(f"bench fabric: {name}", file=sys.stderr)
    command = ["unshare", "--net", sys.executable, "-m", "tests.bench.fabric", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _measure(name: str) -> dict[str, float]:
    with ExitStack() as stack:
        pids = [stack.enter_context(_namespace()) for _ in range(2)]
        a, b = (open_namespace(pid) for pid in pids)
        if name == "straight":
            _straight(a, b)
        else:
            _through_the_fabric(pids, int(name))
        rounds = [(_udp(a, b), _first_packets(a, b), _tcp(a, b)) for _ in range(ROUNDS)]
    return {
        "pps": statistics.median(udp[0] for udp, _, _ in rounds),
        "latency_us": statistics.median(udp[1] for udp, _, _ in rounds),
        "new": statistics.median(new for _, new, _ in rounds),
        "gbit_s": statistics.median(tcp for _, _, tcp in rounds),
    }


@contextmanager
def _namespace() -> Iterator[int]:
    """A process with a network namespace of its own."""
    with subprocess.Popen(["unshare", "--net", "sleep", "600"]) as process:
        try:
            while Path(f"/proc/{process.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                time.sleep(0.01)
            yield process.pid
        finally:
            process.kill()


def _straight(a: int, b: int) -> None:
    with inside(a):
        first = Netlink(netlink.ROUTE)
    with inside(b):
        second = Netlink(netlink.ROUTE)
    with first, second:
        macs = [wiring.node_mac(int(cable.address)) for cable in (_A, _B)]
        first.request([rtnetlink.add_veth("eth0", macs[0], "eth0", macs[1], b)])
        for end, own, other, mac in ((first, _A, _B, macs[1]), (second, _B, _A, macs[0])):
            index = next(link.index for link in rtnetlink.links(end) if link.name == "eth0")
            end.request([rtnetlink.add_address(index, own.address), rtnetlink.set_up(index)])
            end.request([rtnetlink.add_neighbour(index, other.address, mac)])
            end.request([rtnetlink.add_route(index, own.address, to=other.address)])


def _through_the_fabric(pids: list[int], flows: int) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    zone = PlannedZone("z", _NETWORK, _NETWORK[1], "", _ORIGIN)
    others = [_flow(IPv4Address("198.19.0.0") + n, Protocol.TCP) for n in range(flows - 2)]
    own = [_flow(_A.address, protocol) for protocol in Protocol]
    ruleset.load(render(emit((zone,), (_A, _B), (*others, *own), Posture.SEGMENTED)))
    plugs = tuple(Plug(cable, pid) for cable, pid in zip((_A, _B), pids, strict=True))
    with tempfile.NamedTemporaryFile() as ready:  # here nobody serves: the ruleset is loaded, and no cable is unknown
        supervise.READY_MARK = Path(ready.name)
        laid = wiring.wire(WireRequest(plugs)).cables
    assert all(cable.state is CableState.LAID for cable in laid), laid


def _flow(source: IPv4Address, protocol: Protocol) -> Flow:
    return Flow(
        "c", "a", source, "b", _B.address, protocol, PORT, "dicom", Application.DICOM, (), granted=False, origin=_ORIGIN
    )


def _socket(namespace: int, kind: int) -> socket.socket:
    with inside(namespace):
        made = socket.socket(socket.AF_INET, kind)
    made.settimeout(10)
    return made


def _udp(a: int, b: int) -> tuple[float, float]:
    """Packets per second in batches, and microseconds for one packet alone, one way."""
    with _socket(a, socket.SOCK_DGRAM) as sender, _socket(b, socket.SOCK_DGRAM) as receiver:
        receiver.bind((str(_B.address), PORT))
        sender.connect((str(_B.address), PORT))
        began = time.perf_counter()
        for _ in range(_PACKETS // _BATCH):
            for _ in range(_BATCH):
                sender.send(b"x")
            for _ in range(_BATCH):
                receiver.recv(16)
        batched = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(_PACKETS // 4):
            sender.send(b"x")
            receiver.recv(16)
        alone = time.perf_counter() - began
    return _PACKETS / batched, alone / (_PACKETS // 4) * 1e6


def _first_packets(a: int, b: int) -> float:
    """First packets per second: each from a port of its own, so that each is looked up in the map of flows."""
    with ExitStack() as stack, _socket(b, socket.SOCK_DGRAM) as receiver:
        receiver.bind((str(_B.address), PORT))
        senders = [stack.enter_context(_socket(a, socket.SOCK_DGRAM)) for _ in range(_CONVERSATIONS)]
        for sender in senders:
            sender.connect((str(_B.address), PORT))
        began = time.perf_counter()
        for sender in senders:
            sender.send(b"x")
            receiver.recv(16)
        return _CONVERSATIONS / (time.perf_counter() - began)


def _tcp(a: int, b: int) -> float:
    """Gigabits per second of one stream."""
    with _socket(b, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(_B.address), PORT))
        listener.listen()
        client = _socket(a, socket.SOCK_STREAM)
        client.connect((str(_B.address), PORT))
        server, _ = listener.accept()
        server.settimeout(10)
        with client, server:
            sending = threading.Thread(target=_send, args=(client,))
            began = time.perf_counter()
            sending.start()
            left, buffer = _STREAM_BYTES, bytearray(1 << 20)
            while left > 0:
                left -= server.recv_into(buffer)
            took = time.perf_counter() - began
            sending.join()
    return _STREAM_BYTES * 8 / took / 1e9


def _send(client: socket.socket) -> None:
    piece = bytes(1 << 20)
    for _ in range(_STREAM_BYTES >> 20):
        client.sendall(piece)


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
