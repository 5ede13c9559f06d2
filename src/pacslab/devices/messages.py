"""Patients, orders, progress and reports -> HL7 v2 messages, and answers -> acknowledgements (HL7 2.5.1)."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from pacslab.devices.reading import ACCEPTED, CHARACTER_SETS, CONDITIONS, Header, MessageError

VERSION = "2.5.1"
STRUCTURES = {"A08": "A01", "A40": "A39"}  # HL7 table 0354: events that share another's structure


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom a message is about."""

    patient_id: str
    name: str  # family^given, as in DICOM
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """An imaging order, as far as a worklist needs it."""

    accession: str
    modality: str
    procedure: str
    scheduled: str  # YYYYMMDDHHMM
    station_ae: str = ""
    study_uid: str = ""
    procedure_code: str = ""  # code^meaning^scheme
    priority: str = ""  # DICOM's word: STAT, HIGH, ROUTINE, MEDIUM, LOW
    requesting: str = ""  # family^given of who asks for it
    placer: str = ""  # the node that ordered


@dataclass(frozen=True, slots=True)
class Sender:
    """The two applications a message runs between."""

    application: str
    receiver: str


def header(sender: Sender, kind: str, control_id: str = "", character_set: str = "UNICODE UTF-8") -> str:
    """Write the MSH segment of a message of that kind, `ADT^A01`."""
    now = dt.datetime.now().astimezone().strftime("%Y%m%d%H%M%S%z")
    code, _, trigger = kind.partition("^")
    structure = f"{code}_{STRUCTURES.get(trigger, trigger)}" if code != "ACK" else "ACK"
    control = control_id or uuid.uuid4().hex[:20]
    return (
        f"MSH|^~\\&|{escape(sender.application)}|PACSLAB|{escape(sender.receiver)}|PACSLAB|{now}||"
        f"{code}^{trigger}^{structure}|{control}|P|{VERSION}||||||{character_set}"
    )


def registration(sender: Sender, patient: Patient, trigger: str = "A01") -> str:
    """Write an ADT message: a patient is admitted (A01) or changed (A08) (HL7 3.3.1, 3.3.8)."""
    return _join(header(sender, f"ADT^{trigger}"), f"EVN|{trigger}|{_now()}", _pid(patient), "PV1|1|O")


def merge(sender: Sender, patient: Patient, retired_id: str) -> str:
    """Write an ADT^A40: what was kept under a retired identifier is this patient's (HL7 3.3.40)."""
    retired = f"MRG|{escape(retired_id)}^^^PACSLAB^MR"
    return _join(header(sender, "ADT^A40"), f"EVN|A40|{_now()}", _pid(patient), retired)


def order(sender: Sender, patient: Patient, ordered: Order, control: str = "NW") -> str:
    """Write an ORM^O01: a new (NW), cancelled (CA) or changed (XO) order (HL7 4.4.1, fields as in IHE RAD-2)."""
    number = escape(ordered.accession)
    timing = f"^^^{ordered.scheduled}^^{ {'STAT': 'S', 'HIGH': 'A'}.get(ordered.priority, 'R') }"
    who = f"^{_components(ordered.requesting)}" if ordered.requesting else ""
    procedure = _components(ordered.procedure_code) or f"{ordered.modality}^{escape(ordered.procedure)}^L"
    detail: dict[int, str] = {1: "1", 2: number, 4: procedure, 16: who, 18: number, 19: number, 20: number}
    detail |= {21: escape(ordered.station_ae), 24: ordered.modality, 27: timing}
    study = [f"ZDS|{ordered.study_uid}^PACSLAB^Application^DICOM"] if ordered.study_uid else []
    orc = _segment("ORC", {1: control, 2: number, 7: timing, 9: _now(), 12: who})
    return _join(header(sender, "ORM^O01"), _pid(patient), "PV1|1|O", orc, _segment("OBR", detail), *study)


