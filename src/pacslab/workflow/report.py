"""Part `report`: the RIS reports the result, and the record system has it, on the right patient and order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pacslab.model.workflow import PlannedStep, Step
from pacslab.workflow.course import Acts, Course, Finding, found, unmet

TEXT = "SYNTHETIC report: no finding."


def _result(course: Course, planned: PlannedStep) -> Finding:
    words = ("--accession", course.study.accession, "--text", TEXT)
    return found(course.ask(planned.source, "result", planned.destination, *words), "ORU^R01 acknowledged")


def _file(course: Course, planned: PlannedStep) -> Finding:
    study = course.study
    answer = course.ask(planned.source, "messages")
    if not answer.observation.ok:
        return found(answer)
    reports = reports_of(answer.observation.facts.get("messages", ()), study.accession)
    if not reports:
        return unmet(answer, f"{planned.source} has no report of order {study.accession}")
    if any(patient != study.patient_id or TEXT not in text for patient, text in reports):
        return unmet(answer, f"a report of order {study.accession} is of another patient, or says something else")
    return found(answer, f"report filed for patient {study.patient_id}")


def reports_of(messages: Iterable[Mapping[str, Any]], accession: str) -> list[tuple[str, str]]:
    """The patient's id and the text of every ORU^R01 about an order."""
    kept = (_fields(str(message["text"])) for message in messages if message.get("kind") == "ORU^R01")
    return [
        (fields.get("PID", {}).get(3, "").split("^")[0], fields.get("OBX", {}).get(5, ""))
        for fields in kept
        if accession in {fields.get("OBR", {}).get(2), fields.get("OBR", {}).get(3)}
    ]


def _fields(text: str) -> dict[str, dict[int, str]]:
    """The fields of each segment by number (HL7 2.5.3); the first segment of a name speaks for it."""
    segments: dict[str, dict[int, str]] = {}
    for line in text.split("\r"):
        name, *fields = line.split("|")
        segments.setdefault(name, dict(enumerate(fields, 1)))
    return segments


ACTS: Acts = {Step.RESULT: _result, Step.FILE: _file}
