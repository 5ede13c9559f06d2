"""Part `acquire`: the scanner does a whole procedure by itself -> the steps it took, by its own timeline."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pacslab.model.device import Layer, Observation
from pacslab.model.workflow import Part, PlannedStep, Step
from pacslab.workflow.asking import is_final, is_unanswered
from pacslab.workflow.course import Course, Finding

LOOK_S = 3.0  # how long one look waits for a procedure that the scanner carries on by itself
# What the scanner calls the moments of each step; storing begins with making what is stored.
_MOMENTS: Mapping[Step, tuple[str, ...]] = {
    Step.WORKLIST: ("worklist",),
    Step.START: ("mpps-in-progress",),
    Step.STORE: ("acquire", "store"),
    Step.COMMIT: ("commit",),
    Step.COMPLETE: ("mpps-final",),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One try of one step, in readings of `time.monotonic`."""

    step: str
    started: float
    ended: float
    seen: Observation


@dataclass(frozen=True, slots=True)
class Performed:
    """What a scanner said of a procedure at last, and when it was asked and had answered."""

    observation: Observation
    asked: float
    answered: float
    attempts: int


def run(course: Course) -> None:
    """Have the procedure performed and record its steps.

    Raises:
        StepFailedError: One did not hold.
    """
    planned = course.planned(Part.ACQUIRE)
    for step in planned:
        course.announce(step)
    performed = perform(course)
    seen = performed.observation
    course.learn(pixels=dict(seen.facts.get("pixel_sha256", {})))
    moments = read_moments(performed, time.time())
    for step in planned:
        tries = [moment for moment in moments if moment.step in _MOMENTS[step.step]]
        if not tries:  # it never came to that: what the scanner said last is why
            finding = Finding(False, seen.layer, seen.status, seen.detail, performed.attempts)
            course.record(step, finding, performed.asked, performed.answered)
        else:
            course.record(step, _finding(course, step, tries, seen), tries[0].started, tries[-1].ended)


def perform(course: Course) -> Performed:
    """Let the scanner perform the procedure; where it is cut off, see how it carries on from its queue."""
    study, stations, devices = course.study, course.stations, course.devices
    assert stations.schedule is not None
    assert stations.store is not None
    side = str(study.side_pixels)
    form = ("--slices", str(study.slices), "--series", str(study.series), "--rows", side, "--columns", side)
    peers = ("--ris", stations.schedule.destination, "--archive", stations.store.destination)
    words = ("--accession", study.accession, "--seed", str(study.seed), *form, *peers)
    asked = time.monotonic()
    deadline = asked + devices.patience_s
    attempts = 0
    while True:
        attempts += 1
        seen = devices.ask_once(stations.scanner, "perform", *words, "--patience", f"{LOOK_S:g}")
        if _is_cut_off(seen):
            seen = _follow(course, seen, deadline)
        begun = bool(seen.facts.get("timeline"))  # then it is the scanner's queue that tries again
        if begun or is_final(seen) or time.monotonic() > deadline:
            return Performed(seen, asked, time.monotonic(), attempts)
        devices.pause(1.0)


def _is_cut_off(seen: Observation) -> bool:
    """Whether the scanner may still be at work on it: nobody answered, or it waits in the scanner's queue."""
    return is_unanswered(seen) or bool(seen.facts.get("next_step")) or seen.status == "in progress"


def _follow(course: Course, seen: Observation, deadline: float) -> Observation:
    """Look how the procedure goes until it is done or patience ends; as it was seen before, where there is none."""
    while time.monotonic() < deadline:
        course.devices.pause(0.5)
        words = ("procedure", "--accession", course.study.accession, "--wait", f"{LOOK_S:g}")
        now = course.devices.ask_once(course.stations.scanner, *words)
        if is_unanswered(now):
            continue  # the scanner is not back yet
        if now.status == "usage":
            return seen  # cut off before it chose from the worklist: nothing was begun
        seen = now
        if not seen.facts.get("next_step"):
            return seen
    return seen


def read_moments(performed: Performed, now_s: float) -> list[Moment]:
    """A procedure's timeline on this machine's clock.

    Args:
        performed: What the scanner said.
        now_s: `time.time()` on this machine when it had said so.
    """
    said: Sequence[Mapping[str, Any]] = performed.observation.facts.get("timeline", ())
    if not said:
        return []
    begun = [dt.datetime.fromisoformat(moment["at"]).timestamp() for moment in said]
    last_s = begun[-1] + float(said[-1]["elapsed_s"])
    # A scanner's clock may be wrong; its procedure lies between question and answer all the same.
    earliest_s = now_s - (performed.answered - performed.asked)
    wrong_s = 0.0 if earliest_s <= begun[0] and last_s <= now_s else last_s - now_s
    return [_moment(moment, performed.answered + at - wrong_s - now_s) for moment, at in zip(said, begun, strict=True)]


def _moment(said: Mapping[str, Any], started: float) -> Moment:
    elapsed_s = float(said["elapsed_s"])
    seen = Observation(
        str(said["step"]), "", bool(said["ok"]), Layer(said["layer"]), said["status"], said["detail"], elapsed_s
    )
    return Moment(seen.operation, started, started + elapsed_s, seen)


def _finding(course: Course, planned: PlannedStep, tries: Sequence[Moment], said: Observation) -> Finding:
    last = tries[-1].seen
    attempts = sum(moment.step == tries[-1].step for moment in tries)
    if last.ok and planned.step is Step.WORKLIST:
        study = course.study
        expected = (study.accession, study.patient_id, study.study_uid)
        got = tuple(said.facts.get(name) for name in ("accession", "patient_id", "study_uid"))
        if got != expected:
            detail = f"the entry is of accession, patient, study {got}, not {expected}"
            return Finding(False, last.layer, "not as expected", detail, attempts)
    complete = last.ok and last.operation == _MOMENTS[planned.step][-1]
    return Finding(complete, last.layer, last.status, last.detail, attempts)
