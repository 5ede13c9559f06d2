"""The shipped labs as values, and files that pin what the program writes."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.compiler.compile import compile_lab
from pacslab.labfile.load import load
from pacslab.model.lab import Lab, Posture
from pacslab.model.plan import Plan

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help="Rewrite the golden files with what is written now.")


def pytest_configure() -> None:
    # Started with SIGINT ignored (nohup, a background job of a shell, some CI), our children would ignore it as well.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


def _load(name: str) -> Lab:
    """A shipped lab, with origins relative to the repository's root."""
    with contextlib.chdir(ROOT):
        return load(Path(f"lab/{name}.yaml")).lab


@pytest.fixture(scope="session")
def reference_lab() -> Lab:
    return _load("reference")


@pytest.fixture(scope="session")
def minimal_lab() -> Lab:
    return _load("minimal")


@pytest.fixture(scope="session")
def reference(reference_lab: Lab) -> Plan:
    """The plan of the reference lab."""
    return compile_lab(reference_lab)


@pytest.fixture(scope="session")
def minimal(minimal_lab: Lab) -> Plan:
    """The plan of the minimal lab."""
    return compile_lab(minimal_lab)


@pytest.fixture(scope="session")
def postures(reference_lab: Lab) -> dict[Posture, Plan]:
    """The reference lab's plan in every posture."""
    return {posture: compile_lab(reference_lab, posture) for posture in Posture}


Golden = Callable[[Path, str], None]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with its golden file; a missing file is a failure; `--golden-update` rewrites it."""

    def compare(file: Path, written: str) -> None:
        if request.config.getoption("--golden-update"):
            file.write_bytes(written.encode())
            return
        assert file.is_file(), f"no golden file {file}: read what would be written, then run pytest --golden-update"
        assert written == file.read_bytes().decode()

    return compare


@pytest.fixture(scope="session")
def nft_check() -> Callable[[str], str]:
    """Check a ruleset with the real nft in a network namespace of its own; what it complains of, or nothing."""
    if shutil.which("nft") is None or shutil.which("unshare") is None:
        pytest.skip("nft or unshare is not installed (lab/bootstrap --tests installs them)")
    if os.geteuid() != 0:
        pytest.skip("a network namespace for nft needs root")

    def check(text: str) -> str:
        command = ["unshare", "--net", "nft", "--check", "--file", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        return done.stderr if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"

    return check
