"""A lab file's path -> Lab, or every diagnostic of the first stage that fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pacslab.errors import Diagnostic, LabFileError, Severity
from pacslab.labfile.problems import ordered
from pacslab.labfile.resolve import resolve
from pacslab.labfile.rules import RULES, World
from pacslab.labfile.schema import LabShape, ZoneShape
from pacslab.labfile.shaped import shaped
from pacslab.labfile.source import Loc, Source, read
from pacslab.labfile.zone_use import ZoneUse
from pacslab.model.lab import Lab


@dataclass(frozen=True, slots=True)
class Loaded:
    """A lab without errors, and its warnings."""

    lab: Lab
    warnings: tuple[Diagnostic, ...]


def load(path: Path, today: dt.date | None = None) -> Loaded:
    """Read a lab file and the zone files it names.

    Args:
        path: The lab file.
        today: The day on which conduits have expired or not; in UTC, unless given.

    Raises:
        LabFileError: Some file has errors; holds every diagnostic of the stage, sorted by place.
    """
    source = read(path)
    shape = shaped(source, LabShape)
    uses = _zone_uses(source, shape)
    lab, found = resolve(source, shape, uses)
    if not _errors(found):
        world = World.of(lab, today or dt.datetime.now(dt.UTC).date())
        found += tuple(diagnostic for rule in RULES for diagnostic in rule(world))
    every = ordered(found)
    if _errors(every):
        raise LabFileError(every)
    return Loaded(lab, every)


def name_of(path: Path) -> str:
    """The name of the lab that a file defines, whatever else is wrong with it.

    Raises:
        LabFileError: The file cannot be read, or says no name.
    """
    source = read(path)
    name = source.value.get("lab") if isinstance(source.value, dict) else None
    if not isinstance(name, str):
        shaped(source, LabShape)
        raise LabFileError((Diagnostic("missing-key", "'lab' is missing", "add `lab: ...`", source.origin(())),))
    return name


def _errors(found: Iterable[Diagnostic]) -> bool:
    return any(diagnostic.severity is Severity.ERROR for diagnostic in found)


def _zone_uses(source: Source, shape: LabShape) -> tuple[ZoneUse, ...]:
    uses: list[ZoneUse] = []
    problems: list[Diagnostic] = []
    for index, entry in enumerate(shape.zones):
        loc: Loc = ("zones", index)
        try:
            zone = read(source.path.parent / entry.file, seen_from=source.origin((*loc, "file")))
            kept = {name: source.origin((*loc, "nodes", n)) for n, name in enumerate(entry.nodes or ())}
            uses.append(ZoneUse(zone, shaped(zone, ZoneShape), None if entry.nodes is None else kept))
        except LabFileError as error:
            problems += error.diagnostics
    if problems:
        raise LabFileError(ordered(problems))
    return tuple(uses)
