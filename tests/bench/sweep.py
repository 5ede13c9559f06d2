"""A sweep of labs of 10 to 100 nodes, every class of probe, beside connecting with a time-out to the same ports."""

from __future__ import annotations

import contextlib
import errno
import json
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from pacslab.checks.asking import request
from pacslab.checks.reach import judge
from pacslab.compiler.compile import compile_lab
from pacslab.compiler.probes import probes
from pacslab.fabric import ruleset, supervise, wiring
from pacslab.fabric.netns import inside, open_namespace
from pacslab.fabric.sweep import sweep
from pacslab.labfile.load import load
from pacslab.model import codec
from pacslab.model.fabric import CableState, Plug, WireRequest
from pacslab.model.packet import TCP
from pacslab.model.plan import Plan
from pacslab.model.probe import Probe
from pacslab.model.sweep import SweepReport, SweepRequest
from pacslab.model.verdict import Verdict
from tests.bench.fabric import _namespace as namespace

SIZES = (10, 30, 60, 100)
MARKED = 60
PROBES_PER_S, FASTER, FLAT = 10_000, 10, 1.5  # marks: at 60 nodes, than connecting, dearest beside cheapest size
ZONES = 5
TIMEOUT_S, AT_ONCE, SAMPLE = 1.0, 1_000, 3_000  # of connecting
_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/netfilter/nf_conntrack_tcp_loose": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}
_SERVICES = "\n".join(f"      - {{name: s{port}, port: {port}}}" for port in (443, 2576, 5432, 8042, 11112))
_ZONE = """\
zone: z{number}
network: 198.18.{number}.0/24
nodes:
  n{number}:
    kind: container
    count: {count}
    image: none
    services:
{services}
accepts:
  - {{id: c{number}, from: z{other}/*, to: n{number}-1, service: s11112, why: The bench wants it open.}}
"""


class Row(NamedTuple):
    """What one size of lab cost."""

    probes: int
    sweep_s: float  # in the fabric: all probes, controls and confirmations
    whole_s: float  # with making the request, both ways of the codec, and judging
    connects_per_s: float
    cpu_s: float  # of the whole; what others on the machine do matters less to it


def main() -> bool:
    """Measure in throw-away namespaces, needing root; say whether the marks are met."""
    rows = {size: _apart(size) for size in SIZES}
    print("\n| nodes | probes | sweep, s | probes/s | all in all, s | CPU, µs a probe | connecting, ports/s | faster |")
    print("|---|---|---|---|---|---|---|---|")
    for size, row in rows.items():
        rate, cost_us = row.probes / row.sweep_s, row.cpu_s / row.probes * 1e6
        print(f"| {size} | {row.probes:,} | {row.sweep_s:.1f} | {rate:,.0f} | {row.whole_s:.1f} | {cost_us:.0f} | "
              f"{row.connects_per_s:,.0f} | {rate / row.connects_per_s:.0f} x |")  # fmt: skip
    marked = rows[MARKED]
    rate = marked.probes / marked.sweep_s
    costs = [row.cpu_s / row.probes for row in rows.values()]
    faster, spread = rate / marked.connects_per_s, max(costs) / min(costs)
    met = rate >= PROBES_PER_S and faster >= FASTER and spread <= FLAT
    print(f"\n{MARKED} nodes: {rate:,.0f} probes/s (mark {PROBES_PER_S:,}), {faster:.0f} times faster than connecting "
          f"(mark {FASTER}); CPU time of a probe, dearest beside cheapest size: {spread:.2f} (mark {FLAT}): "
          f"{'met' if met else 'MISSED'}")  # fmt: skip
    return met


def _apart(size: int) -> Row:
    print(f"bench sweep: {size} nodes", file=sys.stderr)
    command = ["unshare", "--net", sys.executable, "-m", "tests.bench.sweep", str(size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Row(*json.loads(done.stdout.splitlines()[-1]))


def _measure(size: int) -> Row:
    plan = _plan(size)
    with ExitStack() as stack:
        pids = {node.name: stack.enter_context(namespace()) for node in plan.nodes}
        plugs = tuple(Plug(cable, pids[cable.node]) for cable in plan.cables)
        _lay(plan, plugs)
        for node in plan.nodes:
            _listen(stack, pids[node.name], [service.port for service in node.services])
        began, spent = time.perf_counter(), time.process_time()
        asked = codec.loads(SweepRequest, codec.dumps(request(plan, plugs)))
        sweeping = time.perf_counter()
        found = sweep(asked, lambda *_: None)
        swept = time.perf_counter()
        results = judge(plan, codec.loads(SweepReport, codec.dumps(found)))
        ended, cpu_s = time.perf_counter(), time.process_time() - spent
        wrong = [result for result in results if result.verdict is not Verdict.PASS]
        assert not wrong, wrong[:3]
        return Row(found.sent, swept - sweeping, ended - began, _connect(plan, pids), cpu_s)


def _plan(size: int) -> Plan:
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for number in range(1, ZONES + 1):
            other = number % ZONES + 1
            text = _ZONE.format(number=number, other=other, count=size // ZONES, services=_SERVICES)
            Path(f"z{number}.yaml").write_text(text, encoding="utf-8")
        zones = ", ".join(f"z{number}.yaml" for number in range(1, ZONES + 1))
        Path("lab.yaml").write_text(f"lab: bench\nzones: [{zones}]\n", encoding="utf-8")
        return compile_lab(load(Path("lab.yaml")).lab)


def _lay(plan: Plan, plugs: tuple[Plug, ...]) -> None:
    ruleset.load(plan.ruleset)
    for name, value in _SYSCTLS.items():
        Path("/proc/sys", name).write_text(value, encoding="ascii")
    with tempfile.NamedTemporaryFile() as ready:  # here nobody serves: the ruleset is loaded, and no cable is unknown
        supervise.READY_MARK = Path(ready.name)
        laid = wiring.wire(WireRequest(plugs)).cables
    assert all(cable.state is CableState.LAID for cable in laid), laid


def _listen(stack: ExitStack, pid: int, ports: list[int]) -> None:
    fd = open_namespace(pid)
    with inside(fd):
        for port in ports:
            stack.enter_context(socket.create_server(("", port), backlog=64))


def _connect(plan: Plan, pids: dict[str, int]) -> float:
    """Ports decided per second by connecting from each node with a time-out: denied when nothing answers in time."""
    every = [probe for probe in probes(plan) if probe.protocol == TCP and probe.kind.value in _MATRIX]
    chosen = every[:: max(1, len(every) // SAMPLE)]
    namespaces = {node: open_namespace(pid) for node, pid in pids.items()}
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    began = time.perf_counter()
    waiting, flying = list(chosen), {}
    with select.epoll() as poll:
        while waiting or flying:
            while waiting and len(flying) < AT_ONCE:
                stream = _begin(waiting.pop(), namespaces)
                flying[stream.fileno()] = stream, time.perf_counter()
                poll.register(stream.fileno(), select.EPOLLOUT)
            ready = {number for number, _ in poll.poll(0.01)}
            now = time.perf_counter()
            for number, (stream, started) in list(flying.items()):
                if number in ready or now - started >= TIMEOUT_S:
                    stream.close()
                    del flying[number]
    return len(chosen) / (time.perf_counter() - began)


_MATRIX = ("service", "boundary port", "watched port", "canary port")


def _begin(probe: Probe, namespaces: dict[str, int]) -> socket.socket:
    with inside(namespaces[probe.source]):
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    assert stream.connect_ex((str(probe.destination_address), probe.destination_port)) in {0, errno.EINPROGRESS}
    return stream


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
