"""For any small lab: the emitted ruleset lets through what the policy says, told by an interpreter of its own.

The interpreter walks the tree like a kernel would, one packet at a time, and knows nothing of how it was made.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacslab.compiler.compile import compile_lab
from pacslab.firewall.emit import emit
from pacslab.model import codec
from pacslab.model.dicom import Application, Protocol
from pacslab.model.lab import Conduit, Lab, Node, Origin, Posture, Service, Zone
from pacslab.model.ruleset import (
    Accept,
    Chain,
    Counter,
    Drop,
    Goto,
    Hook,
    Limit,
    Log,
    Lookup,
    Match,
    Rule,
    StateMap,
    Statement,
    Table,
)

HERE = Origin("zone.yaml")

# ---------------------------------------------------------------- labs


@st.composite
def labs(draw: st.DrawFn) -> Lab:
    """One to four zones, up to three nodes each, services on any ports, conduits between any of them."""
    zones = [
        Zone(f"z{n}", IPv4Network(f"198.18.{n * 10}.0/24"), draw(_nodes(n)), (), HERE)
        for n in range(1, draw(st.integers(1, 4)) + 1)
    ]
    every = [node for zone in zones for node in zone.nodes]
    opened: set[tuple[str, str, str]] = set()
    filled = tuple(
        replace(zone, conduits=tuple(_conduits(draw, zone, every, opened, count=draw(st.integers(0, 3)))))
        for zone in zones
    )
    return Lab("small", draw(st.sampled_from(Posture)), filled, HERE)


@st.composite
def _nodes(draw: st.DrawFn, zone: int) -> tuple[Node, ...]:
    return tuple(
        Node(
            name=f"n{zone}-{n}",
            zone=f"z{zone}",
            kind="probe",
            address=IPv4Address(f"198.18.{zone * 10}.{10 + n}"),
            origin=HERE,
            services=tuple(
                Service(f"s{m}", draw(st.sampled_from(Application)), port, protocol)
                for m, (protocol, port) in enumerate(draw(_endpoints))
            ),
        )
        for n in range(draw(st.integers(1, 3)))
    )


# Few ports, so that nodes share them: that is where one flow could open another.
_endpoints = st.lists(
    st.tuples(st.sampled_from(Protocol), st.sampled_from([1, 22, 104, 11112, 65535])), max_size=3, unique=True
)


def _conduits(
    draw: st.DrawFn, zone: Zone, every: list[Node], opened: set[tuple[str, str, str]], *, count: int
) -> Iterator[Conduit]:
    for n in range(count):
        destination = draw(st.sampled_from(zone.nodes))
        if not destination.services:
            continue
        service = draw(st.sampled_from(destination.services)).name
        sources = [
            node.path
            for node in draw(st.lists(st.sampled_from(every), unique=True))
            if (node.path, destination.path, service) not in opened  # the loader refuses shadowed conduits
        ]
        opened |= {(source, destination.path, service) for source in sources}
        granted = draw(st.sampled_from([False, False, True]))
        identity = f"{zone.name}-c{n}"
        yield Conduit(
            identity, zone.name, tuple(sources), (destination.path,), service, (), "a reason", HERE, granted=granted
        )


# ---------------------------------------------------------------- the policy, straight from the lab

Key = tuple[IPv4Address, IPv4Address, str, int]


def _policy(lab: Lab) -> set[Key]:
    nodes = {node.path: node for node in lab.nodes}
    found = set()
    for conduit in lab.conduits:
        for source in conduit.sources:
            for destination in conduit.destinations:
                service = nodes[destination].service(conduit.service)
                if service and source != destination and not conduit.granted:
                    key = (nodes[source].address, nodes[destination].address, service.protocol.value, service.port)
                    found.add(key)
    return found


# ---------------------------------------------------------------- packets, and a naive interpreter


@dataclass(frozen=True, slots=True)
class Packet:
    iifname: str
    saddr: IPv4Address
    daddr: IPv4Address
    proto: str  # tcp, udp, icmp
    dport: int  # of icmp: what stands where a port would stand
    flags: frozenset[str]
    state: str  # new, established, related, invalid
    icmp: str = "echo-request"
    family: str = "ipv4"


class Interpreter:
    """Runs a packet through prerouting and forward; anything it does not know is an error, never a guess."""

    def __init__(self, table: Table) -> None:
        self.sets = {entry.name: {element.key for element in entry.elements} for entry in table.sets}
        self.maps = {entry.name: {element.key for element in entry.elements} for entry in table.maps}
        self.chains = {chain.name: chain for chain in table.chains}
        self.bases = {chain.base.hook: chain for chain in table.chains if chain.base}

    def accepts(self, packet: Packet) -> bool:
        return all(self._chain(self.bases[hook], packet) for hook in (Hook.PREROUTING, Hook.FORWARD))

    def _chain(self, chain: Chain, packet: Packet) -> bool:
        for rule in chain.rules:
            verdict = self._rule(rule, packet)
            if verdict is not None:
                return verdict
        return False  # a base chain's policy; after a goto, that of the base chain it came from

    def _rule(self, rule: Rule, packet: Packet) -> bool | None:
        for statement in rule.statements:
            match statement:
                case Match():
                    if self._matches(statement, packet) is statement.negated:
                        return None
                case Counter() | Log() | Limit():
                    continue
                case _:
                    return self._verdict(statement, packet)
        return None

    def _verdict(self, statement: Statement, packet: Packet) -> bool | None:
        match statement:
            case Accept():
                return True
            case Drop():
                return False
            case Goto():
                return self._chain(self.chains[statement.chain], packet)
            case Lookup():
                found = tuple(_read(selector, packet) for selector in statement.selector) in self.maps[statement.map]
                return True if found else None
            case StateMap():
                chain = dict(statement.entries).get(packet.state)
                return None if chain is None else self._chain(self.chains[chain], packet)
        raise NotImplementedError(statement)

    def _matches(self, match: Match, packet: Packet) -> bool:
        selectors, value = match.selector, match.value
        if value.startswith("@"):
            return tuple(_read(selector, packet) for selector in selectors) in self.sets[value[1:]]
        (selector,) = selectors
        if value.startswith("{"):
            words = [word.strip() for word in value.strip("{} ").split(",")]
            return packet.proto == "icmp" and _read(selector, packet) in words
        if selector in {"ip saddr", "ip daddr"} and "/" in value:
            return IPv4Address(_read(selector, packet)) in IPv4Network(value)
        if selector == "tcp flags & (fin | syn | rst | ack)":
            return packet.proto == "tcp" and packet.flags & {"fin", "syn", "rst", "ack"} == {value}
        if selector in {"meta l4proto", "meta nfproto"}:
            return _read(selector, packet) == value
        raise NotImplementedError(match)


def _read(selector: str, packet: Packet) -> str:
    match selector:
        case "iifname":
            return f'"{packet.iifname}"'
        case "ip saddr":
            return str(packet.saddr)
        case "ip daddr":
            return str(packet.daddr)
        case "meta l4proto":
            return packet.proto
        case "meta nfproto":
            return packet.family
        case "th dport":
            return str(packet.dport)
        case "icmp type":
            return packet.icmp
    raise NotImplementedError(selector)


def _interpreter(lab: Lab, posture: Posture) -> Interpreter:
    plan = compile_lab(lab, posture)
    return Interpreter(emit(plan.zones, plan.cables, plan.flows, posture))


@st.composite
def packets(draw: st.DrawFn, lab: Lab) -> Packet:
    """Packets near the lab's own: its cables, addresses and ports, and those just beside them."""
    inside = [node.address for node in lab.nodes]
    beside = [zone.gateway for zone in lab.zones] + [IPv4Address("8.8.8.8"), inside[0] + 100]
    addresses = st.sampled_from(inside + beside)
    ports = sorted({service.port + step for node in lab.nodes for service in node.services for step in (-1, 0, 1)})
    node = draw(st.sampled_from(lab.nodes))
    return Packet(
        iifname=draw(st.sampled_from([node.name, node.name, node.name, "eth0", "lo"])),
        saddr=draw(st.just(node.address) | addresses),
        daddr=draw(addresses),
        proto=draw(st.sampled_from(["tcp", "tcp", "udp", "icmp"])),
        dport=draw(st.sampled_from([port for port in ports if 0 <= port <= 65535] or [80])),
        flags=draw(st.just(frozenset({"syn"})) | st.frozensets(st.sampled_from(["fin", "syn", "rst", "ack", "psh"]))),
        state=draw(st.sampled_from(["new", "new", "new", "established", "related", "invalid", "untracked"])),
        icmp=draw(st.sampled_from(["echo-request", "redirect", "destination-unreachable", "time-exceeded"])),
        family=draw(st.sampled_from(["ipv4", "ipv4", "ipv4", "ipv6"])),
    )


