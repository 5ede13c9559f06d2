"""Part `archive`: the study is at the scanners' archive, and goes on, leg by leg, to every archive behind it."""

from __future__ import annotations

import time

from pacslab.model.device import Layer
from pacslab.model.workflow import Part, PlannedStep, Step
from pacslab.workflow.asking import Answer
from pacslab.workflow.course import Acts, Course, Finding, found, unmet

LOOK_S = 3.0  # how long one look waits for the rest of a study; between looks the user may interrupt


def _hold(course: Course, planned: PlannedStep) -> Finding:
    """Wait until an archive holds the whole study, and compare every instance's pixels with the scanner's."""
    count = len(course.study.pixels)
    answer = _await(course, planned.destination, count)
    if not answer.observation.ok:
        return found(answer)
    said = (answer.observation.facts.get("accession"), answer.observation.facts.get("patient_id"))
    if said != (course.study.accession, course.study.patient_id):
        return unmet(answer, f"{planned.destination} has the study under accession number and patient {said}")
    difference = course.compare(planned.destination, answer.observation.facts.get("pixel_sha256", {}))
    if difference:
        return unmet(answer, difference)
    return found(answer, f"{count} instances, accession number and pixels the same")


def _await(course: Course, archive: str, count: int) -> Answer:
    deadline = time.monotonic() + course.devices.patience_s
    whole = ("--instances", str(count), "--wait", f"{LOOK_S:g}")
    while True:
        answer = course.ask(archive, "hash", "--study-uid", course.study.study_uid, *whole)
        # Only "not all of it yet" is worth another look; what else may pass has been asked again already.
        if answer.observation.layer is not Layer.LOCAL or answer.observation.ok or time.monotonic() > deadline:
            return answer


ACTS: Acts = {Step.HOLD: _hold, Step.COPY: _hold}


def run(course: Course) -> None:
    """Take the part's steps.

    Raises:
        StepFailedError: One did not hold.
    """
    course.walk(Part.ARCHIVE, ACTS)
