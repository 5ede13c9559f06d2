"""How much conduits open: wider than anybody needs is what segmentation is against."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.errors import Diagnostic
from pacslab.labfile.rules.world import World, pairs, warning
from pacslab.model.dicom import Application
from pacslab.model.lab import Conduit, Zone


def zones_are_not_joined(world: World) -> Iterator[Diagnostic]:
    """From a whole zone to a whole zone is no conduit but a hole in the wall."""
    for conduit in world.lab.conduits:
        if _is_any_to_any(conduit):
            message = f"{conduit.id!r} opens any to any: {_count(conduit)} host pairs"
            hint = "name the nodes that need it, in `from` or in `to`"
            yield warning("any-to-any", message, hint, conduit.origin)


def whole_zones_are_alike(world: World) -> Iterator[Diagnostic]:
    """A whole zone may stand for its nodes where they are of one kind; otherwise some do not need it."""
    for conduit in world.lab.conduits:
        if _is_any_to_any(conduit):
            continue
        mixed = [name for name in conduit.whole_zones if len(world.kinds(_paths(world.zones[name]))) > 1]
        if mixed and conduit.destinations:
            message = f"{conduit.id!r} opens to all kinds of nodes of {', '.join(mixed)}: {_count(conduit)} host pairs"
            hint = f"name those who need it: `{mixed[0]}/...`"
            yield warning("whole-zone", message, hint, conduit.origin)
        elif conduit.to_all and conduit.sources and len(world.kinds(conduit.destinations)) > 1:
            message = f"{conduit.id!r} leads to all kinds of nodes of {conduit.zone}: {_count(conduit)} host pairs"
            yield warning("whole-zone", message, "name the nodes it is for in `to`", conduit.origin)


def databases_serve_their_archives(world: World) -> Iterator[Diagnostic]:
    """A database is reached by the archives whose index it holds, and by nobody else."""
    for conduit in world.lab.conduits:
        serving = {node.name for node, s in world.services(conduit) if s.application is Application.POSTGRES}
        if not serving:
            continue
        for source, destination in pairs(conduit):
            names = {value.rpartition("/")[2] for value in world.nodes[source].setting("database")}
            if world.nodes[destination].name not in names:
                message = f"{conduit.id!r} lets {source} reach the database {destination}, which is not its own"
                hint = "leave it out of `from`; only an archive with that `database:` needs it"
                yield warning("exposed-database", message, hint, conduit.origin, world.nodes[source].origin)


def the_outside_stays_outside(world: World) -> Iterator[Diagnostic]:
    """Nobody we know has anything to open."""
    outside = {zone.name for zone in world.lab.zones if zone.name == "outside" or zone.security_level == 0}
    if not outside:
        return
    for conduit in world.lab.conduits:
        strangers = [path for path in conduit.sources if _zone(path) in outside]
        inside = [path for path in conduit.destinations if _zone(path) not in outside]
        if strangers and inside:
            zones = ", ".join(sorted({_zone(path) for path in strangers}))
            message = f"{conduit.id!r} lets {zones} in: {len(strangers) * len(inside)} host pairs"
            hint = "nobody is known there; let people in through a bastion, or a zone of their own"
            yield warning("from-outside", message, hint, conduit.origin)


def _is_any_to_any(conduit: Conduit) -> bool:
    both = conduit.whole_zones and conduit.to_all
    return bool(both) and len(conduit.sources) > 1 and len(conduit.destinations) > 1


def _count(conduit: Conduit) -> int:
    both = len(set(conduit.sources) & set(conduit.destinations))
    return len(conduit.sources) * len(conduit.destinations) - both


def _zone(path: str) -> str:
    return path.partition("/")[0]


def _paths(zone: Zone) -> tuple[str, ...]:
    return tuple(node.path for node in zone.nodes)
