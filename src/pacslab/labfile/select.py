"""Selectors (`zone`, `zone/node`, `zone/series`, `*`) -> node paths, and conduits made of them."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pacslab.labfile.expand import Members
from pacslab.labfile.problems import Problems
from pacslab.labfile.schema import ConduitShape, LabShape
from pacslab.labfile.source import Loc, Source
from pacslab.labfile.zone_use import ZoneUse
from pacslab.model.lab import Conduit, Node, Origin

SELECTOR = re.compile(r"[a-z][a-z0-9-]*(/(\*|[a-z][a-z0-9-]*))?")
NEARLY = 0.85  # how like a zone of the lab an absent one must be to look like a slip of the pen
_ALL = frozenset({"", "*"})


@dataclass(frozen=True, slots=True)
class Map:
    """The lab's zones and their nodes."""

    zones: dict[str, Members]

    def homes(self, name: str) -> list[str]:
        """The zones that know a node or series of that name."""
        return [zone for zone, members in self.zones.items() if name in members.known]


def keep(problems: Problems, source: Source, shape: LabShape, uses: tuple[ZoneUse, ...], all_: Map) -> Map:
    """The zones and nodes that the lab file keeps."""
    chosen = {name: {node.name for node in members.nodes} for name, members in all_.zones.items()}
    for use in uses:
        if use.only is not None:
            chosen[use.shape.zone] &= _only(problems, use, all_.zones[use.shape.zone])
    gone: set[str] = set()
    for n, selector in enumerate(shape.without):
        zone, _, name = selector.partition("/")
        origin = source.origin(("without", n))
        if zone not in all_.zones:
            homes = [f"{home}/{zone}" for home in all_.homes(zone)]
            message = f"the lab has no zone {zone!r} to leave out"
            problems.unknown("unknown-zone", message, selector, homes or all_.zones, origin)
        elif name in _ALL:
            gone.add(zone)
        elif _known(problems, all_, zone, name, origin):
            chosen[zone] -= {node.name for node in all_.zones[zone].named.get(name, ())}
    return Map({name: m.only(frozenset(chosen[name])) for name, m in all_.zones.items() if name not in gone})


def _only(problems: Problems, use: ZoneUse, members: Members) -> set[str]:
    kept: set[str] = set()
    for name, origin in (use.only or {}).items():
        if name not in members.known:
            message = f"zone {use.shape.zone} has no node {name!r}"
            problems.unknown("unknown-node", message, name, use.shape.nodes, origin)
        kept |= {node.name for node in members.named.get(name, ())}
    return kept


def conduit(problems: Problems, use: ZoneUse, kept: Map, index: int, shape: ConduitShape) -> Conduit | None:
    """One conduit of a zone file, or None if something it names is not there."""
    loc: Loc = ("accepts", index)
    before = len(problems)
    sources, whole = _sources(problems, use, kept, (*loc, "from"), shape.from_)
    destinations = _destinations(problems, use, kept, (*loc, "to"), shape.to)
    if len(problems) > before:
        return None
    return Conduit(
        id=shape.id,
        zone=use.shape.zone,
        sources=sources,
        destinations=destinations,
        service=shape.service,
        operations=tuple(dict.fromkeys(shape.operations)),
        why=shape.why,
        origin=use.source.key((*loc, "id")),
        references=tuple(shape.references),
        owner=shape.owner or "",
        until=shape.until,
        granted=shape.granted,
        grant_limit_s=shape.for_,
        clear_text=shape.clear_text or use.shape.clear_text or "",
        whole_zones=whole,
        to_all="*" in shape.to or f"{use.shape.zone}/*" in shape.to,
    )


def _sources(
    problems: Problems, use: ZoneUse, kept: Map, loc: Loc, selectors: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Node paths, and the zones named as a whole; a zone that this lab leaves out selects none."""
    chosen: dict[str, None] = {}
    whole: list[str] = []
    for n, selector in enumerate(selectors):
        zone, _, name = selector.partition("/")
        origin = _selector_origin(use.source, loc, n)
        if zone not in kept.zones:
            _absent_zone(problems, kept, selector, origin)
        elif name in _ALL:
            whole.append(zone)
            chosen |= _paths(kept.zones[zone].nodes)
        elif _known(problems, kept, zone, name, origin):
            chosen |= _paths(kept.zones[zone].named.get(name, ()))
    return tuple(chosen), tuple(whole)


def _absent_zone(problems: Problems, kept: Map, selector: str, origin: Origin) -> None:
    """A conduit from an absent zone is inert; one from what can be no zone is a mistake that would hide so."""
    if not SELECTOR.fullmatch(selector):
        hint = "write `zone`, `zone/node` or `zone/*`, in small letters"
        problems.report("bad-selector", f"{selector!r} names neither a zone nor a node", hint, origin)
        return
    for home in kept.homes(selector)[:1]:
        hint = f"write `{home}/{selector}`"
        problems.report("bad-selector", f"{selector!r} is a node, not a zone", hint, origin)
        return
    zone = selector.partition("/")[0]
    for near in difflib.get_close_matches(zone, kept.zones, n=1, cutoff=NEARLY):
        message = f"this lab has no zone {zone!r}, so the conduit opens nothing from there"
        problems.warn("absent-zone", message, f"did you mean {near!r}?", origin)


def _destinations(problems: Problems, use: ZoneUse, kept: Map, loc: Loc, selectors: list[str]) -> tuple[str, ...]:
    home = use.shape.zone
    members = kept.zones[home]
    chosen: dict[str, None] = {}
    for n, selector in enumerate(selectors):
        origin = _selector_origin(use.source, loc, n)
        zone, _, name = selector.rpartition("/")
        if zone not in {"", home}:
            message = f"zone {home} cannot accept for {selector!r}"
            problems.report("foreign-destination", message, f"write this conduit in the file of zone {zone}", origin)
        elif name == "*":
            chosen |= _paths(members.nodes)
        elif _known(problems, kept, home, name, origin):
            chosen |= _paths(members.named.get(name, ()))
    return tuple(chosen)


def _known(problems: Problems, everything: Map, zone: str, name: str, origin: Origin) -> bool:
    members = everything.zones[zone]
    if name in members.known:
        return True
    problems.unknown("unknown-node", f"zone {zone} has no node {name!r}", name, members.known, origin)
    return False


def _paths(nodes: tuple[Node, ...]) -> dict[str, None]:
    return {node.path: None for node in nodes}


def _selector_origin(source: Source, loc: Loc, index: int) -> Origin:
    return source.places.get((*loc, index)) or source.origin(loc)
