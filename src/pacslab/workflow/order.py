"""Part `order`: the record system registers the patient and orders; the RIS acknowledges and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pacslab.model.device import Observation
from pacslab.model.dicom import is_uid
from pacslab.model.workflow import Part, PlannedStep, Step
from pacslab.workflow import letters
from pacslab.workflow.course import Acts, Course, Finding, found, unmet

SCHEDULED = "SCHEDULED"


def _order(course: Course, planned: PlannedStep) -> Finding:
    study, stations = course.study, course.stations
    who = ("--patient-id", study.patient_id, "--patient-name", study.patient_name)
    what = ("--accession", study.accession, "--modality", stations.modality, "--station-ae", stations.ae_title)

    def arrived() -> bool:
        seen = course.devices.ask_once(planned.destination, "orders")
        return _entry(seen, study.accession, study.patient_id) is not None

    return letters.send(course, planned, ("order", *who, *what), arrived, "ADT^A01 and ORM^O01 acknowledged")


def _schedule(course: Course, planned: PlannedStep) -> Finding:
    study = course.study
    answer = course.ask(planned.source, "orders")
    if not answer.observation.ok:
        return found(answer)
    entry = _entry(answer.observation, study.accession, study.patient_id)
    if entry is None:
        return unmet(answer, f"{planned.source} has no order {study.accession} of patient {study.patient_id}")
    uid = str(entry.get("study_uid", ""))
    if entry.get("status") != SCHEDULED or not is_uid(uid):
        return unmet(answer, f"the order is {entry.get('status')}, its study UID is {uid!r}")
    course.learn(study_uid=uid)
    return found(answer, f"worklist entry for {entry.get('procedure')}, study {uid}")


def _entry(seen: Observation, accession: str, patient_id: str) -> Mapping[str, Any] | None:
    orders = seen.facts.get("orders", ())
    mine = (order for order in orders if order.get("accession") == accession)
    return next((order for order in mine if order.get("patient_id") == patient_id), None)


ACTS: Acts = {Step.ORDER: _order, Step.SCHEDULE: _schedule}


def run(course: Course) -> None:
    """Take the part's steps.

    Raises:
        StepFailedError: One did not hold.
    """
    course.walk(Part.ORDER, ACTS)
