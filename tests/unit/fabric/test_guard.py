"""A guard acts when its parent is late or dead, and only then; real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pacslab.fabric import guard

WAIT_S = 10


def _until(there: Path) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not there.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return there.exists()


def test_dismissed_in_time_it_does_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "restored"
    assert guard.post(mark.touch, 60).dismiss()
    assert not mark.exists()


def test_late_it_acts_and_says_so(tmp_path: Path) -> None:
    mark = tmp_path / "restored"
    posted = guard.post(mark.touch, 0.05)
    assert _until(mark)
    assert not posted.dismiss()


def test_what_it_cannot_do_is_no_success(tmp_path: Path) -> None:
    posted = guard.post((tmp_path / "no" / "such" / "folder").touch, 0.01)
    time.sleep(0.2)
    assert not posted.dismiss()


def test_its_parent_killed_it_acts_at_once(tmp_path: Path) -> None:
    mark = tmp_path / "restored"
    script = f"""
import os, time
from pathlib import Path
from pacslab.fabric import guard
guard.post(Path({str(mark)!r}).touch, 600)
print(os.getpid(), flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        os.kill(int(parent.stdout.readline()), signal.SIGKILL)
        assert _until(mark)
