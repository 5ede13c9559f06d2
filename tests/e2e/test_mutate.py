"""Broken firewalls on a real wire: each ends as foreseen, and whatever dies meanwhile, the planned rules come back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import ROOT, Done, RunningLab, _bring_up, pacslab

SAMPLE = 24
SEED = 5
# The oldest process of this fabric (it sees all of its host's) that runs a trial; its guard is its child.
KILL = r"""
import os, signal
from pathlib import Path

own = os.readlink("/proc/self/ns/net")
trials = []
for folder in Path("/proc").glob("[0-9]*"):
    try:
        if os.readlink(folder / "ns/net") == own and b"\0trial\0" in (folder / "cmdline").read_bytes():
            trials.append(int(folder.name))
    except OSError:
        continue
for trial in sorted(trials)[:1]:
    os.kill(trial, signal.SIGKILL)
"""
RULES_FILE = "/etc/pacslab/ruleset.nft"


def _rules(lab: RunningLab) -> str:
    return lab.nft("-s", "list", "table", "inet", "pacslab")


def _is_as_planned(lab: RunningLab) -> bool:
    done = lab("drift", "--json")
    return (done.exit_code, done.json()["deviations"]) == (0, [])


def _start(lab: RunningLab) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "pacslab", "mutate", str(lab.file), "--sample", "30", "--seed", "3"]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _until_broken(lab: RunningLab, planned: str, limit_s: float = 300) -> None:
    """Wait until other rules than the planned ones are in force."""
    deadline = time.monotonic() + limit_s
    while _rules(lab) == planned:
        assert time.monotonic() < deadline, "no mutant was ever loaded"


def _until_restored(lab: RunningLab, planned: str, limit_s: float) -> float:
    began = time.monotonic()
    while _rules(lab) != planned:
        assert time.monotonic() - began < limit_s, "a mutant is still in force"
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def small(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A lab whose mutants are proved in a moment, so that the first one is soon in force."""
    yield from _bring_up(tmp_path_factory.mktemp("mutate"), "e2e-mutate", "minimal")


@pytest.fixture(scope="module")
def outcome(reference: RunningLab) -> Done:
    return pacslab("mutate", str(reference.file), "--sample", str(SAMPLE), "--seed", str(SEED), "--json", timeout_s=580)


def test_a_sample_tried_live_ends_as_foreseen(outcome: Done) -> None:
    score = json.loads(outcome.stdout)
    tried = [one for one in score["mutants"] if one["live"] is not None]
    assert score["schema_version"] == 1
    assert len(tried) == SAMPLE
    assert [(one["id"], one["live"]["disagreements"]) for one in tried if one["live"]["disagreements"]] == []
    assert {one["live"]["proof"] for one in tried if one["kind"] in {"meaning", "latent"}} == {"caught"}


def test_proof_misses_nothing_that_changes_meaning(outcome: Done) -> None:
    score = json.loads(outcome.stdout)
    assert score["proof_share"] == 1
    assert score["survivors_of_proof"] == []
    assert all(one["missing"] for one in score["mutants"] if one["id"] in score["survivors_of_reach"])
    assert outcome.exit_code == (0 if score["holds"] else 1)


def test_the_lab_is_as_planned_afterwards(reference: RunningLab, outcome: Done) -> None:
    assert _is_as_planned(reference)
    assert reference("verify", "--only", "proof").exit_code == 0


def test_killed_in_the_middle_the_planned_rules_come_back(small: RunningLab) -> None:
    planned = _rules(small)
    with _start(small) as running:
        _until_broken(small, planned)
        running.kill()
    assert _until_restored(small, planned, 40) < 40
    assert _is_as_planned(small)


def test_the_fabrics_own_process_killed_the_guard_puts_the_rules_back(small: RunningLab) -> None:
    planned = _rules(small)
    fabric = small.container("fabric")
    docker = Docker.connect()
    with _start(small) as running:
        _until_broken(small, planned)
        while running.poll() is None:  # one that has already given its answer dies unnoticed; then the next one
            killed = docker.exec(fabric, ("python3", "-c", KILL))
            assert killed.exit_code == 0, killed.stderr.decode()
        _, said = running.communicate()
    assert _until_restored(small, planned, 5) < 5
    assert running.returncode != 0
    assert "the fabric ended without an answer to trial" in said
    assert _is_as_planned(small)


def test_interrupted_it_says_that_the_planned_rules_are_in_force(small: RunningLab) -> None:
    planned = _rules(small)
    with _start(small) as running:
        _until_broken(small, planned)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "the planned rules are in force" in said
    assert _rules(small) == planned


def test_two_at_once_are_refused(small: RunningLab) -> None:
    planned = _rules(small)
    with _start(small) as running:
        _until_broken(small, planned)
        try:
            done = small("up")
            assert done.exit_code != 0
            assert "another command holds this lab: pacslab mutate" in done.stderr
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=120)
    assert _rules(small) == planned


def test_a_lab_that_is_already_wrong_is_refused(small: RunningLab) -> None:
    small.nft("add", "rule", "inet", "pacslab", "input", "accept")
    try:
        done = small("mutate", "--sample", "1")
        assert done.exit_code != 0
        assert "somebody changed them" in done.stderr
    finally:
        small.nft("-f", RULES_FILE)
    assert _is_as_planned(small)


def test_static_needs_no_lab() -> None:
    done = pacslab("mutate", str(ROOT / "lab" / "minimal.yaml"), "--static", "--sample", "20", "--seed", "1")
    assert "mutants of lab minimal" in done.stdout
    assert done.exit_code in {0, 1}
