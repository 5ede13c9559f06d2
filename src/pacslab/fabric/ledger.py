"""Packets and log entries seen -> what became of every attempt to probe; pure bookkeeping by probe id."""

from __future__ import annotations

from dataclasses import dataclass, field

from pacslab.fabric.packets import ACK, ICMP, RST, SYN, TCP, UDP, Segment
from pacslab.model.fabric import Fate, Reply

_ID_MASK = 0xFFFFFFFF


@dataclass(slots=True)
class Attempt:
    """One packet sent for a probe or as a control, and all that was seen of it."""

    probe: int  # index of the probe, or of the control
    source: int
    destination: int
    ports: tuple[int, int]
    protocol: int
    is_control: bool = False  # its reply is watched for where it leaves the node
    sent: bool = False
    arrived: bool = False
    source_seen: int | None = None
    prefix: str | None = None
    reply: Reply = Reply.NONE

    @property
    def decided(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.prefix is not None or (self.arrived and self.reply is not Reply.NONE)

    @property
    def fate(self) -> Fate:
        """Where the packet ended. Arrival outweighs a log entry: what arrived was let through."""
        if self.arrived:
            return Fate.ARRIVED
        if self.prefix is not None:
            return Fate.DROPPED
        return Fate.LOST if self.sent else Fate.UNSENT


@dataclass(slots=True)
class Ledger:
    """All attempts of a sweep; an attempt's id is its place counted from a base nobody can guess."""

    base: int
    attempts: list[Attempt] = field(default_factory=list)
    foreign_drops: int = 0  # log entries about packets that are not ours
    astray: set[tuple[int, int]] = field(default_factory=set)  # (attempt, node): arrived where it was not sent to
    connects: dict[tuple[int, int, int], int] = field(default_factory=dict)  # (at, ports) -> source seen

    def open(self, attempt: Attempt) -> int:
        """Enter an attempt; returns its id."""
        self.attempts.append(attempt)
        return (self.base + len(self.attempts) - 1) & _ID_MASK

    def since(self, first: int) -> list[tuple[int, Attempt]]:
        """The attempts from the place `first` on, each with its id."""
        return [((self.base + first + n) & _ID_MASK, one) for n, one in enumerate(self.attempts[first:])]

    def note_frame(self, at: int, segment: Segment, *, outgoing: bool) -> None:
        """Enter a packet seen at the cable's end of the node with address `at`."""
        if segment.protocol == TCP:
            if segment.flags & SYN and not segment.flags & ACK:
                self._note_probe(at, segment, outgoing=outgoing)
            elif segment.flags & ACK and segment.flags & (SYN | RST):
                reply = Reply.SYN_ACK if segment.flags & SYN else Reply.RST
                self._note_reply(at, self._find(segment.acknowledged), segment, reply, outgoing=outgoing)
        elif segment.protocol == UDP:
            if segment.number >= 0:
                self._note_probe(at, segment, outgoing=outgoing)
        elif segment.protocol == ICMP and segment.quoted is not None:
            attempt = self._find(segment.quoted.number)
            if attempt is not None and self._is_watched(at, attempt, outgoing=outgoing):
                attempt.reply = Reply.ICMP

    def note_drop(self, prefix: str, segment: Segment | None) -> None:
        """Enter what the firewall's log says of a packet."""
        attempt = self._find(segment.number) if segment is not None else None
        if attempt is None or segment is None or not _is_same(attempt, segment):
            self.foreign_drops += 1
        elif attempt.prefix is None:
            attempt.prefix = prefix

    def _note_probe(self, at: int, segment: Segment, *, outgoing: bool) -> None:
        attempt = self._find(segment.number)
        if attempt is None or segment.protocol != attempt.protocol:
            if not outgoing:
                self.connects[at, segment.source_port, segment.destination_port] = segment.source
        elif outgoing:
            attempt.sent = attempt.sent or at == attempt.source
        elif at == attempt.destination:
            attempt.arrived = True
            attempt.source_seen = segment.source
        else:
            self.astray.add(((segment.number - self.base) & _ID_MASK, at))

    def _note_reply(self, at: int, attempt: Attempt | None, segment: Segment, reply: Reply, *, outgoing: bool) -> None:
        if (
            attempt is not None
            and (segment.destination_port, segment.source_port) == attempt.ports
            and self._is_watched(at, attempt, outgoing=outgoing)
        ):
            attempt.reply = reply

    @staticmethod
    def _is_watched(at: int, attempt: Attempt, *, outgoing: bool) -> bool:
        if attempt.is_control:
            return outgoing and at == attempt.destination
        return not outgoing and at == attempt.source

    def _find(self, number: int) -> Attempt | None:
        place = (number - self.base) & _ID_MASK
        return self.attempts[place] if number >= 0 and place < len(self.attempts) else None


def _is_same(attempt: Attempt, segment: Segment) -> bool:
    """A log entry's packet is the firewall's view of what was sent, so only translation may have changed it."""
    return segment.protocol == attempt.protocol and segment.destination_port == attempt.ports[1]
