"""A lab's life: up twice, down twice, lab file gone, names taken, interrupted, failed start."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import docker as sdk
import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import ROOT, RunningLab, pacslab, write_lab


def containers(lab: str) -> list[str]:
    with contextlib.closing(Docker.connect()) as engine:
        return sorted(container.name for container in engine.list(lab=lab))


def test_up_twice_keeps_everything(minimal: RunningLab) -> None:
    before = {c.name: c.id for c in Docker.connect().list(lab=minimal.name)}
    again = minimal("up", "--json")
    assert again.exit_code == 0, str(again)
    assert {change["action"] for change in again.json()["changes"]} == {"keep"}
    assert {c.name: c.id for c in Docker.connect().list(lab=minimal.name)} == before


def test_dry_run_changes_nothing_and_says_why(minimal: RunningLab) -> None:
    zone = minimal.file.parent.parent / "zones" / "modality.yaml"
    zone.write_text(zone.read_text().replace("model: Helix 64", "model: Helix 128"))
    dry = minimal("up", "--dry-run", "--json").json()
    changed = {change["node"]: change["reason"] for change in dry["changes"] if change["action"] != "keep"}
    assert list(changed) == ["ct-1"]
    assert "files" in changed["ct-1"]
    assert minimal("status").exit_code == 0
    assert minimal("up").exit_code == 0
    assert minimal("verify").exit_code == 0


def test_a_removed_conduit_closes_without_touching_a_node(minimal: RunningLab) -> None:
    before = {c.node: c.id for c in Docker.connect().list(lab=minimal.name)}
    zone = minimal.file.parent.parent / "zones" / "pacs-core.yaml"
    text = zone.read_text()
    zone.write_text(text.replace("from: modality\n", "from: modality/mr-1\n"))
    assert minimal("up").exit_code == 0
    after = {c.node: c.id for c in Docker.connect().list(lab=minimal.name)}
    assert after["vendor-1"] == before["vendor-1"]
    assert after["fabric"] == before["fabric"]
    assert minimal("verify", "--only", "reach").exit_code == 0
    assert minimal.exec("ct-1", "device", "echo", "pacs").exit_code != 0


def test_down_by_name_twice_with_the_lab_file_gone(minimal: RunningLab) -> None:
    minimal.file.unlink()
    named = pacslab("down", minimal.name)
    assert named.exit_code == 0, str(named)
    assert containers(minimal.name) == []
    assert not (minimal.file.parent / ".pacslab").exists()
    again = pacslab("down", minimal.name)
    assert (again.exit_code, "nothing" in again.stderr) == (0, True)


def test_down_finds_a_lab_whose_file_is_gone_by_its_path(images: None, tmp_path: Path) -> None:
    file = write_lab(tmp_path, "e2e-orphan", "minimal")
    assert pacslab("up", str(file)).exit_code == 0
    file.unlink()
    assert pacslab("down", str(file)).exit_code == 0
    assert containers("e2e-orphan") == []
    assert Docker.connect().volumes(lab="e2e-orphan") == ()


def test_a_taken_name_is_refused(images: None, tmp_path: Path) -> None:
    file = write_lab(tmp_path, "e2e-taken", "minimal")
    stranger = sdk.from_env().containers.create("pacslab/probe:trixie", name="pacslab-e2e-taken-pacs")
    try:
        done = pacslab("up", str(file))
        assert done.exit_code == 3
        assert "pacslab-e2e-taken-pacs is taken" in done.stderr
        assert containers("e2e-taken") == []
    finally:
        stranger.remove(force=True)


def test_the_same_lab_from_another_place_is_refused(minimal: RunningLab, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = write_lab(elsewhere, minimal.name, "minimal")
    done = pacslab("up", str(other))
    assert done.exit_code == 3
    assert "running already" in done.stderr
    assert minimal("status").exit_code == 0


@pytest.mark.parametrize("present", [1, 9, 17])
def test_ctrl_c_during_up_leaves_nothing(images: None, tmp_path: Path, present: int) -> None:
    """Interrupted at the first container, among them, and when all are there and their services start."""
    name = "e2e-interrupted"
    file = write_lab(tmp_path, name, "reference")
    process = subprocess.Popen(
        [sys.executable, "-m", "pacslab", "up", str(file)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while len(containers(name)) < present:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[1]
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 130, stderr
        assert "interrupted" in stderr
        assert containers(name) == []
        assert not (file.parent / ".pacslab" / name).exists()
    finally:
        process.kill()
        process.communicate()
        pacslab("down", name)


def test_a_failed_start_names_the_node_shows_its_log_and_leaves_nothing(images: None, tmp_path: Path) -> None:
    file = write_lab(tmp_path, "e2e-broken", "minimal")
    broken = sdk.from_env()
    # An image whose program ends at once, under the name the plan wants.
    container = broken.containers.create("pacslab/modality:trixie", entrypoint=["sh", "-c", "echo gone wrong; exit 7"])
    kept = broken.images.get("pacslab/modality:trixie")
    try:
        container.commit("pacslab/modality", "trixie", conf={"Entrypoint": ["sh", "-c", "echo gone wrong; exit 7"]})
        done = pacslab("up", str(file))
        assert done.exit_code == 3, str(done)
        assert "node ct-1 ended with exit code 7" in done.stderr
        assert "gone wrong" in done.stderr
        assert containers("e2e-broken") == []
    finally:
        container.remove(force=True)
        spoilt = broken.images.get("pacslab/modality:trixie").id
        kept.tag("pacslab/modality", "trixie")
        broken.images.remove(spoilt, force=True)
        pacslab("down", "e2e-broken")


def test_two_labs_run_at_once_without_seeing_each_other(minimal: RunningLab, reference: RunningLab) -> None:
    assert minimal("verify", "--only", "reach").exit_code == 0
    assert reference("verify", "--only", "reach").exit_code == 0
