"""Shapes, kinds and codes -> the tables of docs/reference: every key, every setting, every diagnostic."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, get_args

from pydantic import BaseModel

from pacslab.errors import Severity
from pacslab.kinds import CLEAR, KINDS, Kind
from pacslab.labfile.codes import CODES, Code
from pacslab.labfile.schema import (
    ConduitShape,
    LabShape,
    NodeShape,
    ServiceShape,
    ZoneShape,
    ZoneUseShape,
)
from pacslab.labfile.types import Words
from pacslab.model.dicom import OPERATIONS
from pacslab.model.lab import Node, Origin, Service, Setting

_LONGEST_LINE = 120


def fill(page: str) -> str:
    """Put the tables between the marks of a page, `<!-- begin NAME -->` and `<!-- end NAME -->`.

    Raises:
        KeyError: A mark names no table.
    """

    def table(found: re.Match[str]) -> str:
        name = found[1]
        return f"<!-- begin {name} -->\n{TABLES[name]()}\n<!-- end {name} -->"

    return re.sub(r"<!-- begin ([a-z-]+) -->\n.*?<!-- end \1 -->", table, page, flags=re.DOTALL)


def diagnostics() -> str:
    """All codes, each with its meaning and its examples, as Markdown."""
    parts = []
    for severity in Severity:
        parts.append(f"## {severity.value.capitalize()}s\n")
        parts += [_code(code) for code in CODES if code.severity is severity]
    return "\n".join(parts)


def _code(code: Code) -> str:
    lines = [f"### {code.name}\n", f"{code.meaning}\n"]
    lines.append(
        _example(f"In `{code.file}`, instead of" if code.good else f"The whole of `{code.file}` is", code.good)
    )
    lines.append(_example("this" if code.good else "", code.bad))
    return "\n".join(line for line in lines if line)


def _example(words: str, text: str) -> str:
    if not text:
        return f"{words}: nothing.\n" if words == "this" else f"{words}:\n" if words else ""
    shown = [line[:_LONGEST_LINE] + ("..." if len(line) > _LONGEST_LINE else "") for line in text.splitlines()]
    body = textwrap.dedent("\n".join(shown)).encode("utf-8", "replace").decode()
    return (f"{words}:\n\n" if words else "") + f"```yaml\n{body}\n```\n"


def _keys(shape: type[BaseModel]) -> Callable[[], str]:
    def table() -> str:
        lines = ["| key | takes | meaning | example |", "|---|---|---|---|"]
        for name, field in shape.model_fields.items():
            key = f"`{field.alias or name}`" + (" (needed)" if field.is_required() else "")
            example = f"`{field.examples[0]}`" if field.examples else ""
            words = next(_words([*field.metadata, field.annotation]), "")
            lines.append(f"| {key} | {words} | {field.description} | {example} |")
        return "\n".join(lines)

    return table


def _words(annotations: list[Any]) -> Any:
    """The names of a type, the outermost first; of several at one level the last was written outermost."""
    for annotation in reversed(annotations):
        if isinstance(annotation, Words):
            yield annotation.text
    for annotation in annotations:
        yield from _words([*get_args(annotation), *getattr(annotation, "__metadata__", ())])


def _kinds() -> str:
    lines = ["| kind | is | listens with | AE title |", "|---|---|---|---|"]
    for kind in KINDS.values():
        listens = ", ".join(_listens(s) for s in kind.services(_full(kind))) or "what `services` says"
        title = "needed" if kind.needs_ae_title else "may have one" if kind.takes_ae_title else "none"
        lines.append(f"| `{kind.name}` | {kind.title} | {listens} | {title} |")
    return "\n".join(lines).replace("| what `services` says | none |", "| nothing | none |")


def _listens(service: Service) -> str:
    clear = CLEAR.get(service.name)
    return f"`{service.name}` {service.port}" + (f" (or `{clear.name}` {clear.port})" if clear else "")


def _full(kind: Kind) -> Node:
    """A node of a kind with everything that brings services."""
    origin = Origin("")
    settings = tuple(Setting(spec.name, (spec.example,), origin) for spec in kind.settings)
    return Node("node", "zone", kind.name, IPv4Address("198.18.0.10"), origin, ae_title="AE", settings=settings)


def _settings() -> str:
    lines = ["| kind | setting | takes | meaning | example |", "|---|---|---|---|---|"]
    for kind in KINDS.values():
        for spec in kind.settings:
            takes = ", ".join(spec.choices) or "node" if spec.names_node or spec.choices else "text"
            takes = "mapping of texts" if spec.pairs else f"{takes}, or a list" if spec.many else takes
            key = f"`{spec.name}`" + (" (needed)" if spec.required else "")
            lines.append(f"| `{kind.name}` | {key} | {takes} | {spec.meaning} | `{spec.name}: {spec.example}` |")
    return "\n".join(lines)


def _operations() -> str:
    lines = ["| application | operations |", "|---|---|"]
    lines += [
        f"| `{application.value}` | {', '.join(f'`{op.value}`' for op in operations) or 'none'} |"
        for application, operations in OPERATIONS.items()
    ]
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "lab": _keys(LabShape),
    "zone-use": _keys(ZoneUseShape),
    "zone": _keys(ZoneShape),
    "node": _keys(NodeShape),
    "service": _keys(ServiceShape),
    "conduit": _keys(ConduitShape),
    "kinds": _kinds,
    "settings": _settings,
    "operations": _operations,
}
