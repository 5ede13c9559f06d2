"""Plan -> probes: every packet that a sweep sends, with what the policy expects of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from pacslab.compiler.probe_ports import other_ports, twin_ports
from pacslab.model.dicom import Protocol
from pacslab.model.packet import ACK, EPHEMERAL, FIN, ICMP, ICMPV6, RST, SYN, TCP, UDP, State
from pacslab.model.plan import Flow, Plan, PlannedNode
from pacslab.model.probe import EVERYBODY, THE_FABRIC, Manner, Probe, ProbeClass

NUMBERS = {Protocol.TCP: TCP, Protocol.UDP: UDP}
REPLY_PORT = 32_000  # stands for a client's own port; among those that the prober's captures listen to
# RFC 792, RFC 4443: echo request; `Packet` keeps type and code in the source port.
ECHO = {4: (ICMP, 8 << 8), 6: (ICMPV6, 128 << 8)}
NEIGHBOUR_SOLICITATION = 135 << 8  # RFC 4861 4.3
SCTP, GRE = 132, 47
# RFC 792, RFC 4443: errors that may come back about a conversation, and those that need not: source quench, redirect.
_ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
_NEEDLESS_ERRORS = {4: (4, 5), 6: ()}
_OTHER_PROTOCOLS = (TCP - 1, TCP + 1, UDP - 1, UDP + 1, GRE, SCTP)
_FLAGS = (FIN, RST, 0, SYN | FIN)
_FABRIC_PORTS = ((TCP, 22), (TCP, 53), (UDP, 53))
_BROADCAST_PORTS = (67, 137, 104)  # DHCP, NetBIOS, and a DICOM device that shouts
ALL_ONES = IPv4Address("255.255.255.255")
# mDNS, SSDP, all systems (RFC 6762, UPnP, RFC 1112).
_GROUPS4 = ((IPv4Address("224.0.0.251"), 5353), (IPv4Address("239.255.255.250"), 1900), (IPv4Address("224.0.0.1"), 9))
_GROUPS6 = ((IPv6Address("ff02::fb"), 5353), (IPv6Address("ff05::c"), 1900), (IPv6Address("ff02::1"), 9))
_MADE_UP = int(IPv6Address("2001:2:0:ffff::"))  # RFC 5180 8: addresses for tests; an IPv4 address makes the end
_LINK_LOCAL = int(IPv6Address("fe80::"))
Address = IPv4Address | IPv6Address


def probes(plan: Plan) -> Iterator[Probe]:
    """Every probe of a lab, in an order that depends on the plan only.

    The policy is what counts, not the posture: a flat lab is expected to be segmented, and fails.
    """
    for version in (4, 6):
        half = _Half(plan, version)
        for source in half.nodes:
            for destination in half.nodes:
                if source is not destination:
                    yield from half.pair(source, destination)
        yield from half.of_flows()
        for source in half.nodes:
            yield from half.spoofed(source)
            yield from half.nobody(source)
            yield from half.errors(source)
            yield from half.first_flow(source)
    for source in plan.nodes:
        yield from _without_ipv6(plan, source)


def made_up(address: IPv4Address) -> IPv6Address:
    """The IPv6 address that stands for a node which has none."""
    return IPv6Address(_MADE_UP | int(address))


@dataclass(frozen=True)
class _Half:
    """A plan as one address family sees it."""

    plan: Plan
    version: int

    @cached_property
    def nodes(self) -> tuple[PlannedNode, ...]:
        return tuple(node for node in self.plan.nodes if self.version == 4 or node.address6 is not None)

    @cached_property
    def flows(self) -> tuple[tuple[int, Flow], ...]:
        """The open ones, each with its place."""
        every = enumerate(self.plan.flows)
        return tuple((n, f) for n, f in every if not f.granted and f.source_address.version == self.version)

    @cached_property
    def of_pair(self) -> dict[tuple[str, str], tuple[tuple[int, Flow], ...]]:
        found: dict[tuple[str, str], tuple[tuple[int, Flow], ...]] = {}
        for place, flow in self.flows:
            key = flow.source, flow.destination
            found[key] = (*found.get(key, ()), (place, flow))
        return found

    @cached_property
    def ports(self) -> tuple[tuple[ProbeClass, int, int], ...]:
        """Every class, protocol number and port that goes between each two nodes."""
        plan = self.plan
        return (
            *((ProbeClass.SERVICE, NUMBERS[protocol], port) for protocol, port in plan.ports),
            *((ProbeClass.TRANSPORT, NUMBERS[protocol], port) for protocol, port in twin_ports(plan)),
            *((kind, NUMBERS[protocol], port) for kind, (protocol, port) in other_ports(plan)),
        )

    @cached_property
    def free(self) -> tuple[tuple[str, Address], ...]:
        """The highest address of each zone's network that is nobody's."""
        taken = {self.address(node) for node in self.nodes}
        found: list[tuple[str, Address]] = []
        for zone in self.plan.zones:
            network, gateway = (zone.network, zone.gateway) if self.version == 4 else (zone.network6, zone.gateway6)
            if network is None:
                continue
            last = int(network[-1]) - (1 if self.version == 4 else 0)
            for number in range(last, int(network[0]), -1):
                address: Address = IPv4Address(number) if self.version == 4 else IPv6Address(number)
                if address not in taken and address != gateway:
                    found.append((zone.name, address))
                    break
        return tuple(found)

    def address(self, node: PlannedNode) -> Address:
        address = node.address if self.version == 4 else node.address6
        assert address is not None  # `nodes` holds no other
        return address

    def pair(self, source: PlannedNode, destination: PlannedNode) -> Iterator[Probe]:
        """All that goes from one node to another with its own address."""
        start, end = self.address(source), self.address(destination)
        flows = self.of_pair.get((source.name, destination.name), ())
        denied: tuple[int, int] | None = None
        for kind, protocol, port in self.ports:
            flow = _opens(flows, protocol, port) if flows else -1
            if flow >= 0 and kind is not ProbeClass.SERVICE:
                continue  # inside a permitted range: its ends are probed as services
            if flow < 0 and denied is None and protocol == TCP:
                denied = protocol, port
            yield Probe(kind, source.name, destination.name, start, end, protocol, port, flow=flow)
        protocol, word = ECHO[self.version]
        yield Probe(ProbeClass.ECHO, source.name, destination.name, start, end, protocol, 0, word)
        for port in _stray_ports(flows, destination):
            for kind, flags in ((ProbeClass.ACK, ACK), (ProbeClass.SYN_ACK, SYN | ACK)):
                yield Probe(kind, source.name, destination.name, start, end, TCP, port, EPHEMERAL, flags, State.INVALID)
        if denied is not None and self.version == 4:
            yield Probe(
                ProbeClass.FRAGMENT, source.name, destination.name, start, end, *denied, manner=Manner.FRAGMENTS
            )

    def of_flows(self) -> Iterator[Probe]:
        """What is one step beside each permitted conversation."""
        for _, flow in self.flows:
            start, end, port = flow.source_address, flow.destination_address, flow.port
            way = (flow.source, flow.destination, start, end)
            for protocol in _OTHER_PROTOCOLS:
                yield Probe(ProbeClass.PROTOCOL, *way, protocol, port)
            if flow.protocol is not Protocol.TCP:
                continue
            for flags in _FLAGS:
                yield Probe(ProbeClass.FLAGS, *way, TCP, port, EPHEMERAL, flags, State.INVALID)
            back = (flow.destination, flow.source, end, start)
            yield Probe(ProbeClass.REPLY, *back, TCP, REPLY_PORT, port)
            yield Probe(ProbeClass.SYN_ACK, *back, TCP, REPLY_PORT, port, SYN | ACK, State.INVALID)
            yield Probe(ProbeClass.ACK, *back, TCP, REPLY_PORT, port, ACK, State.INVALID)

    def spoofed(self, source: PlannedNode) -> Iterator[Probe]:
        """Every permitted conversation of others, begun from this cable; who has none is claimed to begin some.

        And addresses that nobody has: beside the node's own, and free in its zone.
        """
        own = self.address(source)
        beside = (type(own)(int(own) + step) for step in (-1, 1))
        free = (address for zone, address in self.free if zone == source.zone)
        claimed: dict[Address, None] = dict.fromkeys((*(self.address(node) for node in self.nodes), *beside, *free))
        for _, flow in self.flows:
            if source.name not in {flow.source, flow.destination}:
                claimed.pop(flow.source_address, None)
                yield Probe(
                    ProbeClass.SPOOFED,
                    source.name,
                    flow.destination,
                    flow.source_address,
                    flow.destination_address,
                    NUMBERS[flow.protocol],
                    flow.port,
                )
        claimed.pop(own, None)
        others = [node for node in self.nodes if node is not source]
        for address in claimed:
            for other in [one for one in others if self.address(one) != address][:1]:
                end = self.address(other)
                yield Probe(ProbeClass.SPOOFED, source.name, other.name, address, end, TCP, _door(other))

    def errors(self, source: PlannedNode) -> Iterator[Probe]:
        """ICMP errors to the initiator of a conversation that is open, and one about none."""
        others = ((n, f) for n, f in self.flows if f.protocol is Protocol.TCP and f.source != source.name)
        for place, flow in others:
            protocol, own = ECHO[self.version][0], self.address(source)
            way = (ProbeClass.ERROR, source.name, flow.source, own, flow.source_address, protocol, 0)
            for kind in _ERRORS[self.version]:
                yield Probe(*way, kind << 8, state=State.RELATED, flow=place, about=place)
            for kind in _NEEDLESS_ERRORS[self.version]:
                yield Probe(*way, kind << 8, state=State.RELATED, about=place)
            yield Probe(*way, _ERRORS[self.version][0] << 8, state=State.INVALID, about=place)
            return

    def first_flow(self, source: PlannedNode) -> Iterator[Probe]:
        """A permitted conversation of the node, begun so that it must not come about."""
        for flow in [f for _, f in self.flows if f.source == source.name and f.protocol is Protocol.TCP][:1]:
            way = (flow.source, flow.destination, flow.source_address, flow.destination_address, TCP, flow.port)
            yield Probe(ProbeClass.CHECKSUM, *way, state=State.INVALID, manner=Manner.DAMAGED)
            yield Probe(ProbeClass.LAST_HOP, *way, manner=Manner.LAST_HOP)

    def nobody(self, source: PlannedNode) -> Iterator[Probe]:
        """To addresses that are no node's: free ones, gateways, broadcast, multicast."""
        start = self.address(source)
        echo, word = ECHO[self.version]
        for zone, address in self.free:
            yield Probe(ProbeClass.UNASSIGNED, source.name, zone, start, address, TCP, _FABRIC_PORTS[0][1])
            yield Probe(ProbeClass.UNASSIGNED, source.name, zone, start, address, echo, 0, word)
        gateways = (zone.gateway if self.version == 4 else zone.gateway6 for zone in self.plan.zones)
        for gateway in dict.fromkeys(gateway for gateway in gateways if gateway is not None):
            for protocol, port in _FABRIC_PORTS:
                yield Probe(ProbeClass.FABRIC, source.name, THE_FABRIC, start, gateway, protocol, port)
            yield Probe(ProbeClass.FABRIC, source.name, THE_FABRIC, start, gateway, echo, 0, word)
        if self.version == 4:
            for address in (ALL_ONES, *dict.fromkeys(zone.network.broadcast_address for zone in self.plan.zones)):
                for port in _BROADCAST_PORTS:
                    yield Probe(ProbeClass.BROADCAST, source.name, EVERYBODY, start, address, UDP, port)
                yield Probe(ProbeClass.BROADCAST, source.name, EVERYBODY, start, address, echo, 0, word)
        for group, port in _GROUPS4 if self.version == 4 else _GROUPS6:
            yield Probe(ProbeClass.MULTICAST, source.name, EVERYBODY, start, group, UDP, port)


