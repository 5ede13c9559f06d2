"""Shapes and kinds -> JSON Schema, by which editors complete and check lab files and zone files as they are typed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from pacslab.kinds import KINDS, Kind, SettingSpec
from pacslab.labfile.schema import LabShape, NodeShape, ZoneShape

DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that yaml-language-server knows whole
_WORD = {"type": ["string", "number", "boolean"]}


class FileKind(StrEnum):
    """What a file of the lab language is."""

    LAB = "lab"
    ZONE = "zone"


_SHAPES: dict[FileKind, type[BaseModel]] = {FileKind.LAB: LabShape, FileKind.ZONE: ZoneShape}


def json_schema(kind: FileKind) -> dict[str, Any]:
    """The schema of a file, draft 07: what can be said of one file without looking at another."""
    written = _SHAPES[kind].model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions = written.pop("$defs", {})
    if "NodeShape" in definitions:
        definitions["NodeShape"] = _node(definitions["NodeShape"])
    schema: dict[str, Any] = {"$schema": DRAFT, "title": f"pacslab {kind.value} file", **_plain(written)}
    if definitions:
        schema["definitions"] = {name: _plain(value) for name, value in definitions.items()}
    if kind is FileKind.LAB:
        _also_as_text(schema)
    return schema


def _node(shape: dict[str, Any]) -> dict[str, Any]:
    """A node: common keys, and by its kind that kind's settings and nothing else."""
    common = shape["properties"]
    common["kind"] = {"description": common["kind"]["description"], "enum": list(KINDS)}
    branches = [
        {
            "if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]},
            "then": _settings(kind, dict.fromkeys(common, True)),
        }
        for kind in KINDS.values()
    ]
    return {"type": "object", "description": NodeShape.__doc__, "properties": common} | {
        "required": shape["required"],
        "allOf": branches,
    }


def _settings(kind: Kind, common: dict[str, Any]) -> dict[str, Any]:
    if not (kind.needs_ae_title or kind.takes_ae_title):
        common["ae_title"] = False
    required = [spec.name for spec in kind.settings if spec.required]
    required += ["ae_title"] if kind.needs_ae_title else []
    return {
        "properties": common | {spec.name: _setting(spec) for spec in kind.settings},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _setting(spec: SettingSpec) -> dict[str, Any]:
    word: dict[str, Any] = {"enum": _choices(spec)} if spec.choices else dict(_WORD)
    if spec.pattern:
        word = {"type": "string", "pattern": f"^({spec.pattern})$"}
    if spec.pairs:
        return {"description": spec.meaning, "type": "object", "additionalProperties": word}
    if spec.many:
        return {"description": spec.meaning, "anyOf": [word, {"type": "array", "items": word, "minItems": 1}]}
    return {"description": spec.meaning, **word}


def _choices(spec: SettingSpec) -> list[str | bool]:
    """Editors read `true` as a truth value; here it is a word."""
    truths = {"true": True, "false": False}
    return [*spec.choices, *(truths[choice] for choice in spec.choices if choice in truths)]


def _also_as_text(schema: dict[str, Any]) -> None:
    """A zone of a lab may be written as the file's name alone."""
    uses = schema["properties"]["zones"]
    uses["items"] = {"anyOf": [{"type": "string", "minLength": 1}, uses["items"]]}


def _plain(schema: Any) -> Any:
    """Without what pydantic adds for programs: titles of keys, defaults, and null for what is simply not written."""
    match schema:
        case {"anyOf": [*choices], **rest} if {"type": "null"} in choices:
            kept = [choice for choice in choices if choice != {"type": "null"}]
            inner = kept[0] if len(kept) == 1 else {"anyOf": kept}
            return _plain({**inner, **rest})
        case dict():
            closed = {"additionalProperties": False} if "patternProperties" in schema else {}
            return closed | {
                key: {name: _plain(item) for name, item in value.items()} if key == "properties" else _plain(value)
                for key, value in schema.items()
                if key not in {"title", "default"}
            }
        case list():
            return [_plain(item) for item in schema]
    return schema
