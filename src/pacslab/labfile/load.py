"""A lab file's path -> Lab, or every diagnostic of the first stage that fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pacslab.errors import Diagnostic, LabFileError, Severity
from pacslab.labfile.resolve import ZoneUse, resolve
from pacslab.labfile.rules import RULES
from pacslab.labfile.schema import LabShape, ZoneShape, ZoneUseShape
from pacslab.labfile.source import Loc, Source, did_you_mean, read
from pacslab.model.lab import Lab, Origin

Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A lab without errors, and its warnings."""

    lab: Lab
    warnings: tuple[Diagnostic, ...]


def load(path: Path) -> Loaded:
    """Read a lab file and the zone files it names.

    Raises:
        LabFileError: Some file has errors; holds every diagnostic of the stage, sorted by place.
    """
    source = read(path)
    shape = _shape(source, LabShape)
    uses = _zone_uses(source, shape)
    lab, unresolved = resolve(source, shape, uses)
    found = unresolved or tuple(diagnostic for rule in RULES for diagnostic in rule(lab))
    ordered = tuple(sorted(found, key=lambda d: (d.origin, d.code)))
    if any(diagnostic.severity is Severity.ERROR for diagnostic in ordered):
        raise LabFileError(ordered)
    return Loaded(lab, ordered)


def _zone_uses(source: Source, shape: LabShape) -> tuple[ZoneUse, ...]:
    uses: list[ZoneUse] = []
    problems: list[Diagnostic] = []
    for index, entry in enumerate(shape.zones):
        loc: Loc = ("zones", index) if isinstance(entry, str) else ("zones", index, "file")
        file, only = (entry.file, entry.nodes) if isinstance(entry, ZoneUseShape) else (entry, None)
        place = source.origin(loc)
        try:
            zone = read(source.path.parent / file, seen_from=place)
            uses.append(ZoneUse(zone, _shape(zone, ZoneShape), place, None if only is None else tuple(only)))
        except LabFileError as error:
            problems += error.diagnostics
    if problems:
        raise LabFileError(tuple(sorted(problems, key=lambda d: (d.origin, d.code))))
    return tuple(uses)


def _shape(source: Source, shape: type[Shape]) -> Shape:
    if source.value is None:
        hint = "start from `pacslab init`, or from the files in zones/ and lab/"
        raise LabFileError((Diagnostic("empty-file", f"{source.file} is empty", hint, Origin(source.file)),))
    try:
        return shape.model_validate(source.value)
    except ValidationError as error:
        found = _diagnostics(source, shape, error.errors(include_url=False))
        raise LabFileError(tuple(sorted(found, key=lambda d: (d.origin, d.code)))) from None


def _diagnostics(source: Source, shape: type[BaseModel], errors: Iterable[Any]) -> tuple[Diagnostic, ...]:
    found: dict[tuple[Origin, str], Diagnostic] = {}
    for error in errors:
        diagnostic = _diagnostic(source, shape, error)
        found.setdefault((diagnostic.origin, diagnostic.code), diagnostic)
    return tuple(found.values())


def _diagnostic(source: Source, shape: type[BaseModel], error: Any) -> Diagnostic:
    """One of pydantic's findings, in the writer's words and at the writer's place."""
    loc = _written_loc(source, error["loc"])
    name = str(loc[-1]) if loc else source.file
    match error["type"]:
        case "missing":
            return Diagnostic("missing-key", f"{name!r} is missing", f"add `{name}: ...`", source.key(loc[:-1]))
        case "extra_forbidden":
            hint = did_you_mean(name, _keys(shape, loc[:-1]))
            return Diagnostic("unknown-key", f"there is no key {name!r} here", hint, source.key(loc))
    value = _value(source, loc)
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    hint = _HINTS.get(name, "")
    if error["type"] in {"enum", "literal_error"}:
        known = [word.strip("' ") for word in message.replace(" or ", ", ").split(",")]
        hint = did_you_mean(str(value), known)
        message = f"{value!r} is not a known {name if isinstance(loc[-1], str) else 'word'}"
    elif error["type"] == "string_pattern_mismatch":
        message, hint = f"{value!r} is not a name", "small letters, digits and single hyphens, beginning with a letter"
    elif isinstance(value, str | None):
        message = f"{name!r} cannot be {value!r}: {message}" if value is not None else f"{name!r} is empty: {message}"
    else:
        message = f"{name!r}: {message}"
    return Diagnostic("wrong-value", message, hint, source.origin(loc))


_HINTS = {
    "network": "an IPv4 network such as 198.18.10.0/24",
    "address": "an IPv4 address such as 198.18.10.10",
    "until": "a date such as 2027-06-30",
    "nodes": "a mapping of node names to nodes",
    "accepts": "a list of conduits, each beginning with `- id:`",
}


def _written_loc(source: Source, loc: tuple[Any, ...]) -> Loc:
    """Pydantic's location without its own marks for unions and keys, as far as the file has it."""
    kept: Loc = ()
    for part in loc:
        step = "from" if part == "from_" else part
        if step == "[key]":
            continue
        candidate = (*kept, step)
        if candidate in source.places or (part == loc[-1] and not str(part).endswith(("Shape", "str"))):
            kept = candidate
    return kept


def _value(source: Source, loc: Loc) -> Any:
    value = source.value
    for step in loc:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _keys(shape: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that a place may have, found by walking the shapes."""
    current: Any = shape
    for step in loc:
        if isinstance(current, type) and issubclass(current, BaseModel):
            named = current.model_fields.get("from_" if step == "from" else str(step))
            current = _inner(named.annotation) if named else None
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _inner(annotation: Any) -> Any:
    """The model inside a list, mapping or union annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if found is not None:
            return found
    return None