def _permitted(packet: Packet, lab: Lab, posture: Posture) -> bool:
    """What ARCHITECTURE 3 and the postures say of a packet, in the order of a reader's questions."""
    cables = {node.name: node.address for node in lab.nodes}
    zone = {node.address: node.zone for node in lab.nodes}
    if packet.family != "ipv4" or cables.get(packet.iifname) != packet.saddr or packet.daddr not in zone:
        return False
    if packet.state in {"established", "invalid", "untracked"}:
        return packet.state == "established"
    if packet.state == "related":
        return packet.proto == "icmp" and packet.icmp in {"destination-unreachable", "time-exceeded"}
    if packet.proto == "tcp" and packet.flags & {"fin", "syn", "rst", "ack"} != {"syn"}:
        return False
    match posture:
        case Posture.FLAT:
            return True
        case Posture.ZONED if zone[packet.saddr] == zone[packet.daddr]:
            return True
    return (packet.saddr, packet.daddr, packet.proto, packet.dport) in _policy(lab)


def _syn(source: Node, destination: Node, protocol: str, port: int) -> Packet:
    return Packet(source.name, source.address, destination.address, protocol, port, frozenset({"syn"}), "new")


# ---------------------------------------------------------------- properties


@settings(max_examples=150)
@given(st.data())
def test_any_packet_is_treated_as_the_policy_and_the_posture_say(data: st.DataObject) -> None:
    lab = data.draw(labs())
    posture = data.draw(st.sampled_from(Posture))
    interpreter = _interpreter(lab, posture)
    for packet in data.draw(st.lists(packets(lab), min_size=5, max_size=15)):
        assert interpreter.accepts(packet) is _permitted(packet, lab, posture), packet


