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
from pacslab.labfile.schema import LabShape, ZoneShape
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
        loc: Loc = ("zones", index)
        try:
            zone = read(source.path.parent / entry.file, seen_from=source.origin((*loc, "file")))
            kept = {name: source.origin((*loc, "nodes", n)) for n, name in enumerate(entry.nodes or ())}
            uses.append(ZoneUse(zone, _shape(zone, ZoneShape), None if entry.nodes is None else kept))
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
        found.setdefault((diagnostic.origin, diagnostic.message), diagnostic)
    return tuple(found.values())


def _diagnostic(source: Source, shape: type[BaseModel], error: Any) -> Diagnostic:
    """One of pydantic's findings, in the writer's words and at the writer's place."""
    loc = _written_loc(source, error["loc"])
    if error["type"] == "missing":
        return Diagnostic("missing-key", f"{loc[-1]!r} is missing", f"add `{loc[-1]}: ...`", source.key(loc[:-1]))
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(str(loc[-1]), _keys(shape, loc[:-1]))
        return Diagnostic("unknown-key", f"there is no key {loc[-1]!r} here", hint, source.key(loc))
    if error["loc"][-1:] == ("[key]",):
        return Diagnostic("wrong-value", *_wrong_name(loc[-1], error), source.key(loc))
    return Diagnostic("wrong-value", *_wrong_value(source, loc, error), source.origin(loc))


def _wrong_value(source: Source, loc: Loc, error: Any) -> tuple[str, str]:
    """Message and hint for a value that does not fit."""
    value = _value(source, loc)
    words = [step for step in loc if isinstance(step, str)]
    hint = _HINTS.get(".".join(words)) or _HINTS.get(words[-1], "") if words else ""
    match error["type"]:
        case "enum":
            known = [word.strip("' ") for word in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
            return f"{value!r} is not a known {words[-1].removesuffix('s')}", did_you_mean(str(value), known)
        case "string_pattern_mismatch" | "string_too_long":
            return _wrong_name(value, error)
    why = _EXPECTED.get(error["type"], error["msg"].removeprefix("Value error, "))
    if not loc:
        return f"{source.file}: {why}", "see the files in zones/ and lab/"
    name = repr(loc[-1]) if isinstance(loc[-1], str) else f"entry {loc[-1] + 1} of {words[-1]!r}"
    match value:
        case None:
            return f"{name} is empty: {why}", hint
        case str():
            return f"{name} cannot be {value!r}: {why}", hint
    return f"{name}: {why}", hint


def _wrong_name(name: Any, error: Any) -> tuple[str, str]:
    """Message and hint for a name with the wrong characters, or too many."""
    if error["type"] == "string_too_long":
        hint = "a node's cable carries its name, and Linux allows no more" if error["loc"][-1] == "[key]" else ""
        return f"{name!r} is too long: at most {error['ctx']['max_length']} characters", hint
    return f"{name!r} is not a name", "small letters, digits and single hyphens, beginning with a letter"


_EXPECTED = {
    "list_type": "expected a list",
    "dict_type": "expected a mapping, `name: value`",
    "model_type": "expected a mapping, `name: value`",
    "string_type": "expected text",
    "string_too_short": "expected text",
    "too_short": "expected at least one entry",
    "ip_v4_network": "not an IPv4 network",
    "ip_v4_address": "not an IPv4 address",
}
_HINTS = {
    "network": "a network such as 198.18.10.0/24, the part after the prefix being zero",
    "address": "an address such as 198.18.10.10",
    "until": "a date such as 2027-06-30",
    "nodes": "a mapping of node names to nodes",
    "zones.nodes": "a list of the nodes to keep, such as [ct-1, mr-1]",
    "accepts": "a list of conduits, each beginning with `- id:`",
    "zones": "a list of zone files, or of `file:` and the `nodes:` to keep",
    "from": "zones or nodes: `zone`, `zone/node`, or a list of them",
    "to": "nodes of this zone, or `*` in quotes for all",
}


def _written_loc(source: Source, loc: tuple[Any, ...]) -> Loc:
    """Pydantic's location without its own marks for unions and keys, as far as the file has it."""
    kept: Loc = ()
    for part in loc:
        if part == "[key]":
            continue
        candidate = (*kept, part)
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
        if isinstance(step, str) and isinstance(current, type) and issubclass(current, BaseModel):
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
