"""C-STORE from ct-1 to pacs through the firewall, beside one straight cable, and beside DCMTK on the same path."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from pacslab.compiler.compile import compile_lab
from pacslab.engine import converge
from pacslab.engine.docker import Docker
from pacslab.engine.down import down
from pacslab.engine.state import State
from pacslab.labfile.load import load
from pacslab.model.plan import Plan

ROOT = Path(__file__).parents[2]
ROUNDS = 5
SLICES = 400  # of 512 x 512 x 16 bit: 200 MB a round
MARK = 0.95  # of the straight cable's throughput
MARK_DCMTK = 1.0  # of storescu's, with TCP_NODELAY=1, through the firewall
TLS = "/etc/pacslab/tls"
STORESCU = f"""set -e
begun=$(date +%s.%N)
TCP_NODELAY=1 storescu -aet "$1" -aec "$2" +tls {TLS}/key.pem {TLS}/certificate.pem +cf {TLS}/ca.pem \
  --scan-directories "$3" "$4" "$5"
echo "$begun $(date +%s.%N)"
"""


def main() -> bool:
    """Measure both on one minimal lab, needing root; say whether the mark is met."""
    engine = Docker.connect()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lab" / "bench.yaml"
        file.parent.mkdir()
        (Path(folder) / "zones").symlink_to(ROOT / "zones")
        file.write_text((ROOT / "lab" / "minimal.yaml").read_text().replace("\nlab: minimal\n", "\nlab: bench\n"))
        plan = compile_lab(load(file).lab)
        state = State.beside(file, plan.lab)
        state.make()
        try:
            converge.up(engine, plan, state, lambda *_: None)
            _store(engine, plan, 0)  # both sides warm
            through, straight, dcmtk = _rounds(engine, plan, state)
        finally:
            down(engine, plan.lab, lambda *_: None)
    print(f"\nC-STORE of {SLICES} slices over mutual TLS, medians of {ROUNDS} rounds each, in turn\n")
    print("| way | slices/s, median | lowest | highest |")
    print("|---|---|---|---|")
    ways = {"through the firewall": through, "straight cable": straight, "storescu, through the firewall": dcmtk}
    for name, rates in ways.items():
        print(f"| {name} | {statistics.median(rates):.0f} | {min(rates):.0f} | {max(rates):.0f} |")
    print()
    kept = _judge("firewall / straight cable", through, straight, MARK)
    return _judge("ours / storescu", through, dcmtk, MARK_DCMTK) and kept


def _judge(name: str, ours: list[float], theirs: list[float], mark: float) -> bool:
    """The median of the rounds' ratios: what slows the machine down for a minute slows both of a round."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"{name}: {ratio:.3f}, mark {mark}: {'met' if ratio >= mark else 'MISSED'}")
    return ratio >= mark


def _rounds(engine: Docker, plan: Plan, state: State) -> tuple[list[float], list[float], list[float]]:
    through, straight, dcmtk = [], [], []
    for n in range(ROUNDS):
        print(f"bench store: round {n + 1} of {ROUNDS}", file=sys.stderr)
        ways = [lambda: through.append(_store(engine, plan, 3 * n + 1)),  # noqa: B023 - called in this round
                lambda: dcmtk.append(_storescu(engine, plan, 3 * n + 2))]  # noqa: B023  # fmt: skip
        for way in ways if n % 2 else reversed(ways):  # neither always meets the emptier archive
            way()
        _straight_cable(engine, plan)
        straight.append(_store(engine, plan, 3 * n + 3))
        _ip(_pid(engine, plan, "ct-1"), "link", "delete", "eth0")  # both ends go
        converge.up(engine, plan, state, lambda *_: None)  # lays the cables into the firewall again
    return through, straight, dcmtk


def _storescu(engine: Docker, plan: Plan, seed: int) -> float:
    """The same with DCMTK's client: slices a second of its whole run, which begins in milliseconds."""
    container = f"pacslab-{plan.lab}-ct-1"
    made = _device(engine, container, "acquire", "--slices", str(SLICES), "--seed", str(seed))
    pacs = plan.node("pacs")
    flow = next(f for f in plan.flows if (f.source, f.destination) == ("ct-1", "pacs"))
    words = ("CT1", "PACS", str(pacs.address), str(flow.port), made["folder"])
    done = engine.exec(container, ("sh", "-c", STORESCU, "storescu", *words))
    if done.exit_code:
        raise RuntimeError(done.stdout.decode() + done.stderr.decode())
    begun, ended = (float(word) for word in done.stdout.split()[-2:])
    return SLICES / (ended - begun)


def _store(engine: Docker, plan: Plan, seed: int) -> float:
    """Acquire a study, and send it on one association; slices a second of the sending alone."""
    container = f"pacslab-{plan.lab}-ct-1"
    made = _device(engine, container, "acquire", "--slices", str(SLICES), "--seed", str(seed))
    sent = _device(engine, container, "send", "pacs", made["folder"])
    return SLICES / float(sent["elapsed_s"])


def _device(engine: Docker, container: str, *words: str) -> dict[str, str]:
    done = engine.exec(container, ("device", *words))
    if done.exit_code:
        raise RuntimeError(done.stdout.decode() + done.stderr.decode())
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def _straight_cable(engine: Docker, plan: Plan) -> None:
    """Take the two nodes off the fabric and join them by one veth pair, with the addresses they had."""
    ends = [(plan.node(name).address, _pid(engine, plan, name)) for name in ("ct-1", "pacs")]
    for _, pid in ends:
        _ip(pid, "link", "delete", "eth0")
    _ip(ends[0][1], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(ends[1][1]))
    for (address, pid), (other, _) in zip(ends, reversed(ends), strict=True):
        _ip(pid, "address", "add", f"{address}/32", "dev", "eth0")
        _ip(pid, "link", "set", "eth0", "up")
        _ip(pid, "route", "add", f"{other}/32", "dev", "eth0")


def _pid(engine: Docker, plan: Plan, node: str) -> int:
    found = engine.find(f"pacslab-{plan.lab}-{node}")
    if found is None:
        raise RuntimeError(f"{node} does not run")
    return found.pid


def _ip(pid: int, *words: str) -> None:
    subprocess.run(["nsenter", "--target", str(pid), "--net", "ip", *words], check=True)
