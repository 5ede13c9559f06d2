"""`lint` of labs with 100, 1,000 and 10,000 nodes in zones of 50: seconds, and seconds for each node."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from pacslab.labfile.load import load
from pacslab.model.lab import Lab

SIZES = (100, 1_000, 10_000)
IN_A_ZONE = 50
MARK_S = 10.0  # 10,000 nodes, 200 zones, 10,000 conduits
MARK_GROWTH = 2.0  # from 1,000 to 10,000 nodes, seconds for each node grow at most so many times


def main() -> bool:
    """Measure each size; say whether the marks are met."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            lab_file = _write(Path(folder), size)
            began = time.perf_counter()
            loaded = load(lab_file)
            rows.append((size, time.perf_counter() - began, loaded.lab, len(loaded.warnings)))
            print(f"bench lint: {size} nodes", file=sys.stderr)
    print("\n| nodes | zones | conduits | warnings | lint, s | ms a node |")
    print("|---|---|---|---|---|---|")
    for size, seconds, lab, warnings in rows:
        print(f"| {_counts(lab)} | {warnings} | {seconds:.2f} | {seconds / size * 1000:.2f} |")
    growth = (rows[2][1] / SIZES[2]) / (rows[1][1] / SIZES[1])
    met = rows[2][1] <= MARK_S and growth <= MARK_GROWTH
    words = f"{rows[2][1]:.2f} s, mark {MARK_S:.0f} s; growth a node {growth:.2f}, mark {MARK_GROWTH}"
    print(f"\nlargest lab: {words}: {'met' if met else 'MISSED'}")
    return met


def _counts(lab: Lab) -> str:
    return f"{len(lab.nodes)} | {len(lab.zones)} | {len(lab.conduits)}"


def _write(folder: Path, size: int) -> Path:
    """A ring of departments: in each zone 48 scanners, an archive and a workstation; one conduit for each node."""
    zones = size // IN_A_ZONE
    for zone in range(zones):
        text = _zone(zone, (zone - 1) % zones)
        (folder / f"z{zone}.yaml").write_text(text, encoding="utf-8")
    lab_file = folder / "lab.yaml"
    names = "".join(f"  - z{zone}.yaml\n" for zone in range(zones))
    lab_file.write_text(f"lab: large\nzones:\n{names}", encoding="utf-8")
    return lab_file


def _zone(zone: int, before: int) -> str:
    scanners = range(IN_A_ZONE - 2)
    lines = [
        f"zone: z{zone}",
        f"network: 198.18.{zone}.0/24",
        "clear_text: Cables of their own.",
        "nodes:",
        f"  pacs-{zone}: {{kind: orthanc, ae_title: PACS{zone}}}",
        f"  ws-{zone}: {{kind: workstation, ae_title: WS{zone}}}",
    ]
    for n in scanners:
        title = f"S{zone}X{n}"
        lines += [f"  s-{zone}-{n}:", "    kind: modality", f"    modality: {'CT' if n % 2 else 'MR'}"]
        lines += [f"    ae_title: {title}"]
    lines += ["accepts:"]
    lines += _conduit(f"deliver-{zone}", f"z{zone}/pacs-{zone}", f"ws-{zone}", "C-ECHO, C-STORE")
    lines += _conduit(f"ask-{zone}", f"[z{zone}/ws-{zone}, z{before}/ws-{before}]", f"pacs-{zone}", "C-ECHO, C-FIND")
    for n in scanners:
        lines += _conduit(f"store-{zone}-{n}", f"z{zone}/s-{zone}-{n}", f"pacs-{zone}", "C-ECHO, C-STORE")
    return "\n".join([*lines, ""])


def _conduit(name: str, source: str, destination: str, operations: str) -> list[str]:
    return [
        f"  - id: {name}",
        f"    from: {source}",
        f"    to: {destination}",
        "    service: dicom",
        f"    operations: [{operations}]",
        "    why: Images go where they are read.",
        "    owner: radiology-it",
    ]
