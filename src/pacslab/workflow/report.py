"""Part `report`: the record system was told how the procedure went, gets the result, and files it where it belongs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pacslab.model.device import Observation
from pacslab.model.workflow import Part, PlannedStep, Step
from pacslab.workflow import letters
from pacslab.workflow.course import Acts, Course, Finding, found, unmet

TEXT = "SYNTHETIC report: no finding."
PROGRESS = ("IN PROGRESS", "COMPLETED")  # what the RIS tells of by itself (IHE RAD-3)
LOOK_EVERY_S = 0.5


def _status(course: Course, planned: PlannedStep) -> Finding:
    """Each change of status was told, also one that had to wait in the RIS's queue."""
    deadline = time.monotonic() + course.devices.patience_s
    while True:
        answer = course.ask(planned.destination, "results")
        history = [item["status"] for item in _about(answer.observation, course).get("history", ())]
        if not answer.observation.ok:
            return found(answer)
        if all(status in history for status in PROGRESS):
            return found(answer, f"told: {', '.join(history).lower()}")
        if time.monotonic() > deadline:
            return unmet(answer, f"{planned.destination} was told {', '.join(history).lower() or 'nothing'}")
        course.devices.pause(LOOK_EVERY_S)


def _result(course: Course, planned: PlannedStep) -> Finding:
    words = ("result", "--accession", course.study.accession, "--text", TEXT)

    def arrived() -> bool:
        return bool(_about(course.devices.ask_once(planned.destination, "results"), course).get("reports"))

    return letters.send(course, planned, words, arrived, "ORU^R01 acknowledged")


def _file(course: Course, planned: PlannedStep) -> Finding:
    study = course.study
    answer = course.ask(planned.source, "results")
    if not answer.observation.ok:
        return found(answer)
    about = _about(answer.observation, course)
    if not about.get("reports"):
        return unmet(answer, f"{planned.source} has no report of order {study.accession}")
    texts = {report["text"] for report in about["reports"]}
    if about["patient_id"] != study.patient_id or texts != {TEXT}:
        return unmet(answer, f"order {study.accession} has {sorted(texts)} of patient {about['patient_id']} on file")
    return found(answer, f"report filed for patient {study.patient_id}")


def _about(seen: Observation, course: Course) -> Mapping[str, Any]:
    """What the record system knows of this study's order; empty: nothing."""
    results = seen.facts.get("results", ())
    return next((one for one in results if one["accession"] == course.study.accession), {})


ACTS: Acts = {Step.STATUS: _status, Step.RESULT: _result, Step.FILE: _file}


def run(course: Course) -> None:
    """Take the part's steps.

    Raises:
        StepFailedError: One did not hold.
    """
    course.walk(Part.REPORT, ACTS)
