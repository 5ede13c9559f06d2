"""Probes -> where each one ended, with controls, confirmations and an account that closes."""

from __future__ import annotations

import os
import resource
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from pacslab.fabric import ipv6, ruleset
from pacslab.fabric.connects import Connection, Connections
from pacslab.fabric.conntrack import Conversation, forget
from pacslab.fabric.controls import Controls
from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import RANK, Ledger
from pacslab.fabric.nflog import Log
from pacslab.fabric.packets import TCP, UDP
from pacslab.fabric.position import Position, Seat, take_seat
from pacslab.fabric.refusal import Refusal
from pacslab.fabric.talks import Talks
from pacslab.fabric.volley import Volley, source_port
from pacslab.model.probe import ProbeClass
from pacslab.model.sweep import (
    FATES,
    NOBODY,
    REPLIES,
    Extra,
    Fate,
    Rows,
    Sighting,
    SweepReport,
    SweepRequest,
    pack,
)

Progress = Callable[[str, int, int], None]

_ROUNDS = 3  # a lost probe is sent again twice, as a fresh one; no other is
_SLOWER = 4  # how much slower
_PROGRESS_S = 0.25
_UNHEARD_S = 0.05  # what is discarded unheard has long been counted by then
_NO_CONTROL = 0xFFFFFFFF


def sweep(request: SweepRequest, progress: Progress) -> SweepReport:
    """Send every probe from its source's own namespace and account for each.

    Raises:
        Refusal: A probe names what is not in the request, or somebody else reads the firewall's log.
    """
    rows = Rows.unpacked(request.rows)
    _refuse_unknown(request, rows)
    _allow_many_files(len(request.targets))
    with ExitStack() as stack:
        seats = [take_seat(target) for target in request.targets]
        positions = {at: seat.position for at, seat in enumerate(seats) if seat.position is not None}
        stack.callback(_leave, list(positions.values()))
        log = stack.enter_context(closing(Log()))
        numbers = [int(address) for address in request.addresses]
        ledger = Ledger(int.from_bytes(os.urandom(4), "big"), rows, request.shapes, numbers, request.owners)
        ears = stack.enter_context(Ears(positions, log, ledger))
        talks = stack.enter_context(Talks(request.talks, seats))
        return _Run(request, rows, seats, ledger, ears, talks, progress).report()


