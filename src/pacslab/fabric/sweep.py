"""Probes -> where each one ended, with controls, confirmations and an account that closes."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from pacslab.fabric import ruleset
from pacslab.fabric.connects import Connection, confirm
from pacslab.fabric.conntrack import Conversation, forget
from pacslab.fabric.controls import control, doors
from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import Attempt, Ledger
from pacslab.fabric.nflog import Log
from pacslab.fabric.packets import TCP
from pacslab.fabric.position import Position, Seat, take_seat
from pacslab.fabric.refusal import Refusal
from pacslab.fabric.volley import Ports, fire
from pacslab.model.fabric import Connect, Control, Fate, Probe, ProbeReport, SweepReport, SweepRequest

Progress = Callable[[str, int, int], None]

_ROUNDS = 3  # a lost probe is sent again twice, as a fresh one; no other is
_SLOWER = 4  # how much slower
_PROGRESS_S = 0.25
_RANK = (Fate.UNSENT, Fate.LOST, Fate.DROPPED, Fate.ARRIVED)  # of several attempts the last of these counts


def sweep(request: SweepRequest, progress: Progress) -> SweepReport:
    """Send every probe from its source's own namespace and account for each.

    Raises:
        Refusal: A probe names a node that is no target, or somebody else reads the firewall's log.
    """
    _refuse_unknown(request)
    _allow_many_files(len(request.targets))
    with ExitStack() as stack:
        seats = {target.node: take_seat(target) for target in request.targets}
        positions = [seat.position for seat in seats.values() if seat.position is not None]
        stack.callback(_leave, positions)
        log = stack.enter_context(closing(Log()))
        run = _Run(request, seats, Ledger(int.from_bytes(os.urandom(4), "big")), progress)
        run.ears = stack.enter_context(
            Ears(positions, log, run.ledger),
        )
        return run.report()


@dataclass(slots=True)
class _Run:
    """One sweep under way."""

    request: SweepRequest
    seats: Mapping[str, Seat]
    ledger: Ledger
    progress: Progress
    ears: Ears = field(init=False)
    ports: Ports = field(default_factory=Ports)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def report(self) -> SweepReport:
        before = ruleset.deny_packets()
        fates = self._probe()
        foreign_drops = self.ledger.foreign_drops
        after = ruleset.deny_packets()
        # Controls bypass the firewall, but what a node answers them may be denied: so after the counters are read.
        probes = self.request.probes
        controls = control(doors(probes), self.seats, ledger=self.ledger, ears=self.ears, ports=self.ports)
        connections = self._confirm()
        self._forget(connections)
        self._note_absences(before, after)
        return self._sum_up(fates, controls, connections, (after or 0) - (before or 0), foreign_drops)

    def _probe(self) -> list[Fate]:
        """Send all probes, then the lost ones again; returns each one's fate."""
        fates = [Fate.UNSENT] * len(self.request.probes)
        left = list(enumerate(self.request.probes))
        for number in range(_ROUNDS):
            first = len(self.ledger.attempts)
            self._fire(left, self.request.rate_per_s / (_SLOWER if number else 1))
            self._disbelieve_deaf(first)
            for attempt in self.ledger.attempts:  # all: an earlier one may have been seen late
                fates[attempt.probe] = max(fates[attempt.probe], attempt.fate, key=_RANK.index)
            left = [(index, probe) for index, probe in left if fates[index] is Fate.LOST and self._is_worth(probe)]
            if not left:
                break
            if number + 1 < _ROUNDS:
                self.notes.append(f"{len(left)} lost probes were sent again")
        return fates

    def _fire(self, probes: Sequence[tuple[int, Probe]], rate_per_s: float) -> None:
        first = len(self.ledger.attempts)
        told = time.monotonic()

        def tell(done: int) -> None:
            nonlocal told
            if time.monotonic() - told >= _PROGRESS_S:
                told = time.monotonic()
                self.progress("probe", done, len(probes))

        fire(
            probes,
            self.seats,
            ledger=self.ledger,
            ears=self.ears,
            ports=self.ports,
            rate_per_s=rate_per_s,
            progress=tell,
        )
        waiting = [a for a in self.ledger.attempts[first:] if self._can_leave(a)]

        def is_over() -> bool:
            while waiting and waiting[-1].decided:
                waiting.pop()
            return not waiting

        self.ears.hear_until(is_over, self.request.settle_s)
        self.progress("probe", len(probes), len(probes))

    def _disbelieve_deaf(self, first: int) -> None:
        """Where a capture lost packets, nothing follows from what it did not see."""
        deaf = self.ears.deafened()
        if not deaf:
            return
        self.notes.append(f"the capture at {len(deaf)} nodes lost packets: what they did not see is not believed")
        for attempt in self.ledger.attempts[first:]:
            if attempt.destination in deaf and not attempt.arrived:
                attempt.prefix = None
            if attempt.source in deaf:
                attempt.sent = True

    def _confirm(self) -> dict[int, Connection]:
        wanted = [(index, probe) for index, probe in enumerate(self.request.probes) if probe.confirm]
        self.progress("confirm", 0, len(wanted))
        connections = confirm(
            wanted,
            self.seats,
            ledger=self.ledger,
            ears=self.ears,
            ports=self.ports,
            timeout_s=self.request.connect_timeout_s,
        )
        self.progress("confirm", len(wanted), len(wanted))
        return {connection.index: connection for connection in connections}

    def _forget(self, connections: Mapping[int, Connection]) -> None:
        """Half-open conversations would linger for minutes, and a later sweep might meet them."""
        opened = [
            Conversation(attempt.source, attempt.destination, attempt.protocol, attempt.ports)
            for attempt in self.ledger.attempts
            if (attempt.sent or attempt.arrived) and attempt.prefix is None and not attempt.is_control
        ]
        opened += [
            Conversation(
                self.seats[one.probe.source].address,
                self.seats[one.probe.destination].address,
                TCP,
                (one.port, one.probe.port),
            )
            for one in connections.values()
            if one.tries
        ]
        forget(opened)

    def _note_absences(self, before: int | None, after: int | None) -> None:
        self.notes += [f"{seat.target.node}: {seat.absence}" for seat in self.seats.values() if seat.absence]
        if before is None or after is None:
            self.notes.append("no table inet pacslab is loaded: nothing was counted")
        elif after < before:
            self.notes.append("the ruleset was replaced meanwhile: its counters began anew")
        if self.ears.lost_entries:
            self.notes.append(f"the firewall's log lost {self.ears.lost_entries} entries")
        names = {seat.address: seat.target.node for seat in self.seats.values()}
        for place, at in sorted(self.ledger.astray):
            probe = self.request.probes[self.ledger.attempts[place].probe]
            self.notes.append(f"a probe {probe.source} -> {probe.destination}:{probe.port} arrived at {names[at]}")

    def _sum_up(
        self,
        fates: Sequence[Fate],
        controls: tuple[Control, ...],
        connections: Mapping[int, Connection],
        counted_drops: int,
        foreign_drops: int,
    ) -> SweepReport:
        telling: dict[int, Attempt] = {}
        for attempt in self.ledger.attempts:
            if not attempt.is_control and attempt.fate is fates[attempt.probe]:
                telling[attempt.probe] = attempt
        return SweepReport(
            probes=tuple(
                _report(probe, fate, telling[index], connections.get(index))
                for index, (probe, fate) in enumerate(zip(self.request.probes, fates, strict=True))
            ),
            controls=controls,
            sent=len(fates) - fates.count(Fate.UNSENT),
            arrived=fates.count(Fate.ARRIVED),
            dropped=fates.count(Fate.DROPPED),
            lost=fates.count(Fate.LOST),
            counted_drops=counted_drops,
            elapsed_s=round(time.monotonic() - self.started, 4),
            foreign_drops=foreign_drops,
            notes=tuple(self.notes),
        )

    def _can_leave(self, attempt: Attempt) -> bool:
        return self.seats[self.request.probes[attempt.probe].source].position is not None

    def _is_worth(self, probe: Probe) -> bool:
        return self.seats[probe.destination].position is not None


def _leave(positions: Sequence[Position]) -> None:
    """Closing a packet socket waits milliseconds for all processors; many can wait together."""
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(Position.close, positions))


def _report(probe: Probe, fate: Fate, attempt: Attempt, connection: Connection | None) -> ProbeReport:
    source_seen = None if attempt.source_seen is None else IPv4Address(attempt.source_seen)
    if connection is not None and connection.source_seen is not None:
        source_seen = connection.source_seen
    return ProbeReport(
        probe,
        fate,
        log_prefix=attempt.prefix or "",
        reply=attempt.reply,
        source_seen=source_seen,
        connect=connection.outcome if connection else Connect.NOT_TRIED,
        connect_attempts=connection.tries if connection else 0,
    )


def _refuse_unknown(request: SweepRequest) -> None:
    known = {target.node for target in request.targets}
    for probe in request.probes:
        for node in (probe.source, probe.destination):
            if node not in known:
                raise Refusal(f"a probe names {node}, which is not among the targets")
        if probe.source == probe.destination:
            raise Refusal(f"a probe of {probe.source} to itself never passes the firewall")


def _allow_many_files(targets: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * targets + 1024  # a namespace, a capture and a sender each, and the connections
    if soft not in {hard, resource.RLIM_INFINITY} and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
