"""Two plans -> what the second one means that the first did not: passages, nodes and zones, never their text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pacslab.compiler.openings import PassageChange, conduit_names, passage_changes
from pacslab.kinds import KINDS
from pacslab.model.lab import Origin, Service
from pacslab.model.passage import port_text
from pacslab.model.plan import Container, Plan, PlannedNode, PlannedZone


class Turn(StrEnum):
    """What became of a zone or node."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that is said of a lab, zone or node, before and after; empty text: not said."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ThingChange:
    """A zone or a node that came, went, or is another than it was, and where it is written."""

    turn: Turn
    name: str
    attributes: tuple[Attribute, ...]
    after: tuple[Origin, ...]  # where it is written
    before: tuple[Origin, ...]  # where it was written


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs in meaning between two plans; the notes change nothing that is permitted."""

    lab: tuple[Attribute, ...]
    zones: tuple[ThingChange, ...]
    nodes: tuple[ThingChange, ...]
    passages: tuple[PassageChange, ...]
    notes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lab or self.zones or self.nodes or self.passages)


def compare(before: Plan, after: Plan) -> Difference:
    """Say what going from one plan to the other would mean; where and how things are written does not count."""
    posture = Attribute("posture", before.posture.value, after.posture.value)
    return Difference(
        lab=(posture,) if before.posture is not after.posture else (),
        zones=tuple(_things(before.zones, after.zones, _zone_facts)),
        nodes=tuple(_things(before.nodes, after.nodes, _node_facts)),
        passages=passage_changes(before, after),
        notes=tuple(_notes(before, after)),
    )


def container_parts(before: Container, after: Container) -> tuple[str, ...]:
    """What of a container differs between two plans, in words: `image`, `hosts`, the paths of files."""
    parts = {
        "image": (before.image, after.image),
        "command": (before.command, after.command),
        "environment": (before.environment, after.environment),
        "sysctls": (before.sysctls, after.sysctls),
        "hosts": (before.extra_hosts, after.extra_hosts),
        "limits": ((before.memory_bytes, before.pids), (after.memory_bytes, after.pids)),
    }
    old, new = {file.path: file for file in before.files}, {file.path: file for file in after.files}
    files = (path for path in sorted({*old, *new}) if old.get(path) != new.get(path))
    return (*(name for name, (was, now) in parts.items() if was != now), *files)


Thing = TypeVar("Thing", bound=PlannedZone | PlannedNode)


def _things(
    before: tuple[Thing, ...], after: tuple[Thing, ...], facts: Callable[[Thing], dict[str, str]]
) -> Iterator[ThingChange]:
    """Compare things by name; the order in which they are written does not count."""
    old = {thing.name: thing for thing in before}
    new = {thing.name: thing for thing in after}
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        said = facts(was) if was else {}
        says = facts(now) if now else {}
        attributes = tuple(
            Attribute(fact, said.get(fact, ""), says.get(fact, ""))
            for fact in dict.fromkeys((*says, *said))
            if said.get(fact, "") != says.get(fact, "")
        )
        if attributes:
            turn = Turn.CHANGED if was and now else Turn.ADDED if now else Turn.REMOVED
            yield ThingChange(turn, name, attributes, _origin(now), _origin(was))


def _origin(thing: PlannedZone | PlannedNode | None) -> tuple[Origin, ...]:
    return (thing.origin,) if thing else ()


def _zone_facts(zone: PlannedZone) -> dict[str, str]:
    return {"network": str(zone.network), "IPv6 network": str(zone.network6 or "")}


def _node_facts(node: PlannedNode) -> dict[str, str]:
    settings = {setting.name: ", ".join(_values(node, setting.name, setting.values)) for setting in node.settings}
    return {
        "zone": node.zone,
        "kind": node.kind,
        "address": str(node.address),
        "IPv6 address": str(node.address6 or ""),
        "AE title": node.ae_title or "",
        "services": ", ".join(sorted(_service(service) for service in node.services)),
        **settings,
    }


def _values(node: PlannedNode, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """A setting's values; a node may be named with or without its zone."""
    kind = KINDS.get(node.kind)  # a running lab may have a kind that this version no longer has
    spec = kind.setting(name) if kind else None
    return tuple(value.rpartition("/")[2] for value in values) if spec and spec.names_node else values


def _service(service: Service) -> str:
    ports = port_text(service.protocol, service.port, service.last_port)
    return f"{service.name} ({service.application.value} {ports})"


def _notes(before: Plan, after: Plan) -> Iterator[str]:
    if before.lab != after.lab:
        yield f"lab {before.lab} is compared with lab {after.lab}"
    for old, new in conduit_names(before, after):
        yield f"what conduit {old!r} permitted, conduit {new!r} permits now"
    titles = {zone.name: zone.title for zone in before.zones}
    for zone in after.zones:
        if titles.get(zone.name, zone.title) != zone.title:
            yield f"zone {zone.name} has another title: {zone.title!r}"
