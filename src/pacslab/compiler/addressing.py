"""Lab -> zones with gateways, nodes with addresses, and one cable for each node."""

from __future__ import annotations

from pacslab.model.fabric import Cable
from pacslab.model.lab import Lab
from pacslab.model.plan import PlannedNode, PlannedZone


def planned_zones(lab: Lab) -> tuple[PlannedZone, ...]:
    """The lab's zones, in its order."""
    return tuple(
        PlannedZone(z.name, z.network, z.gateway, z.title, z.origin, z.network6, z.gateway6) for z in lab.zones
    )


def planned_nodes(lab: Lab) -> tuple[PlannedNode, ...]:
    """The lab's nodes, in its order."""
    return tuple(
        PlannedNode(n.name, n.zone, n.kind, n.address, n.services, n.origin, n.ae_title, n.address6) for n in lab.nodes
    )


def cables(lab: Lab) -> tuple[Cable, ...]:
    """One cable for each node; the fabric's end carries the node's name."""
    return tuple(
        Cable(node.name, node.name, node.address, zone.gateway, node.address6, zone.gateway6)
        for zone in lab.zones
        for node in zone.nodes
    )
