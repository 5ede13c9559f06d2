"""A zone file's nodes -> nodes with names, addresses, settings and services; a series becomes its members."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pacslab.kinds import KINDS
from pacslab.labfile.declare import services
from pacslab.labfile.problems import Problems
from pacslab.labfile.schema import NodeShape, ZoneShape
from pacslab.labfile.settings import NUMBER, Build, settings
from pacslab.labfile.source import Loc
from pacslab.labfile.types import INTERFACE_MAX_CHARS
from pacslab.labfile.zone_use import ZoneUse
from pacslab.model.lab import Node

LAB_NETWORK = IPv4Network("198.18.0.0/15")  # RFC 2544: test networks, in nobody's hospital
# RFC 5180: the same for IPv6. Unlike the documentation range 2001:db8::/32 it may be forwarded (RFC 6890 registry).
LAB_NETWORK6 = IPv6Network("2001:2::/48")
LONGEST_PREFIX = 28
LONGEST_PREFIX6 = 64
FIRST_HOST = 10  # REFERENCE-LAB: nodes count from .10; .1 is the gateway


@dataclass(frozen=True, slots=True)
class Members:
    """A zone's nodes, by name, and by the key that made them."""

    nodes: tuple[Node, ...]
    named: dict[str, tuple[Node, ...]]  # by key of the zone file and by name
    known: frozenset[str]  # names that may be written, also of nodes that the lab leaves out

    def only(self, names: frozenset[str]) -> Members:
        """The same zone with these nodes only; the others' names stay known."""
        named = {key: tuple(node for node in nodes if node.name in names) for key, nodes in self.named.items()}
        return Members(tuple(node for node in self.nodes if node.name in names), named, self.known)


def expand(problems: Problems, use: ZoneUse, uses: tuple[ZoneUse, ...], replicas: dict[str, int]) -> Members:
    """Build all nodes of a zone file.

    Args:
        problems: Where to report.
        use: The zone file.
        uses: All zone files of the lab: settings name nodes in them.
        replicas: How many members the lab wants of some series.
    """
    if not _networks_are_right(problems, use):
        return Members((), {}, frozenset(use.shape.nodes))
    named: dict[str, tuple[Node, ...]] = {}
    nodes: list[Node] = []
    known: set[str] = set()
    position = 0
    for name, shape in use.shape.nodes.items():
        count = replicas.get(name, shape.count) if shape.count else None
        template = _template(Build(problems, use, uses), name, shape)
        numbers = [None] if count is None else list(range(1, count + 1))
        built = (
            [_member(use.shape, template, shape, position + n, at) for n, at in enumerate(numbers)] if template else []
        )
        known |= {name, *(f"{name}-{n}" for n in range(1, max(count or 0, shape.count or 0) + 1))}
        if count is not None and len(f"{name}-{count}") > INTERFACE_MAX_CHARS:
            message = f"'{name}-{count}' is too long: at most {INTERFACE_MAX_CHARS} characters"
            hint = "a node's cable carries its name, and Linux allows no more"
            problems.report("long-name", message, hint, use.source.key(("nodes", name)))
        nodes += built
        named |= {node.name: (node,) for node in built} | {name: tuple(built)}
        # Whoever lowers the count in a lab file moves no other node.
        position += max(len(numbers), shape.count or 0)
    return Members(tuple(nodes), named, frozenset(known))


def _networks_are_right(problems: Problems, use: ZoneUse) -> bool:
    """Whether addresses can be counted in the zone's networks, in ranges that no hospital uses."""
    network, origin = use.shape.network, use.source.origin(("network",))
    before = len(problems)
    if not network.subnet_of(LAB_NETWORK):
        hint = f"use a network inside {LAB_NETWORK} (RFC 2544), which no hospital has"
        problems.report("network-outside-range", f"{network} could be somebody's real network", hint, origin)
    elif network.prefixlen > LONGEST_PREFIX:
        problems.report("network-too-small", f"{network} has no room for nodes from .10 on", "use a /24", origin)
    network6, origin6 = use.shape.network6, use.source.origin(("network6",))
    if network6 is not None and not network6.subnet_of(LAB_NETWORK6):
        hint = f"use a network inside {LAB_NETWORK6} (RFC 5180), which no hospital has"
        problems.report("network-outside-range", f"{network6} could be somebody's real network", hint, origin6)
    elif network6 is not None and network6.prefixlen > LONGEST_PREFIX6:
        problems.report("network-too-small", f"{network6} is smaller than a /64", "use a /64 (RFC 4291 2.5.4)", origin6)
    return len(problems) == before


def _template(build: Build, name: str, shape: NodeShape) -> Node | None:
    """The node as written; a series has one for all its members."""
    problems, use = build.problems, build.use
    loc: Loc = ("nodes", name)
    kind = KINDS.get(shape.kind)
    if kind is None:
        origin = use.source.origin((*loc, "kind"))
        problems.unknown("unknown-kind", f"there is no kind {shape.kind!r}", shape.kind, KINDS, origin)
        return None
    if shape.count is not None and shape.ae_title is not None and NUMBER not in shape.ae_title:
        message = f"all {shape.count} members of {name!r} would have one AE title, {shape.ae_title!r}"
        hint = f"write `{{n}}` where the number belongs: `ae_title: {shape.ae_title[:10]}{{n}}`"
        problems.report("series-without-number", message, hint, use.source.origin((*loc, "ae_title")))
        return None
    if shape.address6 is not None and use.shape.network6 is None:
        message = f"zone {use.shape.zone} has no IPv6 network for {shape.address6}"
        problems.report("no-network6", message, "give the zone a `network6`", use.source.origin((*loc, "address6")))
    node = Node(
        name=name,
        zone=use.shape.zone,
        kind=shape.kind,
        address=use.shape.network.network_address,
        origin=use.source.key(loc),
        title=shape.title or "",
        ae_title=shape.ae_title,
        manufacturer=shape.manufacturer or "",
        model=shape.model or "",
        criticality=shape.criticality,
        settings=tuple(settings(build, loc, shape, kind)),
    )
    return replace(node, services=services(build.problems, build.use.source, shape, node))


def _member(zone: ZoneShape, node: Node, shape: NodeShape, position: int, number: int | None) -> Node:
    """One node of what a key makes."""
    addressed = replace(
        node,
        address=_address(zone, shape, position, number),
        address6=_address6(zone, shape, position, number),
    )
    if number is None:
        return addressed
    return replace(
        addressed,
        name=f"{node.name}-{number}",
        title=_numbered(node.title, number),
        ae_title=None if node.ae_title is None else _numbered(node.ae_title, number),
        settings=tuple(
            replace(setting, values=tuple(_numbered(value, number) for value in setting.values))
            for setting in node.settings
        ),
    )


def _numbered(text: str, number: int) -> str:
    return text.replace(NUMBER, str(number))


def _address(zone: ZoneShape, shape: NodeShape, position: int, number: int | None) -> IPv4Address:
    if shape.address is not None:
        return IPv4Address(int(shape.address) + (number or 1) - 1)
    return IPv4Address(int(zone.network.network_address) + FIRST_HOST + position)


def _address6(zone: ZoneShape, shape: NodeShape, position: int, number: int | None) -> IPv6Address | None:
    """Beside .10 stands ::10, and beside .120 ::120: the same digits, for people's eyes."""
    if zone.network6 is None:
        return None
    if shape.address6 is not None:
        return IPv6Address(int(shape.address6) + (number or 1) - 1)
    return IPv6Address(int(zone.network6.network_address) + int(str(FIRST_HOST + position), 16))
