"""Names: of nodes and of conduits."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.errors import Diagnostic
from pacslab.labfile.rules.world import World, distinct, problem
from pacslab.model.lab import Node, Origin

# The fabric's own links and sysctl folders, and the name that every node has for itself.
RESERVED = frozenset({"fabric", "lo", "eth0", "all", "default", "localhost"})


def node_names_are_unique(world: World) -> Iterator[Diagnostic]:
    """A node's name is its host name and its cable's name: unique in the lab, and not one the fabric needs."""
    for node in distinct(world.lab.nodes):
        if node.name in RESERVED:
            message = f"{node.name!r} already means something else in a lab"
            yield problem("reserved-name", message, "choose another", node.origin)
    first: dict[str, Node] = {}
    for node in world.lab.nodes:
        other = first.setdefault(node.name, node)
        if other is node:
            continue
        if other.zone == node.zone:
            message = f"two nodes are called {node.name!r}"
            yield problem("duplicate-node", message, "rename one", node.origin, other.origin)
        else:
            message = f"{node.name!r} is in zone {other.zone} and in zone {node.zone}: that would join them"
            hint = "two machines need two names; one machine has one zone, and conduits from there"
            yield problem("dual-homed-node", message, hint, node.origin, other.origin)


def conduit_ids_are_unique(world: World) -> Iterator[Diagnostic]:
    """Checks, rules and reports cite conduits by id."""
    first: dict[str, Origin] = {}
    for conduit in world.lab.conduits:
        if conduit.id in first:
            message = f"two conduits are called {conduit.id!r}"
            yield problem("duplicate-conduit", message, "rename one", conduit.origin, first[conduit.id])
        first.setdefault(conduit.id, conduit.origin)