@settings(max_examples=60)
@given(labs())
def test_segmented_opens_exactly_the_flows_for_every_pair_protocol_and_port(lab: Lab) -> None:
    interpreter = _interpreter(lab, Posture.SEGMENTED)
    ports = {service.port for node in lab.nodes for service in node.services} | {80}
    opened = {
        (source.address, destination.address, protocol, port)
        for source in lab.nodes
        for destination in lab.nodes
        for protocol in ("tcp", "udp")
        for port in ports
        if interpreter.accepts(_syn(source, destination, protocol, port))
    }
    assert opened == _policy(lab)


@settings(max_examples=60)
@given(labs(), st.sampled_from(Posture))
def test_a_spoofed_source_is_never_accepted(lab: Lab, posture: Posture) -> None:
    interpreter = _interpreter(lab, posture)
    for key in _policy(lab):
        saddr, daddr, protocol, port = key
        for node in lab.nodes:
            packet = Packet(node.name, saddr, daddr, protocol, port, frozenset({"syn"}), "new")
            assert interpreter.accepts(packet) is (node.address == saddr)
            assert not interpreter.accepts(replace(packet, iifname="eth0"))
            assert interpreter.accepts(replace(packet, state="established")) is (node.address == saddr)


@settings(max_examples=60)
@given(labs())
def test_each_posture_opens_at_least_what_the_stricter_one_opens(lab: Lab) -> None:
    strict, zoned, flat = (_interpreter(lab, posture) for posture in Posture)
    for source in lab.nodes:
        for destination in lab.nodes:
            packet = _syn(source, destination, "tcp", 104)
            assert strict.accepts(packet) <= zoned.accepts(packet) <= flat.accepts(packet)
            assert flat.accepts(packet)
            if source.zone == destination.zone:
                assert zoned.accepts(packet)
            else:
                assert zoned.accepts(packet) is strict.accepts(packet)


@settings(max_examples=50)
@given(labs())
def test_compile_is_a_function(lab: Lab) -> None:
    again = codec.loads(Lab, codec.dumps(lab))
    assert again == lab
    assert again is not lab
    assert codec.dumps(compile_lab(again)) == codec.dumps(compile_lab(lab))


@settings(max_examples=12)
@given(labs())
@pytest.mark.parametrize("posture", Posture)
def test_nft_takes_every_ruleset(posture: Posture, nft_check: Callable[[str], str], lab: Lab) -> None:
    assert nft_check(compile_lab(lab, posture).ruleset) == ""
