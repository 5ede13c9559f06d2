"""Shapes -> Lab: addresses, services by kind, names of zones and nodes; what cannot be resolved is a diagnostic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from pacslab.errors import Diagnostic
from pacslab.kinds import KINDS, Kind, SettingSpec
from pacslab.labfile.schema import ConduitShape, LabShape, NodeShape, ZoneShape
from pacslab.labfile.source import Loc, Source, did_you_mean
from pacslab.model.lab import Conduit, Lab, Node, Origin, Setting, Zone

LAB_NETWORK = IPv4Network("198.18.0.0/15")  # RFC 2544: test networks, in nobody's hospital
LONGEST_PREFIX = 28
FIRST_HOST = 10  # REFERENCE-LAB: nodes count from .10; .1 is the gateway
SELECTOR = re.compile(r"[a-z][a-z0-9-]*(/(\*|[a-z][a-z0-9-]*))?")


@dataclass(frozen=True, slots=True)
class ZoneUse:
    """A zone file as one lab uses it."""

    source: Source
    shape: ZoneShape
    only: dict[str, Origin] | None = None  # nodes kept, and where the lab file names them; None: all


@dataclass(slots=True)
class _Context:
    """What is known of all zones before conduits are resolved."""

    uses: tuple[ZoneUse, ...]
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def report(self, code: str, message: str, hint: str, origin: Origin, *related: Origin) -> None:
        self.diagnostics.append(Diagnostic(code, message, hint, origin, related=related))


def resolve(source: Source, shape: LabShape, uses: tuple[ZoneUse, ...]) -> tuple[Lab, tuple[Diagnostic, ...]]:
    """Build the lab from its files; the diagnostics say what had to be left out of it."""
    context = _Context(uses)
    _zones_are_apart(context)
    nodes = {use.shape.zone: _nodes(context, use) for use in uses}
    zones = tuple(_zone(context, use, nodes) for use in uses)
    lab = Lab(shape.lab, shape.posture, zones, source.origin(("lab",)), shape.title or "")
    return lab, tuple(context.diagnostics)


def _zones_are_apart(context: _Context) -> None:
    """Two files may not define one zone: everything else is looked up by zone."""
    first: dict[str, Origin] = {}
    for use in context.uses:
        name, origin = use.shape.zone, use.source.origin(("zone",))
        if name in first:
            context.report("duplicate-zone", f"zone {name!r} is defined twice", "leave one out", origin, first[name])
        first.setdefault(name, origin)


def _zone(context: _Context, use: ZoneUse, nodes: dict[str, tuple[Node, ...]]) -> Zone:
    shape = use.shape
    conduits = tuple(
        conduit
        for index, entry in enumerate(shape.accepts)
        if (conduit := _conduit(context, use, nodes, index, entry)) is not None
    )
    return Zone(
        name=shape.zone,
        network=shape.network,
        nodes=nodes[shape.zone],
        conduits=conduits,
        origin=use.source.origin(("zone",)),
        title=shape.title or "",
        purpose=shape.purpose or "",
        trust=shape.trust or "",
    )


def _nodes(context: _Context, use: ZoneUse) -> tuple[Node, ...]:
    if use.only is not None:
        for name, origin in use.only.items():
            if name not in use.shape.nodes:
                hint = did_you_mean(name, use.shape.nodes)
                context.report("unknown-node", f"zone {use.shape.zone} has no node {name!r}", hint, origin)
    if not _network_is_right(context, use):
        return ()
    built = (_node(context, use, n, name, entry) for n, (name, entry) in enumerate(use.shape.nodes.items()))
    return tuple(node for node in built if node and (use.only is None or node.name in use.only))


def _network_is_right(context: _Context, use: ZoneUse) -> bool:
    """Whether addresses can be counted in the zone's network, in a range that no hospital uses."""
    network, origin = use.shape.network, use.source.origin(("network",))
    if not network.subnet_of(LAB_NETWORK):
        hint = f"use a network inside {LAB_NETWORK} (RFC 2544), which no hospital has"
        context.report("network-outside-range", f"{network} could be somebody's real network", hint, origin)
        return False
    if network.prefixlen > LONGEST_PREFIX:
        context.report("network-too-small", f"{network} has no room for nodes from .10 on", "use a /24", origin)
        return False
    return True


def _node(context: _Context, use: ZoneUse, position: int, name: str, shape: NodeShape) -> Node | None:
    loc: Loc = ("nodes", name)
    kind = KINDS.get(shape.kind)
    if kind is None:
        origin = use.source.origin((*loc, "kind"))
        context.report("unknown-kind", f"there is no kind {shape.kind!r}", did_you_mean(shape.kind, KINDS), origin)
        return None
    settings = tuple(_settings(context, use.source, loc, shape, kind))
    node = Node(
        name=name,
        zone=use.shape.zone,
        kind=shape.kind,
        address=shape.address or _address(use.shape, position),
        origin=use.source.key(loc),
        title=shape.title or "",
        ae_title=shape.ae_title,
        settings=settings,
    )
    return replace(node, services=kind.services(node))


def _address(shape: ZoneShape, position: int) -> IPv4Address:
    return IPv4Address(int(shape.network.network_address) + FIRST_HOST + position)


