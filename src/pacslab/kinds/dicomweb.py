"""DICOMweb transactions -> what a request for each looks like, for a front and for an archive's own filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from pacslab.model.dicom import UID_MAX_CHARS, Operation

ROOT = "/dicom-web"
DOTTED = "U"  # a UID, in a shape
FRAMES = "F"  # a list of frame numbers
BULK = "B"  # what Orthanc calls a bulk datum: group and element, with item numbers between


@dataclass(frozen=True, slots=True)
class Request:
    """One method with the shape of its path below `/dicom-web`: words as they are, and letters for what varies."""

    method: str
    shape: str


_STUDY = f"/studies/{DOTTED}"
_SERIES = f"{_STUDY}/series/{DOTTED}"
_INSTANCE = f"{_SERIES}/instances/{DOTTED}"

_GET = MappingProxyType(
    {
        # PS3.18 10.6, table 10.6.1-2
        Operation.QIDO_RS: (
            "/studies",
            "/series",
            "/instances",
            f"{_STUDY}/series",
            f"{_STUDY}/instances",
            f"{_SERIES}/instances",
        ),
        # PS3.18 10.4, tables 10.4.1-1 to 10.4.1-4
        Operation.WADO_RS: (
            *(
                f"{resource}{what}"
                for resource in (_STUDY, _SERIES, _INSTANCE)
                for what in ("", "/metadata", "/rendered")
            ),
            f"{_INSTANCE}/frames/{FRAMES}",
            f"{_INSTANCE}/frames/{FRAMES}/rendered",
            f"{_INSTANCE}/bulk/{BULK}",
        ),
    }
)

REQUESTS: MappingProxyType[Operation, tuple[Request, ...]] = MappingProxyType(
    {
        **{operation: tuple(Request("GET", shape) for shape in shapes) for operation, shapes in _GET.items()},
        # PS3.18 10.5
        Operation.STOW_RS: (Request("POST", "/studies"), Request("POST", _STUDY)),
    }
)

# PS3.5 9.1: digits and dots, at most 64; beginning with a digit it is never a dot segment of a path.
_UID = f"[0-9][0-9.]{{0,{UID_MAX_CHARS - 1}}}"
_LETTERS = {
    DOTTED: _UID,
    FRAMES: "[0-9]{1,6}(?:,[0-9]{1,6}){0,63}",
    BULK: "[0-9a-f]{8}(?:/[0-9]{1,4}/[0-9a-f]{8}){0,8}",
}


def requests(operations: Iterable[Operation]) -> tuple[Request, ...]:
    """Every request that makes up these operations."""
    wanted = set(operations)
    return tuple(request for operation in REQUESTS if operation in wanted for request in REQUESTS[operation])


def expression(request: Request) -> str:
    """A Perl-compatible expression, without anchors, for "METHOD target" as a client sends it, query included.

    Before the query nothing may be percent-encoded, so that what a front and the archive make of the path is the same.
    """
    path = "/".join(_LETTERS.get(segment, segment) for segment in request.shape.split("/"))
    return rf"{request.method} {ROOT}{path}(?:\?[!-~]*)?"
