"""The shape of zone files and lab files; types come from here, never from YAML."""

from __future__ import annotations

import datetime as dt
import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from pacslab.model.dicom import Operation
from pacslab.model.lab import Posture

INTERFACE_MAX_CHARS = 15  # Linux IFNAMSIZ less the final zero: a node's cable carries its name


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
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        raise ValueError("not a date")
    return value


def _zone_use(value: Any) -> Any:
    """A bare file name uses the whole zone."""
    return {"file": value} if isinstance(value, str) else value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=INTERFACE_MAX_CHARS)]
ZoneName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=32)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Boolean = Annotated[bool, BeforeValidator(_boolean)]
Date = Annotated[dt.date, BeforeValidator(_date)]
Selectors = Annotated[list[str], BeforeValidator(_list), Field(min_length=1)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeShape(BaseModel):
    """A node of a zone; what is not named here is a setting of its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Text
    title: Text | None = None
    ae_title: str | None = None
    address: IPv4Address | None = None


class ConduitShape(_Shape):
    """A conduit that the zone accepts."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
    from_: Selectors = Field(alias="from")
    to: Selectors
    service: Text
    operations: list[Operation] = []
    why: Text
    references: list[Text] = []
    owner: Text | None = None
    until: Date | None = None
    granted: Boolean = False


class ZoneShape(_Shape):
    """A zone file."""

    zone: ZoneName
    title: Text | None = None
    purpose: Text | None = None
    trust: Text | None = None
    network: IPv4Network
    nodes: dict[Name, NodeShape] = Field(min_length=1)
    accepts: list[ConduitShape] = []


class ZoneUseShape(_Shape):
    """A zone file used by a lab, with only some of its nodes."""

    file: Text
    nodes: list[Name] | None = None


class LabShape(_Shape):
    """A lab file."""

    lab: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=32)]
    title: Text | None = None
    posture: Posture = Posture.SEGMENTED
    zones: list[Annotated[ZoneUseShape, BeforeValidator(_zone_use)]] = Field(min_length=1)


FileKind = Literal["lab", "zone"]