@dataclass(slots=True)
class _Run:
    """One sweep under way."""

    request: SweepRequest
    rows: Rows
    seats: Sequence[Seat]
    ledger: Ledger
    ears: Ears
    talks: Talks
    progress: Progress
    notes: list[str] = field(default_factory=list)
    fates: bytearray = field(default_factory=bytearray)  # of each probe, its rank
    started: float = field(default_factory=time.monotonic)

    def report(self) -> SweepReport:
        before = ruleset.deny_packets()
        self.talks.open()
        self.fates = bytearray(len(self.rows.source))
        unheard = {place for place, shape in enumerate(self.request.shapes) if shape.kind is ProbeClass.NO_IPV6}
        shapes = self.rows.shape
        self._probe([n for n in range(len(shapes)) if shapes[n] not in unheard])
        self._probe_unheard([n for n in range(len(shapes)) if shapes[n] in unheard])
        foreign_drops = self.ledger.foreign_drops
        after = ruleset.deny_packets()
        # While the firewall still knows them: a reset that it drops leaves the responder waiting for half a minute,
        # and a server that shakes hands with one caller at a time would answer nobody else.
        self.talks.close()
        # Controls bypass the firewall, but what a node answers them may be denied: so after the counters are read.
        places = {seat.target.node: at for at, seat in enumerate(self.seats)}
        controls = Controls(self.request.doors, self.seats, places, self.ledger, self.ears).make()
        connections = self._confirm()
        self._settle_fates(0)  # an earlier one may have been seen late
        self._forget(connections)
        self._note_absences(before, after)
        counts = [self.fates.count(RANK[fate]) for fate in FATES]
        of = dict(zip(FATES, counts, strict=True))
        fates, words = self._columns()
        return SweepReport(
            fates=pack(fates),
            words=pack(words),
            prefixes=tuple(self.ledger.prefixes),
            sent=len(self.fates) - of[Fate.UNSENT],
            arrived=of[Fate.ARRIVED],
            dropped=of[Fate.DROPPED],
            rejected=of[Fate.REJECTED],
            discarded=of[Fate.DISCARDED],
            lost=of[Fate.LOST],
            counted_drops=(after or 0) - (before or 0),
            elapsed_s=round(time.monotonic() - self.started, 4),
            sightings=self._sightings(),
            confirmations=tuple(one.confirmation for one in connections),
            controls=controls,
            extras=self._extras(),
            foreign_drops=foreign_drops,
            notes=tuple(self.notes),
        )

    def _probe(self, probes: Sequence[int]) -> None:
        """Send all, then the lost ones again."""
        left = probes
        for number in range(_ROUNDS):
            first = len(self.ledger.probe)
            self._fire(left, self.request.rate_per_s / (_SLOWER if number else 1), self.request.settle_s)
            self._settle_fates(0 if number else first)
            left = [probe for probe in left if self.fates[probe] == RANK[Fate.LOST] and self._is_worth(probe)]
            if not left:
                break
            if number + 1 < _ROUNDS:
                self.notes.append(f"{len(left)} lost probes were sent again")

    def _probe_unheard(self, probes: Sequence[int]) -> None:
        """Send what the fabric's kernel may throw away before any rule: by its own counters, cable by cable."""
        if not probes:
            return
        first = len(self.ledger.probe)
        before = {at: ipv6.discards(seat.target.interface) for at, seat in enumerate(self.seats)}
        self._fire(probes, self.request.rate_per_s, 0)
        self.ears.hear_until(lambda: False, _UNHEARD_S)
        self._settle_fates(first)
        silent: dict[int, list[int]] = {}
        for probe in probes:
            if self.fates[probe] == RANK[Fate.LOST]:
                silent.setdefault(self.rows.source[probe], []).append(probe)
        for at, unheard in silent.items():
            if ipv6.discards(self.seats[at].target.interface) - before[at] >= len(unheard):
                for probe in unheard:
                    self.fates[probe] = RANK[Fate.DISCARDED]

    def _fire(self, probes: Sequence[int], rate_per_s: float, settle_s: float) -> None:
        first = len(self.ledger.probe)
        told = time.monotonic()

        def tell(done: int) -> None:
            nonlocal told
            if time.monotonic() - told >= _PROGRESS_S:
                told = time.monotonic()
                self.progress("probe", done, len(probes))

        addresses, shapes = self.request.addresses, self.request.shapes
        volley = Volley(self.rows, shapes, addresses, self.seats, self.ledger, self.ears, self.talks)
        volley.fire(probes, rate_per_s, tell)
        last = len(self.ledger.probe)

        def is_over() -> bool:
            nonlocal last
            while last > first and (self.ledger.is_decided(last - 1) or not self._can_leave(last - 1)):
                last -= 1
            return last == first

        self.ears.hear_until(is_over, settle_s)
        self._disbelieve_deaf(first)
        self.progress("probe", len(probes), len(probes))

    def _disbelieve_deaf(self, first: int) -> None:
        """Where a capture lost packets, nothing follows from what it did not see."""
        deaf = self.ears.deafened()
        if deaf:
            self.notes.append(f"the capture at {len(deaf)} nodes lost packets: what they did not see is not believed")
            self.ledger.disbelieve(first, deaf)

    def _settle_fates(self, first: int) -> None:
        """Of several attempts the one that got furthest counts."""
        numbers, fates, fate = self.ledger.probe, self.fates, self.ledger.fate
        for place in range(first, len(numbers)):
            if numbers[place] != _NO_CONTROL and (rank := RANK[fate(place)]) > fates[numbers[place]]:
                fates[numbers[place]] = rank

    def _confirm(self) -> tuple[Connection, ...]:
        wanted = [self._connection(probe) for probe in self.request.confirm]
        self.progress("confirm", 0, len(wanted))
        connections = Connections(self.ledger, self.ears, self.request.connect_timeout_s).confirm(wanted)
        self.progress("confirm", len(wanted), len(wanted))
        return connections

    def _connection(self, probe: int) -> Connection:
        rows, addresses = self.rows, self.request.addresses
        destination = rows.destination[probe]
        position = self.seats[rows.source[probe]].position
        source = addresses[rows.claimed[probe]]
        return Connection(
            probe, position, source, addresses[destination], rows.port[probe], self.request.owners[destination]
        )

    def _forget(self, connections: Sequence[Connection]) -> None:
        """Half-open conversations would linger for minutes, and a later sweep might meet them."""
        rows, numbers = self.rows, self.ledger.claimed
        opened = []
        for place, probe in enumerate(self.ledger.probe):
            shape = None if probe == _NO_CONTROL else self.request.shapes[rows.shape[probe]]
            if shape is None or self.ledger.word[place] or not self.ledger.state[place]:
                continue
            if shape.protocol in {TCP, UDP}:
                ports = shape.source_port or source_port(self.ledger.number(place)), rows.port[probe]
                ends = numbers[rows.claimed[probe]], numbers[rows.destination[probe]]
                opened.append(Conversation(*ends, shape.protocol, ports, shape.version))
        opened += [
            Conversation(int(one.source), int(one.destination), TCP, (one.port, one.to_port), one.destination.version)
            for one in connections
            if one.tries
        ]
        forget([*opened, *self.talks.conversations])

    def _note_absences(self, before: int | None, after: int | None) -> None:
        self.notes += [f"{seat.target.node}: {seat.absence}" for seat in self.seats if seat.absence]
        if before is None or after is None:
            self.notes.append("no table inet pacslab is loaded: nothing was counted")
        elif after < before:
            self.notes.append("the ruleset was replaced meanwhile: its counters began anew")
        if self.ears.lost_entries:
            self.notes.append(f"the firewall's log lost {self.ears.lost_entries} entries")

    def _columns(self) -> tuple[bytes, bytes]:
        """Of each probe its fate and reply, and its word, from the attempt that tells most."""
        ledger, fates = self.ledger, self.fates
        replies, words = bytearray(len(fates)), bytearray(len(fates))
        for place, probe in enumerate(ledger.probe):
            if probe != _NO_CONTROL:
                words[probe] = ledger.word[place] or words[probe]
                replies[probe] = REPLIES.index(ledger.reply(place)) or replies[probe]
        return bytes(fate | reply << 3 for fate, reply in zip(fates, replies, strict=True)), bytes(words)

    def _sightings(self) -> tuple[Sighting, ...]:
        names = [seat.target.node for seat in self.seats]
        shapes, rows = self.request.shapes, self.rows
        return tuple(
            Sighting(
                probe, names[at], IPv4Address(source) if shapes[rows.shape[probe]].version == 4 else IPv6Address(source)
            )
            for (probe, at), source in self.ledger.sightings.items()
        )

    def _extras(self) -> tuple[Extra, ...]:
        found = [(seat.target.node, seat.position.extras) for seat in self.seats if seat.position is not None]
        return tuple(Extra(node, what) for node, extras in found for what in extras)

    def _can_leave(self, place: int) -> bool:
        return self.seats[self.rows.source[self.ledger.probe[place]]].position is not None

    def _is_worth(self, probe: int) -> bool:
        owner = self.request.owners[self.rows.destination[probe]]
        return owner == NOBODY or self.seats[owner].position is not None


def _leave(positions: Sequence[Position]) -> None:
    """Closing a packet socket waits milliseconds for all processors; many can wait together."""
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(Position.close, positions))


def _refuse_unknown(request: SweepRequest, rows: Rows) -> None:
    limits: Mapping[str, tuple[array[int], int]] = {
        "target": (rows.source, len(request.targets)),
        "source address": (rows.claimed, len(request.addresses)),
        "destination address": (rows.destination, len(request.addresses)),
        "shape": (rows.shape, len(request.shapes)),
    }
    for what, (column, size) in limits.items():
        if max(column, default=-1) >= size:
            raise Refusal(f"a probe names a {what} that is not in the request")
    if len(request.owners) != len(request.addresses):
        raise Refusal("every address needs an owner")


def _allow_many_files(targets: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * targets + 1024  # a namespace, a capture and two senders each, and the connections
    if soft not in {hard, resource.RLIM_INFINITY} and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
