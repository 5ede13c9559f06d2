"""A value as written -> a value of its type, or what is wrong with it; and the same for editors and for readers."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

INTERFACE_MAX_CHARS = 15  # Linux IFNAMSIZ less the final zero: a node's cable carries its name
MAX_COUNT = 10_000
MAX_GRANT_S = 24 * 3600

_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_PORTS = r"^0*([0-9]{1,5})(?:-0*([0-9]{1,5}))?$"
_DURATION = r"^([1-9][0-9]{0,3})([mh])$"
_SCALAR = ("string", "number", "boolean")


@dataclass(frozen=True, slots=True)
class Words:
    """How the reference page names a type."""

    text: str


def _boolean(value: Any) -> Any:
    match value:
        case "true":
            return True
        case "false":
            return False
        case bool():
            return value
    raise ValueError("write true or false")


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _date(value: Any) -> Any:
    """Only what reads as a date: pydantic would take a bare number for seconds since 1970."""
    if not (isinstance(value, str) and re.fullmatch(_DATE, value)):
        raise ValueError("not a date")
    return value


def _written(value: Any) -> Any:
    """Only text is an address or a network: pydantic would take a bare number for one."""
    if not isinstance(value, str):
        raise ValueError("not an address")
    return value


def _number(value: Any) -> Any:
    """Decimal digits, whatever they begin with: `0104` is 104."""
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value, re.ASCII)):
        raise ValueError("not a whole number")
    return int(value)


def _ports(value: Any) -> Any:
    found = re.fullmatch(_PORTS, value, re.ASCII) if isinstance(value, str) else None
    if not found:
        raise ValueError("not a port")
    first = int(found[1])
    last = int(found[2] or first)
    if not 1 <= first <= 65535 or not last <= 65535:
        raise ValueError("a port is between 1 and 65535")
    if last < first:
        raise ValueError("the range ends before it begins")
    return first, last


def _duration(value: Any) -> Any:
    found = re.fullmatch(_DURATION, value, re.ASCII) if isinstance(value, str) else None
    if not found:
        raise ValueError("not a time")
    seconds = int(found[1]) * {"m": 60, "h": 3600}[found[2]]
    if seconds > MAX_GRANT_S:
        raise ValueError("longer than 24 hours is no limit")
    return seconds


def _digits(least: int, most: int) -> WithJsonSchema:
    """A number as editors see it, which is a number, or as we see it, which is text."""
    number = {"type": "integer", "minimum": least, "maximum": most}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": "^[0-9]{1,9}$"}]})


Name = Annotated[str, StringConstraints(pattern=_NAME, max_length=INTERFACE_MAX_CHARS), Words("name")]
ZoneName = Annotated[str, StringConstraints(pattern=_NAME, max_length=32), Words("name")]
ConduitId = Annotated[str, StringConstraints(pattern=_NAME, max_length=40), Words("name")]
Text = Annotated[
    str,
    StringConstraints(min_length=1, strip_whitespace=True),
    WithJsonSchema({"type": list(_SCALAR), "minLength": 1}),
    Words("text"),
]
AeTitle = Annotated[str, WithJsonSchema({"type": list(_SCALAR), "maxLength": 18}), Words("AE title")]
Boolean = Annotated[
    bool, BeforeValidator(_boolean), WithJsonSchema({"enum": [True, False, "true", "false"]}), Words("true or false")
]
Date = Annotated[
    dt.date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": _DATE}),
    Words("date"),
]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, le=MAX_COUNT), _digits(1, MAX_COUNT), Words("number")]
Level = Annotated[int, BeforeValidator(_number), Field(ge=0, le=4), _digits(0, 4), Words("0 to 4")]
Ports = Annotated[
    tuple[int, int],
    BeforeValidator(_ports),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, {"type": "string", "pattern": _PORTS}]}
    ),
    Words("port, or first-last"),
]
Duration = Annotated[
    int, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": _DURATION}), Words("minutes or hours")
]
Address = Annotated[IPv4Address, BeforeValidator(_written), Words("IPv4 address")]
Address6 = Annotated[IPv6Address, BeforeValidator(_written), Words("IPv6 address")]
Network = Annotated[IPv4Network, BeforeValidator(_written), Words("IPv4 network")]
Network6 = Annotated[IPv6Network, BeforeValidator(_written), Words("IPv6 network")]
Selectors = Annotated[
    list[str],
    BeforeValidator(_list),
    Field(min_length=1),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    ),
    Words("selector, or a list"),
]
