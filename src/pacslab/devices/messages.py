"""HL7 v2 messages: orders and patients -> ADT, ORM, ORU text; text -> parts; and acknowledgements (HL7 2.5.1)."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass
from typing import Any

import hl7

VERSION = "2.5.1"

_parse: Any = hl7.parse  # the package has no types


class MessageError(ValueError):
    """A message cannot be accepted: the acknowledgement code and the error that say so (HL7 2.9.2)."""

    def __init__(self, code: str, error: int, text: str) -> None:
        super().__init__(text)
        self.code = code  # AE: its content is wrong; AR: it is not accepted whatever its content
        self.error = error  # HL7 table 0357


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


@dataclass(frozen=True, slots=True)
class Sender:
    """The two applications a message runs between."""

    application: str
    receiver: str


def header(sender: Sender, kind: str, control_id: str = "") -> str:
    """Write the MSH segment of a message of that kind, `ADT^A01`."""
    now = dt.datetime.now().astimezone().strftime("%Y%m%d%H%M%S%z")
    code, _, trigger = kind.partition("^")
    structure = f"{code}_{ {'A08': 'A01'}.get(trigger, trigger) }" if code != "ACK" else "ACK"
    control = control_id or uuid.uuid4().hex[:20]
    return (
        f"MSH|^~\\&|{escape(sender.application)}|PACSLAB|{escape(sender.receiver)}|PACSLAB|{now}||"
        f"{code}^{trigger}^{structure}|{control}|P|{VERSION}||||||UNICODE UTF-8"
    )


def registration(sender: Sender, patient: Patient, trigger: str = "A01") -> str:
    """Write an ADT message: a patient is admitted (A01) or changed (A08) (HL7 3.3.1, 3.3.8)."""
    return _join(header(sender, f"ADT^{trigger}"), f"EVN|{trigger}|{_now()}", _pid(patient), "PV1|1|O")


def order(sender: Sender, patient: Patient, ordered: Order, control: str = "NW") -> str:
    """Write an ORM^O01: a new (NW), cancelled (CA) or changed (XO) order (HL7 4.4.1, fields as in IHE RAD-4)."""
    number = escape(ordered.accession)
    timing = f"^^^{ordered.scheduled}"
    procedure = f"{ordered.modality}^{escape(ordered.procedure)}^L"
    detail: dict[int, str] = {1: "1", 2: number, 4: procedure, 18: number, 19: number, 20: number}
    detail |= {21: escape(ordered.station_ae), 24: ordered.modality, 27: timing}
    obr = "OBR|" + "|".join(detail.get(field, "") for field in range(1, 28))
    study = [f"ZDS|{ordered.study_uid}^PACSLAB^Application^DICOM"] if ordered.study_uid else []
    return _join(
        header(sender, "ORM^O01"), _pid(patient), "PV1|1|O", f"ORC|{control}|{number}|||||{timing}", obr, *study
    )


def order_status(sender: Sender, patient: Patient, accession: str, status: str) -> str:
    """Write an ORM^O01 that tells an order's status (ORC-1 SC; ORC-5 HL7 table 0038)."""
    number = escape(accession)
    return _join(header(sender, "ORM^O01"), _pid(patient), f"ORC|SC|{number}|||{status}", f"OBR|1|{number}")


def result(sender: Sender, patient: Patient, ordered: Order, text: str) -> str:
    """Write an ORU^R01: the final report of an order (HL7 7.3.1)."""
    number = escape(ordered.accession)
    detail = {1: "1", 2: number, 4: f"{ordered.modality}^{escape(ordered.procedure)}^L", 7: _now(), 25: "F"}
    obr = "OBR|" + "|".join(detail.get(field, "") for field in range(1, 26))
    obx = f"OBX|1|TX|{ordered.modality}^report^L||{escape(text)}||||||F"
    return _join(header(sender, "ORU^R01"), _pid(patient), f"ORC|RE|{number}", obr, obx)


def _pid(patient: Patient) -> str:
    name = "^".join(escape(part) for part in patient.name.split("^"))
    return f"PID|1||{escape(patient.patient_id)}^^^PACSLAB^MR||{name}||{patient.birth_date}|{patient.sex}"


def _join(*segments: str) -> str:
    return "\r".join(segments) + "\r"


def _now() -> str:
    return dt.datetime.now().astimezone().strftime("%Y%m%d%H%M%S")


def escape(text: str) -> str:
    """Escape HL7's own characters (HL7 2.7); line ends become blanks."""
    table = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "}
    return "".join(table.get(character, character) for character in text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    meant = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
    return re.sub(r"\\([FSTRE])\\", lambda found: meant[found.group(1)], text)


def parse(text: str) -> Any:
    """Read a message.

    Raises:
        MessageError: It is not one, or its header lacks what an acknowledgement needs (AR).
    """
    try:
        message = _parse(text)
        kind(message)
    except (hl7.HL7Exception, ValueError, KeyError, IndexError, AssertionError) as error:
        raise MessageError("AR", 207, f"not an HL7 message: {error}") from error
    if not value(message, "MSH", 10):
        raise MessageError("AR", 101, "MSH-10, the control id, is missing")
    return message


def kind(message: Any) -> str:
    """The message's type and trigger, `ORM^O01`."""
    field = str(message.segment("MSH")[9]).split("^")
    return "^".join(field[:2])


def value(message: Any, segment: str, field: int, component: int = 1) -> str:
    """The value of a field's component; empty when the segment or the field is not there."""
    try:
        text = str(message.segment(segment)[field])
    except (KeyError, IndexError):
        return ""
    parts = text.split("~", maxsplit=1)[0].split("^")
    return unescape(parts[component - 1]) if component <= len(parts) else ""


def whole(message: Any, segment: str, field: int) -> str:
    """The value of a field with its components, as DICOM writes them."""
    try:
        text = str(message.segment(segment)[field]).split("~", maxsplit=1)[0]
    except (KeyError, IndexError):
        return ""
    return "^".join(unescape(part) for part in text.split("^"))


def acknowledge(application: str, message: Any, problem: MessageError | None = None) -> str:
    """Write the acknowledgement of a message: AA, or the problem's AE or AR with an ERR segment (HL7 2.13.1)."""
    receiver = value(message, "MSH", 3) if message else ""
    trigger = kind(message).partition("^")[2] if message else ""
    control = value(message, "MSH", 10) if message else ""
    segments = [header(Sender(application, receiver), f"ACK^{trigger}")]
    code = problem.code if problem else "AA"
    segments.append(f"MSA|{code}|{escape(control)}")
    if problem:
        segments.append(f"ERR|||{problem.error}^{escape(str(problem))}^HL70357|E")
    return _join(*segments)
