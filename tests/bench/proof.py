"""Compile, emit, prove, load and read back labs of growing size; Aerleon generating the same flows beside it."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from itertools import pairwise
from typing import TypeVar

from pacslab.compiler.compile import compile_lab
from pacslab.firewall.emit import emit
from pacslab.firewall.planned import planned
from pacslab.firewall.proof import prove
from pacslab.firewall.readback import read_back
from pacslab.firewall.text import render
from pacslab.model.dicom import Application
from pacslab.model.lab import Conduit, Lab, Node, Origin, Posture, Service, Zone
from pacslab.model.policy import Policy

SIZES = (100, 1_000, 10_000)  # nodes, and as many flows
PEER_SIZES = (1_000, 5_000)  # one-to-one flows
MARK_S = 5.0  # compile, emit and prove 10,000 nodes and 10,000 flows
LOAD_MARK_S = 3.0
GROWTH = 3.0  # from one size to the next, ten times larger, at most so many times ten
_PER_ZONE = 200
T = TypeVar("T")
_ORIGIN = Origin("bench.yaml")


def main() -> bool:
    """Measure all sizes, each in a process of its own so that memory is its own; say whether the marks are met."""
    rows = [_apart("own", size) for size in SIZES]
    columns = ("compile", "emit", "prove", "sum", "CPU", "load", "list + read + prove what is loaded")
    print(f"\n| nodes = flows | {', s | '.join(columns)}, s | MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        cells = (f"{row[name]:.2f}" for name in ("compile", "emit", "prove", "sum", "cpu", "load", "read"))
        print(f"| {row['size']:.0f} | {' | '.join(cells)} | {row['mb']:.0f} |")
    last = rows[-1]
    growth = max(b["cpu"] / a["cpu"] / 10 for a, b in pairwise(rows))
    met = last["sum"] <= MARK_S and last["load"] <= LOAD_MARK_S and growth <= GROWTH
    print(f"\n10,000: {last['sum']:.2f} s, mark {MARK_S}; load {last['load']:.2f} s, mark {LOAD_MARK_S}; "
          f"growth {growth:.2f} of linear: {'met' if met else 'MISSED'}")  # fmt: skip
    return _beside_aerleon() and met


def _beside_aerleon() -> bool:
    print("\n| one-to-one flows | compile + emit + prove, s | Aerleon, generation alone, s | ratio |")
    print("|---|---|---|---|")
    met = True
    for size in PEER_SIZES:
        own, peer = _apart("own", size)["sum"], _apart("aerleon", size)["sum"]
        met &= own <= peer
        print(f"| {size} | {own:.2f} | {peer:.2f} | {own / peer:.2f} |")
    print(f"\nproved before the peer has generated: {'met' if met else 'MISSED'}")
    return met


def _apart(what: str, size: int) -> dict[str, float]:
    print(f"bench proof: {what} {size}", file=sys.stderr)
    command = [sys.executable, "-m", "tests.bench.proof", what, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def lab(size: int) -> Lab:
    """A lab of that many nodes in zones of 200, and as many one-to-one conduits."""
    subnets = IPv4Network("198.18.0.0/15").subnets(new_prefix=24)
    choose = random.Random(size)  # noqa: S311 - the same lab at every run
    names = [f"n{n}" for n in range(size)]
    service = Service("dicom", Application.DICOM, 11112)
    paths = [f"z{n // _PER_ZONE}/{name}" for n, name in enumerate(names)]
    zones = []
    for first in range(0, size, _PER_ZONE):
        zone, network = f"z{first // _PER_ZONE}", next(subnets)
        nodes = tuple(
            Node(name, zone, "probe", network[10 + n], _ORIGIN, services=(service,))
            for n, name in enumerate(names[first : first + _PER_ZONE])
        )
        conduits = tuple(
            Conduit(
                f"c-{n}", zone, (paths[n],), (paths[(n + choose.randrange(1, size)) % size],), "dicom", (), "", _ORIGIN
            )
            for n in range(first, min(first + _PER_ZONE, size))
        )
        zones.append(Zone(zone, network, nodes, conduits, _ORIGIN))
    return Lab("bench", Posture.SEGMENTED, tuple(zones), _ORIGIN)


def _own(size: int) -> dict[str, float]:
    subject = lab(size)
    cpu = time.process_time()
    plan, compiling = _timed(lambda: compile_lab(subject))  # emits the ruleset, too
    tree, emitting = _timed(lambda: emit(plan.zones, plan.cables, plan.flows, plan.posture))
    _, printing = _timed(lambda: render(tree))
    proof, proving = _timed(lambda: prove(planned(tree), Policy.of(plan)))
    cpu = time.process_time() - cpu
    assert proof.sound, proof.differences
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    loading, reading = _kernel(plan.ruleset, Policy.of(plan)) if os.geteuid() == 0 else (float("nan"), float("nan"))
    emitting += printing
    return {
        "size": size, "compile": max(0.0, compiling - emitting), "emit": emitting, "prove": proving,
        "sum": compiling + proving, "cpu": cpu, "load": loading, "read": reading, "mb": memory,
    }  # fmt: skip


def _kernel(ruleset: str, policy: Policy) -> tuple[float, float]:
    """Seconds to load a ruleset into a namespace of its own, and to list, read back and prove what it holds."""
    script = 'nft -f - && echo "$(date +%s.%N)" && exec nft -j list ruleset'
    began = time.time()
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], input=ruleset, capture_output=True, text=True, check=True
    )
    loaded_at, _, listed = done.stdout.partition("\n")
    proof = prove(read_back(json.loads(listed)), policy)
    assert proof.sound, proof.differences
    return float(loaded_at) - began, time.time() - float(loaded_at)


def _aerleon(size: int) -> dict[str, float]:
    """The same flows, as Aerleon's users write them: a network, a service and a term for each."""
    from aerleon import api
    from aerleon.lib import naming

    plan = compile_lab(lab(size))
    definitions = naming.Naming()
    definitions.ParseDefinitionsObject(
        {
            "networks": {n.name.upper(): {"values": [{"address": f"{n.address}/32"}]} for n in plan.nodes},
            "services": {"DICOM": [{"protocol": "tcp", "port": 11112}]},
        },
        "bench",
    )
    terms = [
        {"name": f.conduit, "source-address": f.source.upper(), "destination-address": f.destination.upper(),
         "destination-port": "DICOM", "protocol": "tcp", "action": "accept"}
        for f in plan.flows
    ]  # fmt: skip
    header = {"targets": {"nftables": "inet forward default-policy-drop"}}
    policy = {"filename": "bench", "filters": [{"header": header, "terms": terms}]}
    made, seconds = _timed(lambda: api.Generate([policy], definitions))
    assert made is not None
    assert sum(text.count("accept") for text in made.values()) >= size
    return {"sum": seconds}


def _timed(do: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    made = do()
    return made, time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps({"own": _own, "aerleon": _aerleon}[sys.argv[1]](int(sys.argv[2]))))
