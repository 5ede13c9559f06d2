"""Tests of one's own against a real lab, as somebody else would write them: `pytest --pacslab LAB`."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from pacslab.engine.docker import Docker
from pacslab.testing import Lab
from tests.e2e.conftest import RunningLab, write_lab

OWN = """
import pytest
from pacslab.testing import CommandFailed

def test_a_scanner_reaches_its_archive(lab):
    seen = lab.node("ct-1").device("echo", "pacs")
    assert seen.ok, seen

def test_a_stranger_is_refused_by_the_archive(lab):
    seen = lab.node("ct-1").device("echo", "pacs", "--calling-ae", "NOBODY")
    assert not seen.ok
    assert seen.status == "A-ASSOCIATE-RJ 1/1/3"

def test_files_and_failures(lab):
    node = lab.node("modality/ct-1")
    node.put("/var/lib/pacslab/note.txt", b"hello")
    assert node.exec("cat", "/var/lib/pacslab/note.txt").stdout == b"hello"
    with pytest.raises(CommandFailed, match="cat: /nowhere"):
        node.exec("cat", "/nowhere")
    assert node.exec("false", check=False).exit_code == 1
"""


def run_pytest(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), *argv]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_a_lab_is_brought_up_tested_and_taken_down(images: None, tmp_path: Path) -> None:
    file = write_lab(tmp_path, "e2e-own", "minimal")
    (tmp_path / "test_own.py").write_text(OWN)
    done = run_pytest(tmp_path, "--pacslab", str(file), "test_own.py", "--junitxml", "junit.xml")
    assert done.returncode == 0, done.stdout + done.stderr
    names = {case.get("name", "") for case in ET.parse(tmp_path / "junit.xml").iter("testcase")}  # noqa: S314
    assert {"test_a_scanner_reaches_its_archive", "reach[vendor-remote -> pacs-core http]", "proof[PROOF-01]"} <= names
    assert not Docker.connect().list(lab="e2e-own"), "what the tests brought up, they take down"


def test_a_lab_that_is_up_is_judged_as_it_is_and_left_up(minimal: RunningLab, tmp_path: Path) -> None:
    rule = "ip daddr 198.18.20.10 tcp dport 8042 accept"
    minimal.nft("insert", "rule", "inet", "pacslab", "forward", *rule.split())
    done = run_pytest(tmp_path, "--pacslab", str(minimal.file), "--pacslab-only", "reach,proof")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL REACH-02 vendor-1 -> pacs http" in done.stdout
    assert "opens vendor-1 -> pacs:8042 (http)" in done.stdout
    assert "Traceback" not in done.stdout
    assert Lab(minimal.file).is_up


def test_the_lab_works_without_pytest_too(images: None, tmp_path: Path) -> None:
    with Lab(write_lab(tmp_path, "e2e-with", "minimal")) as lab:
        assert lab.verify("proof").verdict.value == "PASS"
        assert {node.name for node in lab.nodes} == {"ct-1", "pacs", "vendor-1"}
    assert not Docker.connect().list(lab="e2e-with")
