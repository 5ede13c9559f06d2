"""A real lab on a real engine, once for all tests of this folder, under a name of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pacslab.engine.docker import Docker

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True)
class Done:
    """A command line that ended."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"pacslab {' '.join(self.argv)} -> {self.exit_code}\n{self.stdout[-4000:]}\n{self.stderr[-4000:]}"


def pacslab(*argv: str, cwd: Path = ROOT, timeout_s: float = TIMEOUT_S) -> Done:
    """Run the command line as a user does, in a process of its own."""
    command = [sys.executable, "-m", "pacslab", *argv]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)
    return Done(argv, done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class RunningLab:
    """A lab that is up, and its command line."""

    name: str
    file: Path

    def __call__(self, command: str, *argv: str) -> Done:
        return pacslab(command, str(self.file), *argv)

    def exec(self, node: str, *argv: str) -> Done:
        return pacslab("exec", str(self.file), node, "--", *argv)

    def device(self, node: str, *argv: str) -> dict[str, Any]:
        """Ask a node's device for something that must succeed."""
        done = self.exec(node, "device", *argv)
        assert done.exit_code == 0, str(done)
        answer: dict[str, Any] = done.json()
        return answer

    def container(self, node: str) -> str:
        return f"pacslab-{self.name}-{node}"

    def nft(self, *argv: str) -> str:
        """Change the live ruleset behind pacslab's back."""
        executed = Docker.connect().exec(self.container("fabric"), ("nft", *argv))
        assert executed.exit_code == 0, executed.stderr.decode()
        return executed.stdout.decode()


def write_lab(folder: Path, name: str, source: str) -> Path:
    """A copy of a shipped lab under another name, with the shipped zone files."""
    shutil.copytree(ROOT / "zones", folder / "zones", dirs_exist_ok=True)
    (folder / "lab").mkdir(exist_ok=True)
    text = (ROOT / "lab" / f"{source}.yaml").read_text()
    assert f"\nlab: {source}\n" in text
    file = folder / "lab" / f"{name}.yaml"
    file.write_text(text.replace(f"\nlab: {source}\n", f"\nlab: {name}\n"))
    return file


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    engine = Docker.connect()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def images(docker: Docker) -> None:
    """All images, built if `make images` has not."""
    done = pacslab("images", "build", timeout_s=900)
    assert done.exit_code == 0, str(done)


def _bring_up(folder: Path, name: str, source: str) -> Iterator[RunningLab]:
    file = write_lab(folder, name, source)
    pacslab("down", name)
    done = pacslab("up", str(file))
    try:
        assert done.exit_code == 0, str(done)
        yield RunningLab(name, file)
    finally:
        gone = pacslab("down", name)
        assert gone.exit_code == 0, str(gone)


@pytest.fixture(scope="session")
def reference(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """The reference lab; every test leaves it as it found it."""
    yield from _bring_up(tmp_path_factory.mktemp("reference"), "e2e-reference", "reference")


@pytest.fixture
def minimal(images: None, tmp_path: Path) -> Iterator[RunningLab]:
    """A minimal lab for one test."""
    yield from _bring_up(tmp_path, "e2e-minimal", "minimal")
