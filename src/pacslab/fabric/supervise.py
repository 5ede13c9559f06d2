"""Nothing -> a closed firewall at once, then the fabric's first process: waits, reaps, ends when told to."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from pacslab.fabric import ruleset
from pacslab.fabric.refusal import Refusal

RULESET_FILE = Path("/etc/pacslab/ruleset.nft")
READY_MARK = Path("/run/pacslab/ready")
READY_TIMEOUT_S = 10.0

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def serve() -> None:
    """Close the firewall, load the lab's ruleset if one was copied in, mark readiness, wait for the end.

    Raises:
        Refusal: The ruleset copied in does not load; the namespace stays closed until it goes with this process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    READY_MARK.unlink(missing_ok=True)  # a container that restarts keeps its files, not its rules
    if not ruleset.is_loaded():
        ruleset.load(ruleset.DENY_ALL)
    loaded = "deny-all"
    if RULESET_FILE.exists():
        loaded = ruleset.load(RULESET_FILE.read_text(encoding="utf-8")).sha256
    READY_MARK.parent.mkdir(parents=True, exist_ok=True)
    READY_MARK.write_text(f"{loaded}\n", encoding="ascii")
    print(f"ready: {loaded}", file=sys.stderr, flush=True)
    while signal.sigwait(_SIGNALS) == signal.SIGCHLD:
        _reap()
    READY_MARK.unlink(missing_ok=True)


def await_ready() -> None:
    """Wait until `serve` has loaded the lab's ruleset.

    Raises:
        Refusal: It has not after READY_TIMEOUT_S.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not READY_MARK.exists():
        if time.monotonic() > deadline:
            raise Refusal("the fabric's first process is not ready", "see the fabric's log")
        time.sleep(0.02)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
