"""Worklist entries and a query -> the responses that match it (PS3.4 K.6.1.2.2, C.2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pydicom.dataset import Dataset

from pacslab.devices.messages import Order
from pacslab.devices.orders import Entry, Status


def answers(entries: Iterable[Entry], query: Dataset, asking_ae: str) -> Iterator[Dataset]:
    """Make the response of each entry that matches, with the keys the query asks for."""
    for entry in entries:
        response = describe(entry, asking_ae)
        if matches(response, query):
            yield _only(response, query)


def describe(entry: Entry, asking_ae: str) -> Dataset:
    """Write an order as a worklist item; an order without a station is for whichever station asks."""
    order, patient = entry.order, entry.patient
    step = Dataset()
    step.ScheduledStationAETitle = order.station_ae or asking_ae
    step.ScheduledProcedureStepStartDate = order.scheduled[:8]
    step.ScheduledProcedureStepStartTime = (order.scheduled[8:] + "000000")[:6]
    step.Modality = order.modality
    step.ScheduledPerformingPhysicianName = ""
    step.ScheduledProcedureStepDescription = order.procedure
    step.ScheduledStationName = ""
    step.ScheduledProcedureStepLocation = ""
    step.PreMedication = ""
    step.ScheduledProcedureStepID = order.accession
    step.RequestedContrastAgent = ""
    step.ScheduledProcedureStepStatus = "SCHEDULED" if entry.status is Status.SCHEDULED else "STARTED"
    step.ScheduledProtocolCodeSequence = _codes(order)
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    item.ScheduledProcedureStepSequence = [step]
    item.AccessionNumber = order.accession
    item.StudyInstanceUID = order.study_uid
    item.RequestedProcedureID = order.accession
    item.RequestedProcedureDescription = order.procedure
    item.RequestedProcedureCodeSequence = _codes(order)
    item.RequestedProcedurePriority = order.priority
    item.RequestingPhysician = order.requesting
    item.ReferringPhysicianName = order.requesting
    item.PatientName = patient.name
    item.PatientID = patient.patient_id
    item.PatientBirthDate = patient.birth_date
    item.PatientSex = patient.sex if patient.sex in {"F", "M", "O"} else ""
    item.ReferencedStudySequence = []
    item.ReferencedPatientSequence = []
    for keyword in (
        "PatientTransportArrangements", "AdmissionID", "CurrentPatientLocation", "PatientWeight",
        "ConfidentialityConstraintOnPatientDataDescription", "PatientState", "PregnancyStatus", "MedicalAlerts",
        "Allergies", "SpecialNeeds", "RequestedProcedureComments", "ReasonForTheRequestedProcedure",
        "RequestedProcedureLocation", "IssuerOfPatientID", "OtherPatientIDs", "PatientSize", "EthnicGroup",
    ):  # fmt: skip
        setattr(item, keyword, None if keyword == "PregnancyStatus" else "")
    return item


def _codes(order: Order) -> list[Dataset]:
    """The ordered procedure as a code (PS3.3 8.8); HL7's and DICOM's local scheme are both called L."""
    if not order.procedure_code:
        return []
    code = Dataset()
    value, meaning, scheme = order.procedure_code.split("^")
    code.CodeValue, code.CodeMeaning, code.CodingSchemeDesignator = value[:16], meaning, scheme[:16]
    return [code]


def matches(item: Dataset, query: Dataset) -> bool:
    """Say whether an item has what the query's keys ask for; an empty key asks for nothing."""
    return all(_holds(item, element) for element in query if element.keyword != "SpecificCharacterSet")


def _holds(item: Dataset, element: object) -> bool:
    keyword, asked, kind = element.keyword, element.value, element.VR  # type: ignore[attr-defined]
    if kind == "SQ":
        inner = asked[0] if asked else Dataset()
        candidates = item.get(keyword) or [Dataset()]
        return any(matches(candidate, inner) for candidate in candidates)
    if asked is None or not str(asked) or keyword not in item:
        return True  # PS3.4 C.2.2.2.3: universal; and optional keys that are not supported do not restrict
    has = str(item[keyword].value or "")
    wanted = [str(part) for part in asked] if element.VM > 1 else [str(asked)]  # type: ignore[attr-defined]
    return any(_equal(has, part, kind) for part in wanted)


def _equal(has: str, wanted: str, kind: str) -> bool:
    if kind in {"DA", "TM"} and "-" in wanted:
        first, _, last = wanted.partition("-")
        return bool(has) and (not first or has >= first) and (not last or has[: len(last)] <= last)
    if kind == "TM":
        return has[: len(wanted)] == wanted  # PS3.5 6.2: what is not said of a time is not compared
    if kind == "PN":
        has, wanted = has.casefold(), wanted.casefold()  # PS3.4 C.2.2.2.1: names may be matched so
    if kind in {"PN", "LO", "SH", "CS", "AE", "LT"} and ("*" in wanted or "?" in wanted):
        pattern = re.escape(wanted).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(pattern, has, re.DOTALL) is not None
    return has.rstrip(" ^") == wanted.rstrip(" ^")


def _only(item: Dataset, query: Dataset) -> Dataset:
    """Keep what was asked for, and the character set (PS3.4 C.4.1.1.3.2)."""
    kept = Dataset()
    for element in item:
        if element.keyword == "SpecificCharacterSet":
            kept.add(element)
        elif element.tag in query:
            inner = query[element.tag].value
            if element.VR == "SQ" and inner and element.value:
                setattr(kept, element.keyword, [_only(part, inner[0]) for part in element.value])
            else:
                kept.add(element)
    return kept
