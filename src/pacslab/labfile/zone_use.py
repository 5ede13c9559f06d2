"""A zone file as one lab uses it."""

from __future__ import annotations

from dataclasses import dataclass

from pacslab.labfile.schema import ZoneShape
from pacslab.labfile.source import Source
from pacslab.model.lab import Origin


@dataclass(frozen=True, slots=True)
class ZoneUse:
    """A zone file, its shape, and which of its nodes the lab keeps."""

    source: Source
    shape: ZoneShape
    only: dict[str, Origin] | None = None  # names kept, and where the lab file says so; None: all
