"""Plan and running containers -> the sweep's request; the fabric's columns -> what became of each probe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pacslab.compiler.probes import probes
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Plug
from pacslab.model.packet import EPHEMERAL, ICMP, ICMPV6, TCP, State
from pacslab.model.plan import Flow, Plan, PlannedNode
from pacslab.model.probe import Probe
from pacslab.model.sweep import (
    FATES,
    NOBODY,
    REPLIES,
    Address,
    Confirmation,
    Connect,
    Control,
    Door,
    Fate,
    Reply,
    Rows,
    Shape,
    Sighting,
    SweepReport,
    SweepRequest,
    Talk,
    Target,
    unpack,
)

DEAD_PID = 0  # of a node that does not run: it cannot be probed, and that is said
Row = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one probe."""

    fate: Fate
    prefix: str = ""  # the firewall's word for the drop, e.g. "pacslab:no-conduit"
    reply: Reply = Reply.NONE
    source_seen: Address | None = None  # the source address the receiver saw
    elsewhere: str = ""  # a node it was not meant for, and that it reached
    connect: Connect = Connect.NOT_TRIED
    attempts: int = 0  # to connect


UNREPORTED = Ending(Fate.UNSENT)


def request(plan: Plan, plugs: Iterable[Plug], every: Iterable[Probe] | None = None) -> SweepRequest:
    """Every probe of a plan, or just these, for the fabric."""
    pids = {plug.cable.node: plug.pid for plug in plugs}
    targets = tuple(
        Target(c.node, c.interface, c.address, c.gateway, pids.get(c.node, DEAD_PID), c.address6, c.gateway6)
        for c in plan.cables
    )
    table = _Table({target.node: place for place, target in enumerate(targets)}, plan.flows)
    for place, target in enumerate(targets):
        for address in (target.address, target.address6):
            if address is not None:
                table.owners[address] = place
    confirm: list[int] = []
    rows = Rows.of(table.rows(probes(plan) if every is None else every, confirm))
    return SweepRequest(
        targets,
        tuple(table.addresses),
        tuple(table.owners.get(address, NOBODY) for address in table.addresses),
        tuple(table.shapes),
        rows.packed(),
        tuple(confirm),
        tuple(_doors(plan)),
        tuple(table.talks),
    )


class _Table:
    """Addresses and shapes, each once, in the order they are met."""

    def __init__(self, places: dict[str, int], flows: tuple[Flow, ...]) -> None:
        self.owners: dict[Address, int] = {}
        self.addresses: dict[Address, int] = {}
        self.shapes: dict[Shape, int] = {}
        self.talks: dict[Talk, int] = {}
        self._places, self._flows = places, flows
        self._known: dict[tuple[object, ...], int] = {}

    def rows(self, every: Iterable[Probe], confirm: list[int]) -> Iterator[Row]:
        """One row for each probe; adds to `confirm` those that are to be repeated as connections."""
        places, addresses, known = self._places, self.addresses, self._known
        for number, probe in enumerate(every):
            if probe.flow >= 0 and probe.protocol == TCP:
                confirm.append(number)
            claimed, destination = probe.source_address, probe.destination_address
            key = (probe.kind, destination.version, probe.protocol, *probe[7:9], probe.manner)
            shape = known.get(key)
            if shape is None:
                shape = known[key] = self.shapes.setdefault(_shape(probe), len(self.shapes))
            yield (
                places[probe.source],
                addresses.setdefault(claimed, len(addresses)),
                addresses.setdefault(destination, len(addresses)),
                probe.destination_port if probe.about < 0 else self._talk(probe),
                shape,
            )

    def _talk(self, probe: Probe) -> int:
        flow = self._flows[probe.about]
        is_open = probe.state is State.RELATED
        talk = Talk(self._places[flow.source], flow.source_address, flow.destination_address, flow.port, is_open)
        return self.talks.setdefault(talk, len(self.talks))


def _shape(probe: Probe) -> Shape:
    is_icmp = probe.protocol in {ICMP, ICMPV6}
    source_port = 0 if probe.source_port == EPHEMERAL and not is_icmp else probe.source_port
    flags = probe.flags if probe.protocol == TCP else 0
    return Shape(probe.kind, probe.version, probe.protocol, source_port, flags, probe.manner, is_icmp)


def _doors(plan: Plan) -> Iterator[Door]:
    for node in plan.nodes:
        own = {(s.protocol, port) for s in node.services for port in s.ports}
        for version in (4, 6) if node.address6 is not None else (4,):
            for protocol, port in plan.ports:  # most programs of a lab listen over IPv4 only
                yield Door(node.name, port, protocol, version, is_own=version == 4 and (protocol, port) in own)


class Endings:
    """A report, by the numbers of the probes; what nobody reported on is unsent."""

    def __init__(self, plan: Plan, report: SweepReport) -> None:
        self._plan = plan
        self.report = report
        self._fates, self._words = unpack(report.fates), unpack(report.words)
        self._sightings: dict[int, Sighting] = {one.probe: one for one in report.sightings}
        self._confirmed: dict[int, Confirmation] = {one.probe: one for one in report.confirmations}

    def of(self, number: int, probe: Probe) -> Ending:
        """What became of the probe of that number."""
        if number >= len(self._fates):
            return UNREPORTED
        fate, reply = FATES[self._fates[number] & 7], REPLIES[self._fates[number] >> 3]
        sighting, confirmed = self._sightings.get(number), self._confirmed.get(number)
        seen = probe.source_address if fate is Fate.ARRIVED else None
        elsewhere = ""
        if sighting is not None:
            seen, elsewhere = sighting.source, sighting.node if sighting.node != probe.destination else ""
        if confirmed is not None and confirmed.source_seen is not None:
            seen = confirmed.source_seen
        return Ending(
            fate,
            self.report.prefixes[self._words[number]],
            reply,
            seen,
            elsewhere,
            confirmed.outcome if confirmed is not None else Connect.NOT_TRIED,
            confirmed.attempts if confirmed is not None else 0,
        )

    def is_plain(self, number: int) -> bool:
        """Whether the probe was dropped by the firewall's word, and nothing else is known of it."""
        return number < len(self._fates) and self._fates[number] == FATES.index(Fate.DROPPED)

    def prefix(self, number: int) -> str:
        """The firewall's word for it."""
        return self.report.prefixes[self._words[number]]

    def control(self, node: str, protocol: Protocol, port: int, version: int) -> Control | None:
        """The control of the same door; an open UDP port is silent, so another may speak for its node."""
        own = self._controls.get((node, protocol, port, version))
        if own is None or own.protocol is Protocol.TCP or not own.reached or own.reply is not Reply.NONE:
            return own
        return self.alive(node) or own

    def alive(self, node: str) -> Control | None:
        """A control that the node answered, at whatever door."""
        return self._alive.get(node)

    @cached_property
    def _controls(self) -> dict[tuple[str, Protocol, int, int], Control]:
        return {(c.node, c.protocol, c.port, c.version): c for c in self.report.controls}

    @cached_property
    def _alive(self) -> dict[str, Control]:
        return {c.node: c for c in self.report.controls if c.reached and c.reply is not Reply.NONE}

    @cached_property
    def nodes(self) -> dict[str, PlannedNode]:
        """The plan's nodes by name."""
        return {node.name: node for node in self._plan.nodes}
