"""Lab and plan -> the network map as a value: zones, nodes, and one line for each conduit; no geometry yet."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from pacslab.model.dicom import Application, Operation
from pacslab.model.lab import Conduit, Lab, Node, Origin
from pacslab.model.passage import Passage, Protection, passages
from pacslab.model.plan import Plan

# Told apart in grey as well, by the words beside every line.
COLOURS: MappingProxyType[Protection, str] = MappingProxyType(
    {
        Protection.TLS: "#1a5fb4",
        Protection.OWN: "#1b7340",
        Protection.CLEAR: "#b34700",
        Protection.UNKNOWN: "#5e5c64",
    }
)


@dataclass(frozen=True, slots=True)
class End:
    """Where a line ends: a node, or every node of a zone."""

    zone: str
    node: str | None = None  # None: every node of the zone

    def __str__(self) -> str:
        return self.node or f"every node of {self.zone}"


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a line arrives, and at which service."""

    end: End
    service: str
    application: Application
    ports: str
    protection: Protection

    def __str__(self) -> str:
        named = "" if self.service == self.application.value else f"{self.service}: "
        return f"{named}{self.application.value} {self.ports}"


@dataclass(frozen=True, slots=True)
class Line:
    """A conduit as it is drawn: every source may open the service of every entrance."""

    conduit: str
    sources: tuple[End, ...]
    entrances: tuple[Entrance, ...]
    operations: tuple[Operation, ...]
    granted: bool  # closed until granted
    passages: int  # how many pairs of nodes it connects
    why: str
    owner: str
    until: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class ChartNode:
    """A node as it is drawn."""

    name: str
    title: str
    kind: str
    addresses: tuple[str, ...]
    ae_title: str


@dataclass(frozen=True, slots=True)
class ChartZone:
    """A zone as it is drawn: a closed box around its nodes."""

    name: str
    title: str
    purpose: str
    trust: str
    networks: tuple[str, ...]
    nodes: tuple[ChartNode, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The network map of a lab."""

    lab: str
    title: str
    posture: str
    digest: str  # of the plan
    zones: tuple[ChartZone, ...]
    lines: tuple[Line, ...]


def chart(lab: Lab, plan: Plan) -> Chart:
    """Draw up the map of a lab and of its plan.

    A conduit that touches all nodes of a zone, two or more, is drawn from or to the zone, not from or to each node.
    """
    found: dict[str, list[Passage]] = {}
    for passage in passages(plan.flows):
        found.setdefault(passage.conduit, []).append(passage)
    conduits = {conduit.id: conduit for conduit in lab.conduits}
    lines = (line for name, members in found.items() for line in _lines(lab, conduits[name], members))
    return Chart(lab.name, lab.title, plan.posture.value, plan.digest, _zones(lab), tuple(lines))


def _zones(lab: Lab) -> tuple[ChartZone, ...]:
    return tuple(
        ChartZone(
            name=zone.name,
            title=zone.title or zone.name,
            purpose=zone.purpose,
            trust=zone.trust,
            networks=_texts(zone.network, zone.network6),
            nodes=tuple(_node(node) for node in zone.nodes),
        )
        for zone in lab.zones
    )


def _node(node: Node) -> ChartNode:
    return ChartNode(node.name, node.title, node.kind, _texts(node.address, node.address6), node.ae_title or "")


def _texts(*values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values if value is not None)


def _lines(lab: Lab, conduit: Conduit, members: list[Passage]) -> tuple[Line, ...]:
    """One line; or one for each source, where not every source may open every destination."""
    pairs = {(passage.source, passage.destination) for passage in members}
    sources = tuple(dict.fromkeys(passage.source for passage in members))
    destinations = tuple(dict.fromkeys(passage.destination for passage in members))
    missing = {(s, d) for s in sources for d in destinations if s != d} - pairs
    groups = [members] if not missing else [[p for p in members if p.source == source] for source in sources]
    return tuple(_line(lab, conduit, group) for group in groups)


def _line(lab: Lab, conduit: Conduit, members: list[Passage]) -> Line:
    first = members[0]
    by_destination = {passage.destination: passage for passage in members}
    entrances = tuple(
        Entrance(end, via.service, via.application, via.ports, via.protection)
        for end, via in _entrances(lab, by_destination)
    )
    return Line(
        conduit=conduit.id,
        sources=_ends(lab, {passage.source for passage in members}),
        entrances=entrances,
        operations=first.operations,
        granted=first.granted,
        passages=len({(passage.source, passage.destination) for passage in members}),
        why=conduit.why,
        owner=conduit.owner,
        until=conduit.until.isoformat() if conduit.until else "",
        origin=conduit.origin,
    )


def _ends(lab: Lab, names: set[str]) -> tuple[End, ...]:
    """The given nodes, zone by zone; a zone stands for all of its nodes."""
    ends: list[End] = []
    for zone in lab.zones:
        touched = [node.name for node in zone.nodes if node.name in names]
        whole = len(touched) == len(zone.nodes) > 1
        ends += [End(zone.name)] if whole else [End(zone.name, name) for name in touched]
    return tuple(ends)


def _entrances(lab: Lab, found: dict[str, Passage]) -> tuple[tuple[End, Passage], ...]:
    """Where it arrives; a zone stands for all of its nodes only if they listen in one and the same way."""
    result: list[tuple[End, Passage]] = []
    for zone in lab.zones:
        touched = [(node.name, found[node.name]) for node in zone.nodes if node.name in found]
        alike = len({(via.application, via.ports) for _, via in touched}) == 1
        if alike and len(touched) == len(zone.nodes) > 1:
            result.append((End(zone.name), touched[0][1]))
        else:
            result += [(End(zone.name, name), via) for name, via in touched]
    return tuple(result)
