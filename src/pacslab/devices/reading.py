"""Bytes of a frame -> an HL7 message and its fields, or the error that its acknowledgement says (HL7 2.5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import hl7

ACCEPTED = "AA"
ERROR = "AE"  # its content is wrong: sending it again changes nothing
REJECTED = "AR"  # its header is not accepted, or this is no time for it (HL7 2.9.2.2)

# HL7 table 0357
SEQUENCE_ERROR = 100
FIELD_MISSING = 101
DATA_TYPE = 102
VALUE_UNKNOWN = 103
MESSAGE_UNSUPPORTED = 200
EVENT_UNSUPPORTED = 201
PROCESSING_ID_UNSUPPORTED = 202
VERSION_UNSUPPORTED = 203
KEY_UNKNOWN = 204
KEY_DUPLICATE = 205
LOCKED = 206
INTERNAL = 207
CONDITIONS = MappingProxyType(
    {
        SEQUENCE_ERROR: "Segment sequence error",
        FIELD_MISSING: "Required field missing",
        DATA_TYPE: "Data type error",
        VALUE_UNKNOWN: "Table value not found",
        MESSAGE_UNSUPPORTED: "Unsupported message type",
        EVENT_UNSUPPORTED: "Unsupported event code",
        PROCESSING_ID_UNSUPPORTED: "Unsupported processing id",
        VERSION_UNSUPPORTED: "Unsupported version id",
        KEY_UNKNOWN: "Unknown key identifier",
        KEY_DUPLICATE: "Duplicate key identifier",
        LOCKED: "Application record locked",
        INTERNAL: "Application internal error",
    }
)
PASSING = frozenset({str(LOCKED), str(INTERNAL)})  # with AR: worth sending again

# HL7 table 0211 -> Python codec. 2.15.9.18: without a value, 7-bit ASCII.
CHARACTER_SETS = MappingProxyType({"": "ascii", "ASCII": "ascii", "8859/1": "iso-8859-1", "UNICODE UTF-8": "utf-8"})
SEPARATORS = "|^~\\&"  # HL7 2.5.4: the recommended ones, and here the only ones
CONTROL_ID_MAX_CHARS = 50

_parse: Any = hl7.parse  # the package has no types


class MessageError(ValueError):
    """A message cannot be accepted: the acknowledgement code, the condition and the place that say so."""

    def __init__(self, code: str, condition: int, text: str, where: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.condition = condition  # HL7 table 0357
        self.where = where  # "PID-3", "OBR-27.4"; empty: the message as a whole


@dataclass(frozen=True, slots=True)
class Header:
    """What of a message's first segment an acknowledgement needs; readable also where the rest is not."""

    application: str = ""
    kind: str = ""
    control_id: str = ""
    character_set: str = ""


def header_of(block: bytes) -> Header:
    """Read what can be read of the MSH segment; every supported character set agrees on its bytes."""
    line = re.split(rb"[\r\n]", block, maxsplit=1)[0].decode("iso-8859-1")
    fields = ["MSH", *line.split("|")] if line.startswith("MSH|") else []  # MSH-1 is the separator itself
    found = [fields[number] if number < len(fields) else "" for number in (3, 9, 10, 18)]
    kind = "^".join(found[1].split("^")[:2])
    return Header(_plain(found[0]), _plain(kind), _plain(found[2])[:CONTROL_ID_MAX_CHARS], found[3].partition("~")[0])


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isascii() and character.isprintable())


def read(block: bytes) -> Any:
    """Read the one message of a frame.

    Raises:
        MessageError: It is none, is more than one, or is not in the character set that it names.
    """
    return parse(_decode(block))


def _decode(block: bytes) -> str:
    named = header_of(block).character_set
    codec = CHARACTER_SETS.get(named)
    if codec is None:
        known = ", ".join(name for name in CHARACTER_SETS if name)
        raise MessageError(ERROR, VALUE_UNKNOWN, f"character set {named[:40]!r} is none of {known}", "MSH-18")
    try:
        return block.decode(codec)
    except UnicodeDecodeError as error:
        said = named or "nothing, which means ASCII"
        byte = f"byte 0x{block[error.start]:02X} at {error.start}"
        raise MessageError(ERROR, DATA_TYPE, f"{byte} is not {codec}; MSH-18 says {said}", "MSH-18") from error


def parse(text: str) -> Any:
    """Read a message.

    Raises:
        MessageError: It is not one, or its header lacks what an acknowledgement needs.
    """
    if not text.startswith("MSH"):
        raise MessageError(REJECTED, SEQUENCE_ERROR, f"begins with {text[:12]!r}, not with MSH", "MSH")
    if text[3:8] != SEPARATORS or text[8:9] != "|":
        raise MessageError(REJECTED, DATA_TYPE, f"separators {text[3:9]!r} are not {SEPARATORS}|", "MSH-2")
    if "\n" in text or "\x00" in text:
        raise MessageError(REJECTED, SEQUENCE_ERROR, "segments end with a carriage return, and hold no LF or NUL")
    if sum(segment.startswith("MSH") for segment in text.split("\r")) > 1:
        raise MessageError(REJECTED, SEQUENCE_ERROR, "more than one message in a frame", "MSH")
    try:
        message = _parse(text)
        kind(message)
    except (hl7.HL7Exception, ValueError, KeyError, IndexError, AssertionError) as error:
        raise MessageError(REJECTED, FIELD_MISSING, f"no message type: {error}", "MSH-9") from error
    if not value(message, "MSH", 10):
        raise MessageError(REJECTED, FIELD_MISSING, "the control id is missing", "MSH-10")
    if len(value(message, "MSH", 10)) > CONTROL_ID_MAX_CHARS:
        raise MessageError(REJECTED, DATA_TYPE, f"the control id has over {CONTROL_ID_MAX_CHARS} characters", "MSH-10")
    return message


def kind(message: Any) -> str:
    """The message's type and trigger, `ORM^O01`."""
    field = str(message.segment("MSH")[9]).split("^")
    return "^".join(field[:2])


def value(message: Any, segment: str, field: int, component: int = 1) -> str:
    """The value of a field's component; empty when the segment or the field is not there."""
    parts = _first(message, segment, field).split("^")
    return unescape(parts[component - 1]) if component <= len(parts) else ""


def whole(message: Any, segment: str, field: int) -> str:
    """The value of a field with its components, as DICOM writes them."""
    return "^".join(unescape(part) for part in _first(message, segment, field).split("^"))


def _first(message: Any, segment: str, field: int) -> str:
    """A field's first repetition; HL7 2.5.3.4: `""` means that it is to be empty."""
    try:
        text = str(message.segment(segment)[field]).split("~", maxsplit=1)[0]
    except (KeyError, IndexError):
        return ""
    return "" if text == '""' else text


def unescape(text: str) -> str:
    """Undo the escapes of separators, of bytes and of line breaks (HL7 2.7)."""
    meant = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\", ".br": "\n", "X0D": "\n", "X0A": "\n"}
    return re.sub(r"\\(F|S|T|R|E|\.br|X0[AD])\\", lambda found: meant[found.group(1)], text)
