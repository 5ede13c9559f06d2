"""`up` beside creating and starting the same containers with the SDK alone: no cables, rules or waiting."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from docker.types import Mount

from pacslab.compiler.compile import compile_lab
from pacslab.engine import converge
from pacslab.engine.docker import Docker
from pacslab.engine.docker_files import archive
from pacslab.engine.down import down
from pacslab.engine.state import State
from pacslab.labfile.load import load
from pacslab.model.device import DATA_DIR
from pacslab.model.plan import Container, Plan

ROOT = Path(__file__).parents[2]
ROUNDS = 3
MARK = 1.5  # reference lab: `up` takes at most so many times what its peer takes
SIZES = (4, 16, 32, 64)  # nodes of the growing lab


def main() -> bool:
    """Measure the reference lab and labs of growing size; say whether the mark is met."""
    engine = Docker.connect()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        rows = [("reference", *_measure(engine, _reference(place), place))]
        rows += [(f"{n} probes", *_measure(engine, _probes(place, n), place)) for n in SIZES]
    print(
        f"\nup, median of {ROUNDS} rounds, {converge.WORKERS} threads on both sides; engine {engine.info().version}\n"
    )
    print("| lab | nodes | SDK alone, s | up, s | ratio | of up: containers, cables, services, s |")
    print("|---|---|---|---|---|---|")
    for name, nodes, alone, whole, stages in rows:
        parts = ", ".join(f"{stages[stage]:.2f}" for stage in ("containers", "cables", "services"))
        print(f"| {name} | {nodes} | {alone:.2f} | {whole:.2f} | {whole / alone:.2f} | {parts} |")
    _, _, alone, whole, _ = rows[0]
    met = whole / alone <= MARK
    print(f"\nreference lab: ratio {whole / alone:.2f}, mark {MARK}: {'met' if met else 'MISSED'}")
    return met


def _reference(place: Path) -> Plan:
    shutil.copytree(ROOT / "zones", place / "zones", dirs_exist_ok=True)
    text = (ROOT / "lab" / "reference.yaml").read_text().replace("\nlab: reference\n", "\nlab: bench\n")
    return _plan(place, text)


def _probes(place: Path, count: int) -> Plan:
    nodes = "".join(f"  p-{n}: {{kind: probe}}\n" for n in range(count))
    (place / "zones").mkdir(exist_ok=True)
    (place / "zones" / "many.yaml").write_text(f"zone: many\nnetwork: 198.18.128.0/20\nnodes:\n{nodes}")
    return _plan(place, "lab: bench\nzones: [../zones/many.yaml]\n")


def _plan(place: Path, text: str) -> Plan:
    file = place / "lab" / "bench.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return compile_lab(load(file).lab)


def _measure(engine: Docker, plan: Plan, place: Path) -> tuple[int, float, float, dict[str, float]]:
    """Nodes, seconds of the peer, seconds of `up` with its stages: medians of rounds in turn."""
    alone, whole, stages = [], [], []
    for round_ in range(ROUNDS):
        print(f"bench up: {plan.lab} {len(plan.nodes)} nodes, round {round_ + 1} of {ROUNDS}", file=sys.stderr)
        alone.append(_peer(plan))
        state = State(place / ".pacslab" / plan.lab)
        state.make()
        began = time.perf_counter()
        done = converge.up(engine, plan, state, lambda *_: None)
        whole.append(time.perf_counter() - began)
        stages.append(dict(done.stages))
        down(engine, plan.lab, lambda *_: None)
    middle = sorted(range(ROUNDS), key=lambda n: whole[n])[ROUNDS // 2]
    return len(plan.nodes), statistics.median(alone), statistics.median(whole), stages[middle]


def _peer(plan: Plan) -> float:
    """Create, fill and start the plan's containers with the SDK, without network; removal is not counted."""
    api = docker.from_env(max_pool_size=converge.WORKERS)
    made = []

    def start(container: Container) -> None:
        one = api.containers.create(
            container.image,
            name=f"bench-peer-{container.node}",
            hostname=container.node,
            network_mode="none",
            command=list(container.command) or None,
            cap_drop=["ALL"],
            init=True,
            mem_limit=container.memory_bytes or None,
            sysctls=dict(container.sysctls),
            extra_hosts=dict(container.extra_hosts),
            mounts=[Mount(DATA_DIR, f"bench-peer-{container.node}")] if container.keeps_data else [],
        )
        made.append(one)
        if container.files:
            one.put_archive("/", archive(tuple((file, file.text.encode()) for file in container.files)))
        one.start()

    try:
        began = time.perf_counter()
        with ThreadPoolExecutor(converge.WORKERS) as pool:
            list(pool.map(start, (plan.fabric, *plan.containers)))
        return time.perf_counter() - began
    finally:
        with ThreadPoolExecutor(converge.WORKERS) as pool:
            list(pool.map(lambda one: one.remove(force=True), made))
        for volume in api.volumes.list():
            if volume.name.startswith("bench-peer-"):
                volume.remove(force=True)
        api.close()
