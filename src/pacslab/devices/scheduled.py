"""Worklist answers of a RIS -> the one procedure step that this station does next, with all that images must carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pacslab.model.dicom import is_uid


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What a worklist entry says (PS3.4 K.6.1.2.2); empty where it says nothing."""

    study_uid: str
    accession: str = ""
    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""  # YYYYMMDD
    sex: str = ""
    modality: str = ""
    station_ae: str = ""
    start: str = ""  # YYYYMMDDHHMMSS
    status: str = ""  # SCHEDULED, STARTED ...
    procedure_id: str = ""
    procedure: str = ""
    step_id: str = ""
    step: str = ""
    referring_physician: str = ""


def read_entry(match: Mapping[str, Any]) -> Scheduled:
    """Read one worklist answer, given as JSON values by keyword.

    Raises:
        ValueError: It has no Study Instance UID, or one that is none; images could not carry it.
    """
    study = str(match.get("StudyInstanceUID", ""))
    accession = str(match.get("AccessionNumber", ""))
    if not is_uid(study):
        raise ValueError(f"the worklist entry with accession number {accession!r} has study UID {study!r}: not a UID")
    step = (match.get("ScheduledProcedureStepSequence") or [{}])[0]
    return Scheduled(
        study_uid=study,
        accession=accession,
        patient_id=str(match.get("PatientID", "")),
        patient_name=str(match.get("PatientName", "")),
        birth_date=str(match.get("PatientBirthDate", "")),
        sex=str(match.get("PatientSex", "")),
        modality=str(step.get("Modality", "")),
        station_ae=str(step.get("ScheduledStationAETitle", "")),
        start=f"{step.get('ScheduledProcedureStepStartDate', '')}{step.get('ScheduledProcedureStepStartTime', '')}",
        status=str(step.get("ScheduledProcedureStepStatus", "")),
        procedure_id=str(match.get("RequestedProcedureID", "")),
        procedure=str(match.get("RequestedProcedureDescription", "")),
        step_id=str(step.get("ScheduledProcedureStepID", "")),
        step=str(step.get("ScheduledProcedureStepDescription", "")),
        referring_physician=str(match.get("ReferringPhysicianName", "")),
    )


def choose(entries: Iterable[Scheduled], accession: str, taken: frozenset[str]) -> Scheduled | None:
    """The entry with that accession number; without one, the earliest that nobody has begun.

    Args:
        entries: What the RIS has for this station.
        accession: Empty for the next one.
        taken: Accession numbers that this station is at work on already.
    """
    if accession:
        return next((entry for entry in entries if entry.accession == accession), None)
    waiting = [e for e in entries if e.status in {"", "SCHEDULED"} and e.accession not in taken]
    return min(waiting, key=lambda entry: (entry.start, entry.accession), default=None)
