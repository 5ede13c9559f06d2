"""`pytest --pacslab`: what is collected, and how wrong use is refused; no engine needed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    for folder in ("lab", "zones"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".pacslab"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run_pytest(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *argv]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_lab_alone_is_collected_when_no_path_is_named(labs: Path) -> None:
    (labs / "test_other.py").write_text("def test_other(): pass\n")
    done = run_pytest(labs, "--pacslab", "lab/minimal.yaml", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout
    assert "lab/minimal.yaml::reach[vendor-remote -> pacs-core http]" in done.stdout
    assert "lab/minimal.yaml::proof[PROOF-01]" in done.stdout
    assert "test_other" not in done.stdout


def test_tests_of_their_own_come_first_when_their_path_is_named(labs: Path) -> None:
    (labs / "test_own.py").write_text("def test_own(lab): assert lab.node('ct-1').address\n")
    done = run_pytest(labs, "--pacslab", "lab/minimal.yaml", "test_own.py", "--collect-only", "-q")
    lines = done.stdout.splitlines()
    assert lines[0] == "test_own.py::test_own"
    assert any("minimal.yaml::reach" in line for line in lines)


def test_suites_can_be_chosen(labs: Path) -> None:
    done = run_pytest(labs, "--pacslab", "lab/minimal.yaml", "--pacslab-only", "proof", "--collect-only", "-q")
    assert "::proof[" in done.stdout
    assert "::reach[" not in done.stdout


def test_without_the_option_a_lab_file_is_no_test(labs: Path) -> None:
    done = run_pytest(labs, "lab/minimal.yaml", "--collect-only", "-q")
    assert "::reach[" not in done.stdout


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--pacslab", "lab/nowhere.yaml"), "there is no lab file lab/nowhere.yaml"),
        (("--pacslab", "lab/minimal.yaml", "--pacslab-only", "reech"), "there is no suite 'reech'; there are reach"),
    ],
)
def test_wrong_use_is_refused_with_a_sentence(labs: Path, argv: tuple[str, ...], words: str) -> None:
    done = run_pytest(labs, *argv)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_in_the_labs_files_is_shown_with_its_place(labs: Path) -> None:
    file = labs / "lab" / "minimal.yaml"
    file.write_text(file.read_text().replace("posture: segmented", "posture: segmentd"))
    done = run_pytest(labs, "--pacslab", "lab/minimal.yaml")
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "lab/minimal.yaml:5:10: error[wrong-value]" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_fixture_says_which_lab_it_misses(labs: Path) -> None:
    (labs / "test_own.py").write_text("def test_own(lab): pass\n")
    done = run_pytest(labs, "test_own.py")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "the fixture `lab` needs a lab file: give --pacslab LAB" in done.stdout


def test_the_lab_of_the_fixture_can_stand_in_the_configuration(labs: Path) -> None:
    (labs / "pytest.ini").write_text("[pytest]\npacslab_lab = lab/minimal.yaml\n")
    (labs / "test_own.py").write_text("def test_own(lab_file): assert lab_file.name == 'minimal.yaml'\n")
    done = run_pytest(labs, "test_own.py", "-q")
    assert done.returncode == 0, done.stdout
