"""JSON Schema: takes every shipped file, and refuses what a schema can see."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from pacslab.cli.app import run
from pacslab.labfile.editors import FileKind, json_schema

ROOT = Path(__file__).parents[3]
SHIPPED = [
    *((FileKind.LAB, path) for path in sorted((ROOT / "lab").glob("*.yaml"))),
    *((FileKind.ZONE, path) for path in sorted((ROOT / "zones").glob("*.yaml"))),
]
WORLD = [
    (FileKind.LAB if path.name == "lab.yaml" else FileKind.ZONE, path)
    for path in sorted((Path(__file__).parent / "world").glob("*.yaml"))
]
VALIDATORS = {kind: Draft7Validator(json_schema(kind)) for kind in FileKind}


def _as_text(path: Path) -> Any:
    return yaml.load(path.read_bytes(), yaml.BaseLoader)  # noqa: S506 - text only


def _as_editors_read(path: Path) -> Any:
    """With numbers and truth values; a date is text for editors (YAML 1.2 has none)."""
    return json.loads(json.dumps(yaml.safe_load(path.read_bytes()), default=str))


def _refused(kind: FileKind, value: Any) -> bool:
    return any(True for _ in VALIDATORS[kind].iter_errors(value))


@pytest.mark.parametrize("kind", FileKind)
def test_it_is_a_schema(kind: FileKind) -> None:
    Draft7Validator.check_schema(json_schema(kind))


@pytest.mark.parametrize(("kind", "path"), [*SHIPPED, *WORLD], ids=lambda item: getattr(item, "name", item))
def test_good_files_are_taken(kind: FileKind, path: Path) -> None:
    for value in (_as_text(path), _as_editors_read(path)):
        assert [error.message for error in VALIDATORS[kind].iter_errors(value)] == []


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=lambda item: getattr(item, "name", item))
def test_shipped_files_name_their_schema(kind: FileKind, path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    name = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / name).resolve() == ROOT / f"docs/reference/{kind.value}.schema.json"


# What one file alone shows to be wrong, without another file, a place or a look at the network.
SEEN = (
    "accepts-is-a-mapping",
    "ae-title-missing",
    "ae-title-useless",
    "bad-boolean",
    "bad-posture",
    "bad-until",
    "lab-file-is-a-list",
    "lab-file-is-text",
    "missing-key",
    "missing-key-in-conduit",
    "missing-setting",
    "no-sources",
    "no-zones",
    "node-name-in-capitals",
    "node-name-too-long",
    "node-without-body",
    "nodes-is-a-list",
    "setting-is-a-list",
    "several-at-once",
    "unknown-key",
    "unknown-key-from-underscore",
    "unknown-key-in-conduit",
    "unknown-key-in-lab",
    "unknown-kind",
    "unknown-operation",
    "unknown-setting",
    "until-is-a-number",
    "wrong-setting-choice",
    "zone-use-is-a-list",
    "zone-use-with-unknown-key",
)


@pytest.mark.parametrize("case", SEEN)
def test_bad_files_are_refused(case: str) -> None:
    folder = ROOT / "tests/golden/bad" / case
    kinds = {path: FileKind.LAB if path.name == "lab.yaml" else FileKind.ZONE for path in folder.glob("*.yaml")}
    assert any(_refused(kind, _as_text(path)) for path, kind in kinds.items())


@pytest.mark.parametrize(
    ("node", "good"),
    [
        ({"kind": "container", "image": "a", "environment": {"A": "1", "B": 2}, "command": ["x"]}, True),
        ({"kind": "container", "image": "a", "services": [{"name": "web", "port": 80}]}, True),
        ({"kind": "container", "image": "a", "services": [{"name": "web", "port": "6000-6010"}]}, True),
        ({"kind": "container", "image": "a", "services": [{"name": "web", "port": 65536}]}, False),
        ({"kind": "container", "image": "a", "services": [{"port": 80}]}, False),
        ({"kind": "container", "image": "a", "environment": ["A=1"]}, False),
        ({"kind": "container"}, False),
        ({"kind": "probe", "image": "a"}, False),
        ({"kind": "probe", "count": 40}, True),
        ({"kind": "probe", "count": 0}, False),
        ({"kind": "probe", "title": None}, False),
        ({"kind": "modality", "modality": "CT", "ae_title": "A", "service_console": True}, True),
        ({"kind": "modality", "modality": "CT", "ae_title": "A", "criticality": "highest"}, False),
    ],
)
def test_settings_follow_the_kind(node: dict[str, Any], *, good: bool) -> None:
    zone = {"zone": "z", "network": "198.18.0.0/24", "nodes": {"n": node}}
    assert _refused(FileKind.ZONE, zone) is not good


@pytest.mark.parametrize("kind", FileKind)
def test_the_command_prints_what_is_committed(kind: FileKind, capsys: pytest.CaptureFixture[str]) -> None:
    run(["schema", kind.value])
    assert capsys.readouterr().out == (ROOT / f"docs/reference/{kind.value}.schema.json").read_text(encoding="utf-8")
