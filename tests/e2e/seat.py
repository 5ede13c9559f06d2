"""A node's seat for programs of the host: its network namespace, its certificate, its address."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import ROOT, RunningLab


@dataclass(frozen=True)
class Seat:
    """Where a program of the host sits, and whose papers it shows."""

    pid: int
    pki: Path

    def certificate(self, node: str) -> tuple[str, str]:
        return str(self.pki / f"{node}.pem"), str(self.pki / f"{node}.key")

    @property
    def ca(self) -> str:
        return str(self.pki / "ca.pem")

    def run(self, *argv: str, timeout_s: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the host behind the node's cable: the firewall applies to it."""
        command = ["nsenter", f"--target={self.pid}", "--net", *argv]
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **environment}
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=env)

    def python(self, *argv: str, timeout_s: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, *argv, timeout_s=timeout_s, **environment)


def take_seat(docker: Docker, lab: RunningLab, node: str, *programs: str) -> Seat:
    """Sit down at a node; skips where this machine cannot: no root, an engine elsewhere, a program not installed."""
    lacking = [name for name in ("nsenter", *programs) if shutil.which(name) is None]
    if lacking:
        if os.environ.get("CI"):
            pytest.fail(f"{', '.join(lacking)} is not installed: lab/bootstrap --tests")
        pytest.skip(f"{', '.join(lacking)} is not installed (lab/bootstrap --tests installs it)")
    if os.geteuid() != 0:
        pytest.skip("entering a node's network namespace from the host needs root")
    running = {container.node: container for container in docker.list(lab=lab.name)}
    pid = running[node].pid
    if not Path(f"/proc/{pid}/ns/net").exists():
        pytest.skip("the engine runs on another machine")
    return Seat(pid, lab.file.parent / ".pacslab" / lab.name / "pki")
