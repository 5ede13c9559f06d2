"""Suite `workflow`: a radiology day, from the order to the report; what is minimum must also be enough."""

from __future__ import annotations

from types import MappingProxyType

from pacslab.model.verdict import Check
from pacslab.model.workflow import Step

_NEEDED = "CSF 2.0 PR.IR-01"


def _check(number: int, requirement: str, *references: str) -> Check:
    return Check(f"WORK-{number:02}", "workflow", requirement, (*references, _NEEDED))


BY_STEP: MappingProxyType[Step, Check] = MappingProxyType(
    {
        Step.ORDER: _check(
            1, "A patient is registered and a study ordered; both are acknowledged.", "IHE RAD-1", "IHE RAD-2"
        ),
        Step.SCHEDULE: _check(
            2, "The order becomes a worklist entry with its accession number and a study UID.", "IHE RAD-4"
        ),
        Step.WORKLIST: _check(
            3, "The scanner finds exactly this entry in its worklist, patient and study UID intact.", "IHE RAD-5"
        ),
        Step.START: _check(4, "The scanner reports the procedure step in progress.", "IHE RAD-6"),
        Step.STORE: _check(
            5, "The scanner stores every image, under the order's accession number and study UID.", "IHE RAD-8"
        ),
        Step.COMMIT: _check(
            6, "The archive commits to keeping every image, on a connection of its own.", "IHE RAD-10", "PS3.4 J"
        ),
        Step.COMPLETE: _check(7, "The scanner reports the procedure step completed.", "IHE RAD-7"),
        Step.HOLD: _check(
            8, "The archive holds the whole study; accession number, study UID and pixels are intact.", "IHE RAD-8"
        ),
        Step.COPY: _check(
            9,
            "The study reaches each archive behind it; accession number, study UID and pixels are intact.",
            "PS3.4 B",
            "PS3.18 10.5",
        ),
        Step.FIND: _check(10, "The workstation finds the study, whole, by its accession number.", "IHE RAD-14"),
        Step.DELIVER: _check(
            11, "The study is delivered to the workstation by C-MOVE; study UID and pixels are intact.", "IHE RAD-16"
        ),
        Step.SEARCH: _check(
            12, "The workstation finds the study by its accession number over DICOMweb.", "IHE RAD-129"
        ),
        Step.RETRIEVE: _check(
            13, "The workstation reads the study over DICOMweb; study UID and pixels are intact.", "IHE RAD-107"
        ),
        Step.STATUS: _check(14, "The record system is told that the procedure began and was completed.", "IHE RAD-3"),
        Step.RESULT: _check(15, "The result is reported to the record system and acknowledged.", "IHE RAD-28"),
        Step.FILE: _check(16, "The record system has the report, on its own patient and order.", "IHE RAD-28"),
    }
)

CHECKS: tuple[Check, ...] = tuple(BY_STEP.values())