def order_status(sender: Sender, patient: Patient, ordered: Order, status: str, note: str = "") -> str:
    """Write an ORM^O01 that tells an order's status (ORC-1 SC; ORC-5 HL7 table 0038), as in IHE RAD-3."""
    number = escape(ordered.accession)
    orc = _segment("ORC", {1: "SC", 2: number, 3: number, 5: status, 9: _now()})
    procedure = _components(ordered.procedure_code) or f"{ordered.modality}^{escape(ordered.procedure)}^L"
    obr = _segment("OBR", {1: "1", 2: number, 3: number, 4: procedure, 18: number, 24: ordered.modality})
    notes = [f"NTE|1||{escape(note)}"] if note else []
    return _join(header(sender, "ORM^O01"), _pid(patient), orc, obr, *notes)


def result(sender: Sender, patient: Patient, ordered: Order, text: str) -> str:
    """Write an ORU^R01: the final report of an order (HL7 7.3.1)."""
    number = escape(ordered.accession)
    procedure = _components(ordered.procedure_code) or f"{ordered.modality}^{escape(ordered.procedure)}^L"
    detail = {1: "1", 2: number, 3: number, 4: procedure, 7: _now(), 18: number, 22: _now(), 24: ordered.modality}
    obr = _segment("OBR", {**detail, 25: "F"})
    obx = f"OBX|1|TX|{ordered.modality}^report^L||{escape(text)}||||||F"
    return _join(header(sender, "ORU^R01"), _pid(patient), f"ORC|RE|{number}|{number}", obr, obx)


def acknowledge(application: str, to: Header, problem: MessageError | None = None) -> str:
    """Write the acknowledgement of a message: AA, or the problem's AE or AR with an ERR segment (HL7 2.14.1)."""
    trigger = to.kind.partition("^")[2]
    receiver = Sender(application, to.application)
    character_set = to.character_set if to.character_set in CHARACTER_SETS else ""
    segments = [header(receiver, f"ACK^{trigger}", character_set=character_set)]
    segments.append(f"MSA|{problem.code if problem else ACCEPTED}|{escape(to.control_id)}")
    if problem:
        condition = f"{problem.condition}^{CONDITIONS[problem.condition]}^HL70357"
        segments.append(
            _segment("ERR", {2: _location(problem.where), 3: condition, 4: "E", 8: escape(str(problem))[:250]})
        )
    return _join(*segments)


def _location(where: str) -> str:
    """Write `OBR-27.4` as HL7's ERL: segment, its sequence, field, repetition, component (HL7 2.A.28)."""
    segment, _, place = where.partition("-")
    field, _, component = place.partition(".")
    parts = [segment, "1" if segment else "", field, "1" if component else "", component]
    return "^".join(parts).rstrip("^")


def _pid(patient: Patient) -> str:
    return _segment(
        "PID",
        {
            1: "1",
            3: f"{escape(patient.patient_id)}^^^PACSLAB^MR",
            5: _components(_xpn(patient.name)),
            7: patient.birth_date,
            8: patient.sex,
        },
    )


def _xpn(name: str) -> str:
    """DICOM's PN is family^given^middle^prefix^suffix, HL7's XPN has the last two the other way round."""
    family, given, middle, prefix, suffix = [*name.split("^"), "", "", "", "", ""][:5]
    return f"{family}^{given}^{middle}^{suffix}^{prefix}".rstrip("^")


def _segment(name: str, fields: dict[int, str]) -> str:
    texts = [fields.get(number, "") for number in range(1, max(fields) + 1)]
    return "|".join((name, *texts)).rstrip("|")


def _components(text: str) -> str:
    return "^".join(escape(part) for part in text.split("^"))


def _join(*segments: str) -> str:
    return "\r".join(segments) + "\r"


def _now() -> str:
    return dt.datetime.now().astimezone().strftime("%Y%m%d%H%M%S")


def escape(text: str) -> str:
    """Escape HL7's own characters and line breaks (HL7 2.7)."""
    table = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": "", "\n": "\\.br\\"}
    return "".join(table.get(character, character) for character in text)
