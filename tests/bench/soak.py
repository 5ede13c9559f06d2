"""`verify --only reach` of an untouched reference lab, again and again, some of it beside other busy processes."""

from __future__ import annotations

import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNS = 50
BUSY = (10, 30)  # runs beside as many busy processes as there are processors, twice


def main(runs: int = RUNS) -> bool:
    """Run a lab under a name of its own, then take it down; say whether every run was green."""
    with tempfile.TemporaryDirectory() as folder:
        file = _lab(Path(folder))
        _pacslab("up", str(file))
        try:
            verdicts, took = _soak(file, runs)
        finally:
            _pacslab("down", "soak")
    print(f"\n{runs} runs, {len(BUSY)} of them under load: "
          f"{', '.join(f'{n} {word}' for word, n in collections.Counter(verdicts).items())}; "
          f"median {statistics.median(took):.1f} s, longest {max(took):.1f} s")  # fmt: skip
    return set(verdicts) == {"PASS"}


def _soak(file: Path, runs: int) -> tuple[list[str], list[float]]:
    verdicts, took = [], []
    for number in range(runs):
        with _busy(2 * (os.cpu_count() or 1) if number in BUSY else 0):
            began = time.monotonic()
            done = _pacslab("verify", str(file), "--only", "reach", "--json", "-", check=False)
            took.append(time.monotonic() - began)
        document = json.loads(done.stdout)
        verdicts.append(document["verdict"])
        print(f"soak: run {number + 1}: {verdicts[-1]}, {took[-1]:.1f} s", file=sys.stderr)
        for one in document["results"]:
            if one["verdict"] not in {"PASS", "SKIPPED"}:
                print("  ", *(one[key] for key in ("check", "source", "destination", "service", "observed", "reason")))
    return verdicts, took


@contextmanager
def _busy(processes: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _lab(folder: Path) -> Path:
    """The reference lab under another name, with the zone files it has."""
    (folder / "zones").symlink_to(ROOT / "zones")
    (folder / "lab").mkdir()
    file = folder / "lab" / "soak.yaml"
    text = (ROOT / "lab" / "reference.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("\nlab: reference\n", "\nlab: soak\n"), encoding="utf-8")
    return file


def _pacslab(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pacslab", *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=check)
