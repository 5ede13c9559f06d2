"""A file's value -> its shape, or every finding in the writer's words and at the writer's place."""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pacslab.errors import Diagnostic, LabFileError
from pacslab.labfile.problems import ordered
from pacslab.labfile.schema import LabShape, ZoneShape
from pacslab.labfile.source import Loc, Source, did_you_mean
from pacslab.model.lab import Origin

Shape = TypeVar("Shape", bound=BaseModel)


def shaped(source: Source, shape: type[Shape]) -> Shape:
    """Read a file's value by its shape.

    Raises:
        LabFileError: It does not fit; holds all that does not, sorted by place.
    """
    if source.value is None:
        hint = "start from `pacslab init`, or from the files in zones/ and lab/"
        raise LabFileError((Diagnostic("empty-file", f"{source.file} is empty", hint, Origin(source.file)),))
    _is_meant(source, shape)
    try:
        return shape.model_validate(source.value)
    except ValidationError as error:
        found = _diagnostics(source, shape, error.errors(include_url=False))
        raise LabFileError(ordered(found)) from None


def _is_meant(source: Source, shape: type[BaseModel]) -> None:
    """A lab file is no zone file, nor the other way round; also, a lab file that names itself ends here."""
    keys = source.value if isinstance(source.value, dict) else {}
    if shape is ZoneShape and "lab" in keys and "zone" not in keys:
        message, hint = "is a lab file, not a zone file", "name the zone files themselves"
    elif shape is LabShape and "zone" in keys and "lab" not in keys:
        message, hint = "is a zone file, not a lab file", f"write a lab file that names it: `zones: [{source.file}]`"
    else:
        return
    first = min(source.keys.values(), default=Origin(source.file))
    raise LabFileError((Diagnostic("wrong-file", f"{source.file} {message}", hint, first),))


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
        known = _keys(shape, loc[:-1])
        meant = _SYNONYMS.get(str(loc[-1]), "")
        hint = f"did you mean {meant!r}?" if meant in known else did_you_mean(str(loc[-1]), known)
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


_SYNONYMS = {
    "refs": "references",
    "reason": "why",
    "because": "why",
    "expires": "until",
    "subnet": "network",
    "ip": "address",
    "conduits": "accepts",
    "exclude": "without",
    "duration": "for",
    "sl_t": "security_level",
}
_EXPECTED = {
    "list_type": "expected a list",
    "dict_type": "expected a mapping, `name: value`",
    "model_type": "expected a mapping, `name: value`",
    "string_type": "expected text",
    "string_too_short": "expected text",
    "too_short": "expected at least one entry",
    "ip_v4_network": "not an IPv4 network",
    "ip_v4_address": "not an IPv4 address",
    "ip_v6_network": "not an IPv6 network",
    "ip_v6_address": "not an IPv6 address",
    "date_from_datetime_parsing": "there is no such day",
    "greater_than_equal": "too small",
    "less_than_equal": "too large",
}
_HINTS = {
    "network": "a network such as 198.18.10.0/24, the part after the prefix being zero",
    "address": "an address such as 198.18.10.10",
    "network6": "a network such as 2001:2:0:10::/64, the part after the prefix being zero",
    "address6": "an address such as 2001:2:0:10::10",
    "port": "a port such as 104, or a range such as 6000-6010",
    "count": "how many nodes to make, such as 40",
    "replicas": "a mapping of series to how many of each, such as {mr: 4}",
    "security_level": "0 to 4, the zone's target security level (IEC 62443-3-3)",
    "for": "a time such as 30m or 2h, at most 24h",
    "services": "a list of services, each with `name:` and `port:`",
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
            named = current.model_fields.get(_field(str(step)))
            current = _inner(named.annotation) if named else None
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _field(key: str) -> str:
    """A key's name in the shapes: Python keeps some words to itself."""
    return f"{key}_" if keyword.iskeyword(key) else key


def _inner(annotation: Any) -> Any:
    """The model inside a list, mapping or union annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if found is not None:
            return found
    return None
