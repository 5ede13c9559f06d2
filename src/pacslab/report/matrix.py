"""Lab and plan -> who may talk to whom: counts zone by zone, and every passage node by node."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pacslab.model.dicom import Application, Operation
from pacslab.model.lab import Conduit, Lab, Origin
from pacslab.model.passage import Passage, Protection, passages
from pacslab.model.plan import Plan, PlannedNode


@dataclass(frozen=True, slots=True)
class Cell:
    """How many passages lead from one zone, or node, to another."""

    source: str
    destination: str
    open: int
    closed_until_granted: int

    def __str__(self) -> str:
        closed = f"{self.closed_until_granted} closed" if self.closed_until_granted else ""
        return " + ".join(part for part in (str(self.open) if self.open else "", closed) if part) or "0"


@dataclass(frozen=True, slots=True)
class Row:
    """One passage, with its addresses and with what its conduit says of it."""

    source_zone: str
    source: str
    source_addresses: tuple[str, ...]
    destination_zone: str
    destination: str
    destination_addresses: tuple[str, ...]
    service: str
    application: Application
    ports: str
    protection: Protection
    operations: tuple[Operation, ...]
    closed_until_granted: bool
    families: tuple[int, ...]  # the versions of IP it is open over: one passage, also where there are two
    conduit: str
    why: str
    owner: str
    until: str
    references: tuple[str, ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Matrix:
    """The policy of a lab; cells without any passage are left out."""

    lab: str
    title: str
    posture: str
    plan: str  # digest
    zones: tuple[str, ...]
    nodes: tuple[str, ...]
    zone_cells: tuple[Cell, ...]
    node_cells: tuple[Cell, ...]
    passages: tuple[Row, ...]

    @property
    def open(self) -> int:
        """How many passages are open."""
        return sum(cell.open for cell in self.zone_cells)

    @property
    def closed(self) -> int:
        """How many passages are closed until granted."""
        return sum(cell.closed_until_granted for cell in self.zone_cells)


def matrix(lab: Lab, plan: Plan) -> Matrix:
    """Count and list every passage of a lab and its plan, in the order of its zones and nodes."""
    nodes = {node.name: node for node in plan.nodes}
    conduits = {conduit.id: conduit for conduit in lab.conduits}
    position = {name: n for n, name in enumerate(nodes)}
    found = sorted(
        passages(plan.flows), key=lambda p: (position[p.source], position[p.destination], p.protocol, p.port)
    )
    zones, names = tuple(zone.name for zone in plan.zones), tuple(nodes)
    return Matrix(
        lab=plan.lab,
        title=plan.title,
        posture=plan.posture.value,
        plan=plan.digest,
        zones=zones,
        nodes=names,
        zone_cells=_cells(zones, [(nodes[p.source].zone, nodes[p.destination].zone, p.granted) for p in found]),
        node_cells=_cells(names, [(p.source, p.destination, p.granted) for p in found]),
        passages=tuple(_row(p, nodes[p.source], nodes[p.destination], conduits[p.conduit]) for p in found),
    )


def _cells(order: tuple[str, ...], found: list[tuple[str, str, bool]]) -> tuple[Cell, ...]:
    counts = Counter(found)
    position = {name: n for n, name in enumerate(order)}
    pairs = sorted(
        {(source, destination) for source, destination, _ in found}, key=lambda p: tuple(map(position.get, p))
    )
    return tuple(Cell(*pair, counts[*pair, False], counts[*pair, True]) for pair in pairs)


def _row(passage: Passage, source: PlannedNode, destination: PlannedNode, conduit: Conduit) -> Row:
    return Row(
        source_zone=source.zone,
        source=source.name,
        source_addresses=_addresses(source, passage),
        destination_zone=destination.zone,
        destination=destination.name,
        destination_addresses=_addresses(destination, passage),
        service=passage.service,
        application=passage.application,
        ports=passage.ports,
        protection=passage.protection,
        operations=passage.operations,
        closed_until_granted=passage.granted,
        families=passage.families,
        conduit=passage.conduit,
        why=conduit.why,
        owner=conduit.owner,
        until=conduit.until.isoformat() if conduit.until else "",
        references=conduit.references,
        origin=passage.origin,
    )


def _addresses(node: PlannedNode, passage: Passage) -> tuple[str, ...]:
    """The addresses that take part."""
    taking_part = (address for address in (node.address, node.address6) if address)
    return tuple(str(address) for address in taking_part if address.version in passage.families)
