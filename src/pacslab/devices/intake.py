"""Fields of an HL7 message -> patient and order, refused by place where DICOM could not hold them."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pacslab.devices.messages import Order, Patient
from pacslab.devices.reading import DATA_TYPE, ERROR, FIELD_MISSING, VALUE_UNKNOWN, MessageError, value, whole
from pacslab.model.dicom import AE_TITLE, is_uid

# PS3.5 6.2: most characters of a value representation.
LENGTHS = MappingProxyType({"SH": 16, "LO": 64, "PN": 64})
CODE_STRING = re.compile(r"^[A-Z0-9_ ]{1,16}$")
SEXES = frozenset({"", "F", "M", "O", "U", "A", "N"})  # HL7 table 0001
# HL7 table 0485 -> PS3.3 C.4.12
PRIORITIES = MappingProxyType({"S": "STAT", "A": "HIGH", "R": "ROUTINE", "P": "ROUTINE", "C": "HIGH", "T": "MEDIUM"})


def patient_of(message: Any) -> Patient:
    """Read whom a message is about.

    Raises:
        MessageError: It does not say, or says what DICOM cannot hold.
    """
    sex = value(message, "PID", 8)
    if sex not in SEXES:
        raise MessageError(ERROR, VALUE_UNKNOWN, f"sex {sex!r} is none of F, M, O, U, A, N", "PID-8")
    return Patient(
        patient_id=_needed("the patient's id", _text(value(message, "PID", 3), "LO", "PID-3"), "PID-3"),
        name=_needed("the patient's name", _text(_name(whole(message, "PID", 5)), "PN", "PID-5"), "PID-5"),
        birth_date=_time(value(message, "PID", 7)[:8], "PID-7"),
        sex=sex,
    )


def retired_id(message: Any) -> str:
    """Read the identifier that an ADT^A40 retires.

    Raises:
        MessageError: It does not say.
    """
    return _needed("the identifier to retire", value(message, "MRG", 1), "MRG-1")


def accession_of(message: Any) -> str:
    """Read an order's accession number: OBR-18 as IHE RAD-2 has it, else the placer's order number.

    Raises:
        MessageError: It does not say, or says what DICOM cannot hold.
    """
    where = "OBR-18" if value(message, "OBR", 18) else "ORC-2"
    number = value(message, "OBR", 18) or value(message, "ORC", 2) or value(message, "OBR", 2)
    return _needed("the accession number (or ORC-2)", _text(number, "SH", where), "OBR-18")


def order_of(message: Any, accession: str, before: Order | None, placer: str) -> Order:
    """Read an order; what a change does not say stays as it was.

    Raises:
        MessageError: A field is missing, or holds what DICOM cannot.
    """
    study = value(message, "ZDS", 1) or (before.study_uid if before else f"2.25.{uuid.uuid4().int}")
    if not is_uid(study):
        raise MessageError(ERROR, DATA_TYPE, f"{study[:80]!r} is not a UID", "ZDS-1")
    station = value(message, "OBR", 21) or (before.station_ae if before else "")
    if station and not AE_TITLE.match(station):
        raise MessageError(ERROR, DATA_TYPE, f"{station[:40]!r} is not an AE title", "OBR-21")
    modality = _needed("the modality", value(message, "OBR", 24) or (before.modality if before else ""), "OBR-24")
    if not CODE_STRING.match(modality):
        raise MessageError(ERROR, DATA_TYPE, f"{modality[:40]!r} is not a modality", "OBR-24")
    code = [_text(value(message, "OBR", 4, part), "LO", f"OBR-4.{part}") for part in (1, 2, 3)]
    # An escaped caret is text to HL7; kept among carets it would make four parts of three: the meaning says it all.
    coded = all(code) and not any("^" in part for part in code)
    return Order(
        accession=accession,
        modality=modality,
        procedure=code[1] or (before.procedure if before else modality),
        scheduled=_scheduled(message) or (before.scheduled if before else _now()),
        station_ae=station,
        study_uid=study,
        procedure_code="^".join(code) if coded else (before.procedure_code if before else ""),
        priority=_priority(message) or (before.priority if before else ""),
        requesting=_requesting(message) or (before.requesting if before else ""),
        placer=before.placer if before else placer,
    )


def _scheduled(message: Any) -> str:
    for segment, field in (("OBR", 27), ("ORC", 7)):
        found = value(message, segment, field, 4)
        if found:
            return (_time(re.split(r"[.+-]", found)[0], f"{segment}-{field}.4") + "0000")[:12]
    return ""


def _priority(message: Any) -> str:
    code = value(message, "OBR", 27, 6) or value(message, "ORC", 7, 6)
    return PRIORITIES.get(code[:1], "")


def _requesting(message: Any) -> str:
    """HL7's XCN is id^family^given^middle^suffix^prefix, DICOM's PN family^given^middle^prefix^suffix."""
    for segment, field in (("OBR", 16), ("ORC", 12)):
        parts = [value(message, segment, field, part) for part in (2, 3, 4, 6, 5)]
        if any(parts):
            return _text("^".join(parts).rstrip("^"), "PN", f"{segment}-{field}")
    return ""


def _name(xpn: str) -> str:
    """HL7's XPN is family^given^middle^suffix^prefix, DICOM's PN has the last two the other way round."""
    family, given, middle, suffix, prefix = [*xpn.split("^"), "", "", "", "", ""][:5]
    return f"{family}^{given}^{middle}^{prefix}^{suffix}".rstrip("^")


def _needed(what: str, text: str, where: str) -> str:
    if not text:
        raise MessageError(ERROR, FIELD_MISSING, f"{what} is missing", where)
    return text


def _text(text: str, representation: str, where: str, lengths: Mapping[str, int] = LENGTHS) -> str:
    """Check text against a DICOM value representation; a backslash would make two values of one (PS3.5 6.2)."""
    if len(text) > lengths[representation]:
        said = f"{len(text)} characters; DICOM's {representation} holds {lengths[representation]}"
        raise MessageError(ERROR, DATA_TYPE, said, where)
    if "\\" in text or ("=" in text and representation == "PN") or any(ord(character) < 32 for character in text):
        raise MessageError(ERROR, DATA_TYPE, f"{text[:40]!r} holds what DICOM's {representation} cannot", where)
    return text.strip()


def _time(text: str, where: str) -> str:
    """Check a date, or a date with a time of day to the minute or second."""
    if not text:
        return text
    try:
        if not re.fullmatch(r"[0-9]{8}([0-9]{2}){0,3}", text):  # strptime would take blanks for digits
            raise ValueError(text)  # noqa: TRY301 - one refusal for both
        dt.datetime.strptime(text, "%Y%m%d%H%M%S"[: len(text) - 2]).replace(tzinfo=dt.UTC)
    except ValueError as error:
        said = f"{text[:30]!r} is not a date or time (YYYYMMDD[HH[MM[SS]]])"
        raise MessageError(ERROR, DATA_TYPE, said, where) from error
    return text


def _now() -> str:
    return dt.datetime.now().astimezone().strftime("%Y%m%d%H%M")
