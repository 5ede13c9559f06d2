"""Boxes of packets -> words of nodes and services, and one packet of each that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from pacslab.firewall.boxes import Box
from pacslab.firewall.intervals import Intervals, holds, meet, minus, size, union
from pacslab.firewall.permitted import NUMBERS
from pacslab.firewall.world import ELSEWHERE, Universe
from pacslab.model.dicom import Protocol
from pacslab.model.lab import Service
from pacslab.model.packet import ACK, EPHEMERAL, ICMP, ICMPV6, SYN, TCP, UDP, Packet, State
from pacslab.model.policy import Policy

MOST_LINES = 24  # of one box; more is said together
_FEW_PORTS = 4
_LIKELY = (TCP, UDP, ICMP, ICMPV6)


class Names:
    """What cables, addresses and ports are called in a lab."""

    def __init__(self, policy: Policy) -> None:
        self.cables = {cable.interface: cable.node for cable in policy.cables}
        self.nodes: dict[tuple[int, int], str] = {}
        self.own: dict[tuple[str, int], int] = {}  # interface, family -> address
        for cable in policy.cables:
            for address in (cable.address, cable.address6):
                if address is not None:
                    self.nodes[address.version, int(address)] = cable.node
                    self.own[cable.interface, address.version] = int(address)
        known: dict[str, dict[tuple[Protocol, tuple[int, int]], Service]] = {}
        for node, service in policy.services:
            known.setdefault(node, {})[service.protocol, service.ports] = service
        for flow in policy.flows:
            service = Service(flow.service, flow.application, flow.port, flow.protocol, flow.last_port)
            known.setdefault(flow.destination, {}).setdefault((flow.protocol, flow.ports), service)
        self.services = {node: tuple(found.values()) for node, found in known.items()}

    def cable(self, interface: str) -> str:
        """The node at the end of a cable."""
        if interface == ELSEWHERE:
            return "any other interface"
        return self.cables.get(interface) or (f"interface {interface}" if interface else "the fabric itself")

    def address(self, family: int, number: int) -> str:
        """The node with that address, or the address."""
        return self.nodes.get((family, number)) or str(_ip(family, number))

    def service(self, node: str, protocol: int, port: int) -> str:
        """The name of a node's service there."""
        for service in self.services.get(node, ()):
            if NUMBERS[service.protocol] == protocol and service.ports[0] <= port <= service.ports[1]:
                return service.name
        return ""


@dataclass(frozen=True, slots=True)
class Line:
    """Part of a box that one line of words is about."""

    box: Box
    source: str
    destination: str
    spoofed: bool = False


def lines(box: Box, universe: Universe, names: Names) -> Iterator[Line]:
    """Cut a box into what is said in one line each: pair by pair if these are few, else source by source."""
    honest: list[tuple[int, Intervals]] = []
    for cable, sources in box.entries.pairs():
        interface = universe.names[cable]
        own = names.own.get((interface, universe.family))
        mine: Intervals = ((own, own),) if own is not None else ()
        if false := minus(sources, mine):
            known = [number for (family, number) in names.nodes if family == universe.family and holds(false, number)]
            claims = names.address(universe.family, known[0]) if known and universe.way.enters else ""
            part = box._replace(entries=type(box.entries)({cable: false}))
            yield Line(part, names.cable(interface), claims or _anyone(universe, false), spoofed=True)
        if meet(sources, mine):
            honest.append((cable, mine))
    yield from _honest_lines(box, honest, universe, names)


def _honest_lines(box: Box, rows: list[tuple[int, Intervals]], universe: Universe, names: Names) -> Iterator[Line]:
    entries = type(box.entries)
    if not rows:
        return
    known = [(number, name) for (family, number), name in names.nodes.items() if family == universe.family]
    nodes = [(number, name) for number, name in known if holds(box.destination, number)]
    beyond = minus(box.destination, tuple(sorted((number, number) for number, _ in known)))
    whole = "every node" if len(nodes) == len(known) else f"{len(nodes)} nodes"
    targets: list[tuple[Intervals, str]] = [(((number, number),), name) for number, name in nodes]
    if len(rows) * len(targets) > MOST_LINES and targets:
        targets = [(meet(box.destination, tuple(sorted((n, n) for n, _ in nodes))), whole)]
    if beyond:
        targets.append((beyond, _anyone(universe, beyond)))
    if len(rows) * len(targets) > MOST_LINES:
        said = "every node" if len(rows) == len(known) else f"{len(rows)} nodes"
        for addresses, name in targets:
            yield Line(box._replace(entries=entries(dict(rows)), destination=addresses), said, name)
        return
    for cable, sources in rows:
        for addresses, name in targets:
            part = box._replace(entries=entries({cable: sources}), destination=addresses)
            yield Line(part, names.cable(universe.names[cable]), name)


def _anyone(universe: Universe, addresses: Intervals) -> str:
    first = _ip(universe.family, addresses[0][0])
    return str(first) if size(addresses) == 1 else "other addresses"


def asks_for(boxes: Sequence[Box], node: str, names: Names) -> str:
    """What boxes may ask of a node: `:2762 (dicom-tls)`, `:* (ssh 22, ...)`, ` icmp`."""
    protocols = 0
    for box in boxes:
        protocols |= box.protocol
    for number, suffix in ((TCP, ""), (UDP, "/udp")):
        if protocols >> number & 1:
            ports = union(pair for box in boxes if box.protocol >> number & 1 for pair in box.dport)
            return f":{_ports(ports)}{suffix}{_services(number, ports, node, names)}"
    kinds = [name for number, name in ((ICMP, "icmp"), (ICMPV6, "icmpv6")) if protocols == 1 << number]
    return f" {kinds[0]}" if kinds else " by other protocols"


def _ports(ports: Intervals) -> str:
    if len(ports) > _FEW_PORTS or size(ports) > 0xFFFF - _FEW_PORTS:
        return "*"
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ports)


def _services(protocol: int, ports: Intervals, node: str, names: Names) -> str:
    within = [s for s in names.services.get(node, ()) if NUMBERS[s.protocol] == protocol and meet((s.ports,), ports)]
    many = _ports(ports) == "*"
    said = dict.fromkeys(f"{service.name} {service.port}" if many else service.name for service in within)
    return f" ({', '.join(said)})" if said else ""


def witness(line: Line, universe: Universe, names: Names, node: str) -> Packet:
    """One packet of a box: the most ordinary there is."""
    box = line.box
    cable, sources = next(box.entries.pairs())
    claimed = [number for family, number in names.nodes if family == universe.family and holds(sources, number)]
    protocol = next((one for one in _LIKELY if box.protocol >> one & 1), _lowest(box.protocol))
    ports = [s.port for s in names.services.get(node, ()) if NUMBERS[s.protocol] == protocol]
    nodes = [number for family, number in names.nodes if family == universe.family and holds(box.destination, number)]
    return Packet(
        universe.names[cable],
        _ip(universe.family, claimed[0] if claimed else sources[0][0]),
        _ip(universe.family, nodes[0] if nodes else box.destination[0][0]),
        protocol,
        EPHEMERAL if holds(box.sport, EPHEMERAL) else box.sport[0][0],
        next((port for port in ports if holds(box.dport, port)), box.dport[0][0]),
        next((flags for flags in (SYN, ACK) if box.flags >> flags & 1), _lowest(box.flags)),
        State(_lowest(box.state)),
    )


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _ip(family: int, number: int) -> IPv4Address | IPv6Address:
    return IPv4Address(number) if family == 4 else IPv6Address(number)
