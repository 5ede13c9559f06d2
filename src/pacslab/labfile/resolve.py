"""Shapes -> Lab: zones with their nodes, then conduits between them; what cannot be resolved is a diagnostic."""

from __future__ import annotations

from pacslab.errors import Diagnostic
from pacslab.labfile.expand import Members, expand
from pacslab.labfile.problems import Problems
from pacslab.labfile.schema import LabShape
from pacslab.labfile.select import Map, conduit, keep
from pacslab.labfile.source import Source, did_you_mean
from pacslab.labfile.zone_use import ZoneUse
from pacslab.model.lab import Lab, Origin, Zone


def resolve(source: Source, shape: LabShape, uses: tuple[ZoneUse, ...]) -> tuple[Lab, tuple[Diagnostic, ...]]:
    """Build the lab from its files; the diagnostics say what had to be left out of it."""
    problems = Problems()
    _zones_are_apart(problems, uses)
    replicas = _replicas(problems, source, shape, uses)
    everything = Map({use.shape.zone: expand(problems, use, uses, replicas.get(use.shape.zone, {})) for use in uses})
    kept = keep(problems, source, shape, uses, everything)
    zones = tuple(_zone(problems, use, kept) for use in uses if use.shape.zone in kept.zones)
    if uses and not zones:
        problems.report("nothing-left", "the lab leaves out every zone", "keep one", source.origin(("without",)))
    lab = Lab(shape.lab, shape.posture, zones, source.origin(("lab",)), shape.title or "")
    return lab, problems.found


def _zones_are_apart(problems: Problems, uses: tuple[ZoneUse, ...]) -> None:
    """Two files may not define one zone: everything else is looked up by zone."""
    first: dict[str, Origin] = {}
    for use in uses:
        name, origin = use.shape.zone, use.source.origin(("zone",))
        if name in first:
            problems.report("duplicate-zone", f"zone {name!r} is defined twice", "leave one out", origin, first[name])
        first.setdefault(name, origin)


def _replicas(
    problems: Problems, source: Source, shape: LabShape, uses: tuple[ZoneUse, ...]
) -> dict[str, dict[str, int]]:
    """Zone -> series -> how many of it the lab wants."""
    wanted: dict[str, dict[str, int]] = {}
    series = {use.shape.zone: {name for name, node in use.shape.nodes.items() if node.count} for use in uses}
    for selector, count in shape.replicas.items():
        origin = source.key(("replicas", selector))
        zone, _, name = selector.rpartition("/")
        homes = [home for home, names in series.items() if name in names and zone in {"", home}]
        if not homes:
            known = [f"{home}/{name}" for home, names in series.items() for name in names]
            hint = did_you_mean(selector, known) or "a series is a node with a `count:`"
            problems.report("unknown-series", f"no zone has a series {selector!r}", hint, origin)
        if len(homes) > 1:
            hint = " or ".join(f"`{home}/{name}`" for home in homes)
            problems.report("unknown-series", f"{selector!r} is a series of several zones", f"write {hint}", origin)
        for home in homes:
            wanted.setdefault(home, {})[name] = count
    return wanted


def _zone(problems: Problems, use: ZoneUse, kept: Map) -> Zone:
    shape = use.shape
    members: Members = kept.zones[shape.zone]
    built = (conduit(problems, use, kept, index, entry) for index, entry in enumerate(shape.accepts))
    return Zone(
        name=shape.zone,
        network=shape.network,
        nodes=members.nodes,
        conduits=tuple(found for found in built if found is not None),
        origin=use.source.origin(("zone",)),
        title=shape.title or "",
        purpose=shape.purpose or "",
        trust=shape.trust or "",
        network6=shape.network6,
        security_level=shape.security_level,
    )
