"""Part `order`: the record system registers the patient and orders; the RIS acknowledges and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pacslab.model.device import Layer
from pacslab.model.dicom import is_uid
from pacslab.model.workflow import PlannedStep, Step
from pacslab.workflow.asking import Answer
from pacslab.workflow.course import Acts, Course, Finding, found, unmet

SCHEDULED = "SCHEDULED"


def _order(course: Course, planned: PlannedStep) -> Finding:
    study, stations = course.study, course.stations
    who = ("--patient-id", study.patient_id, "--patient-name", study.patient_name)
    what = ("--accession", study.accession, "--modality", stations.modality, "--station-ae", stations.ae_title)
    answer = course.ask(planned.source, "order", planned.destination, *who, *what)
    if answer.observation.ok or answer.attempts == 1:
        return found(answer, "ADT^A01 and ORM^O01 acknowledged")
    # The order may have been taken and only its acknowledgement lost; then the RIS refuses it as a duplicate.
    if _entry(course.ask(planned.destination, "orders"), study.accession, study.patient_id):
        detail = f"acknowledgement lost; {planned.destination} has the order"
        return Finding(True, Layer.HL7, "AA", detail, answer.attempts)
    return found(answer)


def _schedule(course: Course, planned: PlannedStep) -> Finding:
    study = course.study
    answer = course.ask(planned.source, "orders")
    if not answer.observation.ok:
        return found(answer)
    entry = _entry(answer, study.accession, study.patient_id)
    if entry is None:
        return unmet(answer, f"{planned.source} has no order {study.accession} of patient {study.patient_id}")
    uid = str(entry.get("study_uid", ""))
    if entry.get("status") != SCHEDULED or not is_uid(uid):
        return unmet(answer, f"the order is {entry.get('status')}, its study UID is {uid!r}")
    course.learn(study_uid=uid)
    return found(answer, f"worklist entry for {entry.get('procedure')}, study {uid}")


def _entry(answer: Answer, accession: str, patient_id: str) -> Mapping[str, Any] | None:
    orders = answer.observation.facts.get("orders", ())
    mine = (order for order in orders if order.get("accession") == accession)
    return next((order for order in mine if order.get("patient_id") == patient_id), None)


ACTS: Acts = {Step.ORDER: _order, Step.SCHEDULE: _schedule}
