"""What a zone file sets on a node -> the settings of its kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacslab.kinds import Kind, SettingSpec
from pacslab.labfile.problems import Problems
from pacslab.labfile.schema import NodeShape
from pacslab.labfile.source import Loc
from pacslab.labfile.zone_use import ZoneUse
from pacslab.model.lab import Setting

NUMBER = "{n}"  # in the texts of a series: its member's number
_COMMON = ("kind", "title", "ae_title", "count", "address", "address6", "manufacturer", "model", "criticality")


@dataclass(frozen=True, slots=True)
class Build:
    """What building a node of a zone file takes."""

    problems: Problems
    use: ZoneUse
    uses: tuple[ZoneUse, ...]  # all of the lab's: settings name nodes in them


def settings(build: Build, loc: Loc, shape: NodeShape, kind: Kind) -> Iterator[Setting]:
    """The settings that a node has; what its kind does not know or misses is a problem."""
    written = shape.model_extra or {}
    for name, value in written.items():
        spec = kind.setting(name)
        if spec is None:
            message = f"kind {kind.name!r} has no setting {name!r}"
            known = [*(spec.name for spec in kind.settings), *_COMMON, "services"]
            build.problems.unknown("unknown-setting", message, name, known, build.use.source.key((*loc, name)))
            continue
        yield _setting(build, (*loc, name), spec, value)
    for spec in kind.settings:
        if spec.required and spec.name not in written:
            message = f"kind {kind.name!r} needs the setting {spec.name!r}: {spec.meaning}"
            choices = f" (one of {', '.join(spec.choices)})" if spec.choices else ""
            build.problems.report(
                "missing-setting", message, f"write `{spec.name}: ...`{choices}", build.use.source.key(loc)
            )


def _setting(build: Build, loc: Loc, spec: SettingSpec, value: object) -> Setting:
    texts = _texts(spec, value)
    origin = build.use.source.origin(loc)
    if texts is None:
        expected = "a mapping of words" if spec.pairs else "a word or a list of words" if spec.many else "one word"
        build.problems.report("wrong-setting", f"{spec.name!r} takes {expected}", spec.meaning, origin)
        return Setting(spec.name, (), origin)
    for n, text in enumerate(texts):
        at = build.use.source.places.get((*loc, n), origin)
        if spec.choices and text not in spec.choices:
            hint = f"one of {', '.join(spec.choices)}"
            build.problems.report("wrong-setting", f"{spec.name!r} cannot be {text!r}", hint, at)
        if spec.pattern and not re.fullmatch(spec.pattern, text):
            message = f"{spec.name!r} cannot be {text!r}"
            build.problems.report("wrong-setting", message, f"write it like `{spec.name}: {spec.example}`", at)
        if spec.names_node and NUMBER not in text and not _exists(build.uses, text):
            known = [name for other in build.uses for name in other.shape.nodes]
            message = f"{spec.name!r} names {text!r}, which no zone has"
            build.problems.unknown("unknown-node", message, text.rpartition("/")[2], known, at)
    return Setting(spec.name, texts, origin)


def _texts(spec: SettingSpec, value: object) -> tuple[str, ...] | None:
    """A setting's values as words; None if they are something else."""
    if spec.pairs:
        if not isinstance(value, dict):
            return None
        pairs = {name: "" if text is None else text for name, text in value.items()}
        good = all(isinstance(text, str) and re.fullmatch(r"[^=\x00]+", name) for name, text in pairs.items())
        return tuple(f"{name}={text}" for name, text in pairs.items()) if good else None
    values: Iterable[object] = value if isinstance(value, list) and spec.many else [value]
    texts = tuple(item for item in values if isinstance(item, str))
    return texts if texts and len(texts) == len(list(values)) else None


def _exists(uses: tuple[ZoneUse, ...], selector: str) -> bool:
    """Whether a node is in one of the lab's zone files, or belongs to a zone that the lab leaves out."""
    zone, _, name = selector.rpartition("/")
    homes = [use.shape.nodes for use in uses if zone in {"", use.shape.zone}]
    if zone and not homes:
        return True
    series, _, number = name.rpartition("-")
    return any(name in nodes or (number.isdecimal() and series in nodes and nodes[series].count) for nodes in homes)