def _without_ipv6(plan: Plan, source: PlannedNode) -> Iterator[Probe]:
    """Over IPv6 between two of which at least one has no such address, and to whoever listens on the link."""
    start = source.address6 or made_up(source.address)
    echo, word = ECHO[6]
    for destination in plan.nodes:
        if destination is source or (source.address6 is not None and destination.address6 is not None):
            continue
        end = destination.address6 or made_up(destination.address)
        way = (source.name, destination.name, start, end)
        yield Probe(ProbeClass.NO_IPV6, *way, TCP, _door(destination))
        yield Probe(ProbeClass.NO_IPV6, *way, echo, 0, word)
    if source.address6 is None:
        own = IPv6Address(_LINK_LOCAL | int(source.address))
        group = IPv6Address("ff02::1")
        yield Probe(ProbeClass.NO_IPV6, source.name, EVERYBODY, own, group, echo, 0, word)
        yield Probe(ProbeClass.NO_IPV6, source.name, EVERYBODY, own, group, ICMPV6, 0, NEIGHBOUR_SOLICITATION)


def _door(node: PlannedNode) -> int:
    """A TCP port where the node listens, or would be looked for."""
    return next((service.port for service in node.services if service.protocol is Protocol.TCP), 22)


def _stray_ports(flows: tuple[tuple[int, Flow], ...], destination: PlannedNode) -> tuple[int, ...]:
    """Where a packet of no conversation is least likely to be noticed: at the doors that are open."""
    permitted = dict.fromkeys(flow.port for _, flow in flows if flow.protocol is Protocol.TCP)
    return tuple(permitted) or (_door(destination),)


def _opens(flows: tuple[tuple[int, Flow], ...], protocol: int, port: int) -> int:
    """Place of the flow that permits protocol and port between one pair; -1: none does."""
    for place, flow in flows:
        if NUMBERS[flow.protocol] == protocol and flow.ports[0] <= port <= flow.ports[1]:
            return place
    return -1
