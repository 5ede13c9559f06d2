"""Other rules for the time of one sweep, and the planned ones back whatever happens -> what the sweep saw."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from pacslab.fabric import guard, leftovers, ruleset
from pacslab.fabric.refusal import Refusal
from pacslab.fabric.sweep import sweep
from pacslab.model.trial import TrialReport, TrialRequest

Progress = Callable[[str, int, int], None]

_POLL_S = 0.05


def trial(request: TrialRequest, progress: Progress) -> TrialReport:
    """Try a ruleset on the wire.

    Raises:
        Refusal: The rules in force are not the planned ones, nft refuses the new ones, or the planned ones do not
            come back as they were.
    """
    if not ruleset.as_loaded():
        raise Refusal("the rules in force are not those that were loaded", "put them back with: pacslab up LAB")
    before = ruleset.fingerprint(ruleset.document())
    known = leftovers.tracked()
    watch = guard.post(lambda: ruleset.put(request.planned), request.limit_s)
    began = time.monotonic()
    try:
        ruleset.put(request.ruleset)
        seen = sweep(request.sweep, progress)
        listed = json.dumps(ruleset.document())
    finally:
        ruleset.put(request.planned)
        open_s = time.monotonic() - began
        cut = leftovers.cut(leftovers.tracked() - known, request.lasting)
        on_time = watch.dismiss()
    if ruleset.fingerprint(ruleset.document()) != before:
        raise Refusal("the planned rules did not come back as they were", "put them back with: pacslab up LAB")
    return TrialReport(seen, listed, round(open_s, 4), cut, on_time)


def settled(limit_s: float) -> bool:
    """Wait until the rules in force are those that were loaded last; False: they are not after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not ruleset.as_loaded():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