def _settings(context: _Context, source: Source, loc: Loc, shape: NodeShape, kind: Kind) -> Iterator[Setting]:
    written = shape.model_extra or {}
    for name, value in written.items():
        spec = kind.setting(name)
        if spec is None:
            known = [spec.name for spec in kind.settings] + ["kind", "title", "ae_title", "address"]
            hint = did_you_mean(name, known)
            context.report(
                "unknown-setting", f"kind {kind.name!r} has no setting {name!r}", hint, source.key((*loc, name))
            )
            continue
        yield _setting(context, source, (*loc, name), spec, value)
    for spec in kind.settings:
        if spec.required and spec.name not in written:
            message = f"kind {kind.name!r} needs the setting {spec.name!r}: {spec.meaning}"
            choices = f" (one of {', '.join(spec.choices)})" if spec.choices else ""
            context.report("missing-setting", message, f"write `{spec.name}: ...`{choices}", source.key(loc))


def _setting(context: _Context, source: Source, loc: Loc, spec: SettingSpec, value: object) -> Setting:
    origin = source.origin(loc)
    values = value if isinstance(value, list) and spec.many else [value]
    texts = tuple(item for item in values if isinstance(item, str))
    if len(texts) != len(values) or not texts:
        expected = "a word or a list of words" if spec.many else "one word"
        context.report("wrong-setting", f"{spec.name!r} takes {expected}", spec.meaning, origin)
    for text in texts:
        if spec.choices and text not in spec.choices:
            hint = f"one of {', '.join(spec.choices)}"
            context.report("wrong-setting", f"{spec.name!r} cannot be {text!r}", hint, origin)
        if spec.names_node and not _exists(context, text):
            hint = did_you_mean(text.rpartition("/")[2], _all_names(context))
            context.report("unknown-node", f"{spec.name!r} names {text!r}, which no zone has", hint, origin)
    return Setting(spec.name, texts, origin)


def _exists(context: _Context, selector: str) -> bool:
    """Whether a node is in one of the lab's zone files, or belongs to a zone that the lab leaves out."""
    zone, _, name = selector.rpartition("/")
    present = {use.shape.zone: use.shape.nodes for use in context.uses}
    if zone:
        return zone not in present or name in present[zone]
    return any(name in nodes for nodes in present.values())


def _all_names(context: _Context) -> list[str]:
    return [name for use in context.uses for name in use.shape.nodes]


def _conduit(
    context: _Context, use: ZoneUse, nodes: dict[str, tuple[Node, ...]], index: int, shape: ConduitShape
) -> Conduit | None:
    loc: Loc = ("accepts", index)
    before = len(context.diagnostics)
    sources = _select_sources(context, use, nodes, (*loc, "from"), shape.from_)
    destinations = _select_destinations(context, use, nodes, (*loc, "to"), shape.to)
    if len(context.diagnostics) > before:
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
    )


def _select_sources(
    context: _Context, use: ZoneUse, nodes: dict[str, tuple[Node, ...]], loc: Loc, selectors: list[str]
) -> tuple[str, ...]:
    """Node paths; a zone that this lab leaves out selects none, so that zone files can be reused."""
    shapes = {other.shape.zone: other.shape for other in context.uses}
    chosen: dict[str, None] = {}
    for n, selector in enumerate(selectors):
        zone, _, name = selector.partition("/")
        origin = _selector_origin(use.source, loc, n)
        if zone not in shapes:
            _absent_zone(context, selector, origin)
            continue
        if name not in {"", "*"} and name not in shapes[zone].nodes:
            hint = did_you_mean(name, shapes[zone].nodes)
            context.report("unknown-node", f"zone {zone} has no node {name!r}", hint, origin)
        chosen |= {node.path: None for node in nodes[zone] if name in {"", "*", node.name}}
    return tuple(chosen)


def _absent_zone(context: _Context, selector: str, origin: Origin) -> None:
    """A conduit from an absent zone is inert; one from what can be no zone is a mistake that would hide so."""
    if not SELECTOR.fullmatch(selector):
        hint = "write `zone`, `zone/node` or `zone/*`, in small letters"
        context.report("bad-selector", f"{selector!r} names neither a zone nor a node", hint, origin)
    homes = [use.shape.zone for use in context.uses if selector in use.shape.nodes]
    if homes:
        context.report("bad-selector", f"{selector!r} is a node, not a zone", f"write `{homes[0]}/{selector}`", origin)


def _select_destinations(
    context: _Context, use: ZoneUse, nodes: dict[str, tuple[Node, ...]], loc: Loc, selectors: list[str]
) -> tuple[str, ...]:
    own = nodes[use.shape.zone]
    chosen: dict[str, None] = {}
    for n, selector in enumerate(selectors):
        origin = _selector_origin(use.source, loc, n)
        zone, _, name = selector.rpartition("/")
        if zone not in {"", use.shape.zone}:
            message = f"zone {use.shape.zone} cannot accept for {selector!r}"
            context.report("foreign-destination", message, f"write this conduit in the file of zone {zone}", origin)
        elif name != "*" and name not in use.shape.nodes:
            hint = did_you_mean(name, use.shape.nodes)
            context.report("unknown-node", f"zone {use.shape.zone} has no node {name!r}", hint, origin)
        chosen |= {node.path: None for node in own if name in {"*", node.name}}
    return tuple(chosen)


def _selector_origin(source: Source, loc: Loc, index: int) -> Origin:
    return source.places.get((*loc, index)) or source.origin(loc)
