"""The plan's digest changes with what the lab means, and with nothing else."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pacslab.compiler.compile import compile_lab
from pacslab.labfile.load import load
from pacslab.model.lab import Lab, Zone
from pacslab.model.plan import Plan


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """The shipped files, to be written differently."""
    for folder in ("lab", "zones"):
        (tmp_path / folder).mkdir()
        for file in (root / folder).glob("*.yaml"):
            shutil.copy(file, tmp_path / folder)
    return tmp_path


def _digest(folder: Path) -> str:
    return compile_lab(load(folder / "lab/reference.yaml").lab).digest


def _commented(text: str) -> str:
    return "# a new first line\n\n" + "".join(f"{line}   # remark\n" for line in text.splitlines())


def _reversed_keys(value: Any, *, name: str = "") -> Any:
    """Every mapping backwards; nodes keep their order, which counts their addresses."""
    match value:
        case dict():
            keys = list(value) if name == "nodes" else reversed(value)
            return {key: _reversed_keys(value[key], name=key) for key in keys}
        case list():
            return [_reversed_keys(item) for item in value]
    return value


def _as_json(text: str) -> str:
    return json.dumps(yaml.load(text, yaml.BaseLoader), indent=3, ensure_ascii=False)  # noqa: S506 - text only


def _backwards(text: str) -> str:
    return json.dumps(_reversed_keys(yaml.load(text, yaml.BaseLoader)))  # noqa: S506 - text only


@pytest.mark.parametrize("rewrite", [_commented, _as_json, _backwards])
def test_the_same_lab_written_differently(rewrite: Callable[[str], str], copy: Path, reference: Plan) -> None:
    for file in copy.glob("*/*.yaml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(rewrite(text), encoding="utf-8")
        assert file.read_text(encoding="utf-8") != text
    assert _digest(copy) == reference.digest


def test_the_same_files_elsewhere(copy: Path, reference: Plan) -> None:
    assert _digest(copy) == reference.digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("zones/vendor-remote.yaml", "from: vendor-remote/vendor-1", "from: [vendor-remote/vendor-1, outside]"),
        (
            "zones/pacs-core.yaml",
            "from: clinical/reading-1\n    to: pacs\n",
            "from: clinical/ris\n    to: pacs\n",
        ),
        ("zones/pacs-core.yaml", "[C-ECHO, C-FIND, C-MOVE]", "[C-ECHO, C-FIND, C-MOVE, C-STORE]"),
        ("zones/pacs-core.yaml", "    forward: [archive/vna]\n", ""),
        ("zones/modality.yaml", "    granted: true\n    for: 30m\n", ""),
        ("zones/modality.yaml", "ae_title: CT1", "ae_title: CT2"),
        ("zones/cloud.yaml", "198.18.40.0/24", "198.18.41.0/24"),
        ("lab/reference.yaml", "posture: segmented", "posture: zoned"),
        ("lab/reference.yaml", "  - ../zones/outside.yaml\n", ""),
    ],
)
def test_another_lab(file: str, old: str, new: str, copy: Path, reference: Plan) -> None:
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert _digest(copy) != reference.digest


def _without_each_conduit(lab: Lab) -> Iterator[tuple[str, Lab]]:
    for zone in lab.zones:
        for conduit in zone.conduits:
            kept = tuple(other for other in zone.conduits if other is not conduit)
            yield conduit.id, _with(lab, zone, replace(zone, conduits=kept))


def _with(lab: Lab, old: Zone, new: Zone) -> Lab:
    return replace(lab, zones=tuple(new if zone is old else zone for zone in lab.zones))


def test_every_conduit_counts(reference_lab: Lab, reference: Plan) -> None:
    digests = {name: compile_lab(lab).digest for name, lab in _without_each_conduit(reference_lab)}
    assert len(digests) == 15
    assert len({*digests.values(), reference.digest}) == 16


def test_an_inert_conduit_does_not_count(minimal_lab: Lab, minimal: Plan) -> None:
    live = {flow.conduit for flow in minimal.flows}
    for name, lab in _without_each_conduit(minimal_lab):
        assert (compile_lab(lab).digest == minimal.digest) is (name not in live), name


def test_a_widened_port_counts(reference_lab: Lab, reference: Plan) -> None:
    zone = reference_lab.zones[0]
    node = zone.nodes[0]
    services = tuple(replace(s, port=104) if s.name == "dicom-tls" else s for s in node.services)
    nodes = (replace(node, services=services), *zone.nodes[1:])
    assert compile_lab(_with(reference_lab, zone, replace(zone, nodes=nodes))).digest != reference.digest


def test_a_container_has_a_digest_of_its_own(reference: Plan) -> None:
    container = reference.containers[0]
    assert len({c.digest for c in reference.containers}) == len(reference.containers)
    assert replace(container, memory_bytes=1).digest != container.digest
    assert replace(container).digest == container.digest


def test_no_secret_is_in_the_plan(reference: Plan) -> None:
    """Wherever a secret belongs there is a token, and only there."""
    for container in reference.containers:
        for file in container.files:
            if file.path.endswith((".json", ".sql", ".conf")) and "assword" in file.text:
                values = [line for line in file.text.splitlines() if "assword" in line or "PASSWORD" in line]
                allowed = ("{{pacslab:", "password_encryption")
                assert [line for line in values if not any(word in line for word in allowed)] == []
        assert "PRIVATE KEY" not in "".join(file.text for file in container.files)
