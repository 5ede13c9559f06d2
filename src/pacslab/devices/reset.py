"""`device reset`: Orthanc begins anew with what its files say now, in the same process, on the same cable."""

from __future__ import annotations

import argparse
import re
import time

from pacslab.devices.home import Home
from pacslab.devices.observing import DONE, Outcome, begin
from pacslab.devices.orthanc import Rest, RestError, open_rest
from pacslab.model.device import Layer, Observation

READY_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.1
_LOOK_TIMEOUT_S = 5.0
_UPTIME = re.compile(rb"^orthanc_up_time_s (\d+)", re.MULTILINE)


def reset(home: Home, arguments: argparse.Namespace) -> Observation:
    """Reset Orthanc and wait until it answers again; its jobs go on afterwards (`SaveJobs`)."""
    del arguments
    watch = begin("reset")
    rest = open_rest(home)
    try:
        before_s = _uptime_s(rest)
        rest.call("POST", "/tools/reset")
    except RestError as error:
        return watch.end(error.outcome)
    return watch.end(_await_new(rest, before_s))


def _await_new(rest: Rest, before_s: int) -> Outcome:
    """Wait until it has gone and come back: the old one goes on answering for a moment."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    gone = False
    while time.monotonic() < deadline:
        try:
            if _uptime_s(rest) < before_s or gone:
                return DONE
        except (RestError, OSError):  # http.client does not wrap what breaks in the middle of an answer
            gone = True
        time.sleep(_LOOK_EVERY_S)
    return Outcome(False, Layer.LOCAL, "timed out", f"Orthanc did not come back within {READY_TIMEOUT_S:.0f} s")


def _uptime_s(rest: Rest) -> int:
    found = _UPTIME.search(rest.call("GET", "/tools/metrics-prometheus", timeout_s=_LOOK_TIMEOUT_S))
    return int(found[1]) if found else 0
