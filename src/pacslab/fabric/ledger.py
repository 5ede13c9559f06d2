"""Packets and log entries seen -> what became of every attempt to probe; pure bookkeeping by probe id.

Columns, not objects: a lab of some hundred nodes has millions of probes, and each costs a dozen bytes here.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from pacslab.fabric.packets import ACK, RST, SYN, TCP, Segment, is_echo_reply
from pacslab.model.probe import Manner, ProbeClass
from pacslab.model.sweep import FATES, REPLIES, Fate, Reply, Rows, Shape

_ID_MASK = 0xFFFFFFFF
# Ids go up by two: a node that wants no part of a SYN-ACK resets it with the number after its SYN's (RFC 9293
# 3.10.7.1), which must not be the next attempt's.
_ID_STEP = 2
_SENT, _ARRIVED, _ELSEWHERE = 1, 2, 4
_REPLY_SHIFT = 3
_CONTROL = _ID_MASK  # in place of a probe's number
_NO_REPLY = REPLIES.index(Reply.NONE)
RANK = {fate: place for place, fate in enumerate(FATES)}


@dataclass(slots=True)
class Knock:
    """A control under way: sent from the gateway, its reply watched for where it leaves the node."""

    at: int  # target
    protocol: int
    ports: tuple[int, int]
    arrived: bool = False
    reply: Reply = Reply.NONE


@dataclass(slots=True)
class Ledger:
    """All attempts of a sweep; an attempt's id is twice its place, counted from a base nobody can guess."""

    base: int
    rows: Rows
    shapes: Sequence[Shape]
    claimed: Sequence[int]  # the request's addresses as numbers
    owners: Sequence[int]  # whose each is
    probe: array[int] = field(default_factory=lambda: array("I"))
    state: bytearray = field(default_factory=bytearray)
    word: bytearray = field(default_factory=bytearray)
    prefixes: list[str] = field(default_factory=lambda: [""])
    knocks: dict[int, Knock] = field(default_factory=dict)  # by place
    foreign_drops: int = 0  # log entries about packets that are not ours
    sightings: dict[tuple[int, int], int] = field(default_factory=dict)  # (probe, target) -> source; not as sent
    connects: dict[tuple[int, int, int, int], int] = field(default_factory=dict)  # (at, version, ports) -> source

    def open(self, probe: int) -> int:
        """Enter an attempt of a probe; returns its id."""
        self.probe.append(probe)
        self.state.append(0)
        self.word.append(0)
        return self.number(len(self.probe) - 1)

    def number(self, place: int) -> int:
        """The id of the attempt at a place."""
        return (self.base + _ID_STEP * place) & _ID_MASK

    def open_control(self, knock: Knock) -> int:
        """Enter a control; returns its id."""
        self.knocks[len(self.probe)] = knock
        return self.open(_CONTROL)

    def fate(self, place: int) -> Fate:
        """Where an attempt's packet ended. Arrival outweighs a log entry: what arrived was let through."""
        state = self.state[place]
        if state & (_ARRIVED | _ELSEWHERE):
            return Fate.ARRIVED
        if self.word[place]:
            return Fate.REJECTED if self.reply(place) in {Reply.RST, Reply.ICMP} else Fate.DROPPED
        if state >> _REPLY_SHIFT:
            return Fate.REJECTED
        return Fate.LOST if state & _SENT else Fate.UNSENT

    def reply(self, place: int) -> Reply:
        """What the source of an attempt heard."""
        return REPLIES[self.state[place] >> _REPLY_SHIFT]

    def is_decided(self, place: int) -> bool:
        """Whether nothing more is to be waited for."""
        return bool(self.word[place]) or self.state[place] > _ARRIVED | _SENT | _ELSEWHERE

    def disbelieve(self, first: int, deaf: set[int]) -> None:
        """From the place `first` on, draw nothing from what these targets' captures did not see."""
        for place in range(first, len(self.probe)):
            number = self.probe[place]
            if number == _CONTROL:
                continue
            if self.owners[self.rows.destination[number]] in deaf and not self.state[place] & _ARRIVED:
                self.word[place] = 0
            if self.rows.source[number] in deaf:
                self.state[place] |= _SENT

    def note_frame(self, at: int, segment: Segment, *, outgoing: bool) -> None:
        """Enter a packet seen at the cable's end of a target."""
        place = self._find(segment.number)
        if place >= 0 and self._is_it(place, segment):
            self._note_packet(place, at, segment, outgoing=outgoing)
        elif place >= 0 and segment.quoted is not None and self._is_it(place, segment.quoted):
            self._note_reply(place, at, Reply.ICMP, outgoing=outgoing)
        elif place >= 0 and is_echo_reply(segment):
            self._note_reply(place, at, Reply.ECHO, outgoing=outgoing)
        elif segment.protocol == TCP:
            self._note_tcp(at, segment, outgoing=outgoing)

    def note_drop(self, prefix: str, segment: Segment | None) -> None:
        """Enter what the firewall's log says of a packet."""
        place = self._find(segment.number) if segment is not None and not self._is_from_fabric(segment) else -1
        if place < 0 or segment is None or not (self._is_it(place, segment) or self._is_last_hop(place, segment)):
            self.foreign_drops += 1
        elif not self.word[place]:
            if prefix not in self.prefixes:
                self.prefixes.append(prefix)
            self.word[place] = min(self.prefixes.index(prefix), 0xFF)

    def _is_from_fabric(self, segment: Segment) -> bool:
        """Enter an answer of the fabric's own stack that its rules stopped on the way out: the probe was let in."""
        if segment.protocol == TCP and segment.flags & ACK and segment.flags & (SYN | RST):
            place = self._find(segment.acknowledged)
            is_answer = place >= 0 and self._answers(place, segment)
        else:
            place = self._find(segment.number)
            quoted = segment.quoted
            is_answer = place >= 0 and (is_echo_reply(segment) or (quoted is not None and self._is_it(place, quoted)))
        if not is_answer or self.probe[place] == _CONTROL:
            return False
        if self.shapes[self.rows.shape[self.probe[place]]].kind is not ProbeClass.FABRIC:
            return False
        self.state[place] |= _ELSEWHERE
        return True

    def _is_last_hop(self, place: int, segment: Segment) -> bool:
        """Whether it is the fabric's own error about an attempt that was to end there."""
        if segment.quoted is None or self.probe[place] == _CONTROL:
            return False
        shape = self.shapes[self.rows.shape[self.probe[place]]]
        return shape.manner is Manner.LAST_HOP and self._is_it(place, segment.quoted)

    def _note_packet(self, place: int, at: int, segment: Segment, *, outgoing: bool) -> None:
        number = self.probe[place]
        if number == _CONTROL:
            knock = self.knocks[place]
            knock.arrived = knock.arrived or (not outgoing and at == knock.at)
        elif outgoing:
            if at == self.rows.source[number]:
                self.state[place] |= _SENT
        else:
            self._note_arrival(place, number, at, segment.source)

    def _note_arrival(self, place: int, number: int, at: int, source: int) -> None:
        owner = self.owners[self.rows.destination[number]]
        self.state[place] |= _ARRIVED if at == owner else _ELSEWHERE
        if at != owner or source != self.claimed[self.rows.claimed[number]]:
            self.sightings[number, at] = source

    def _note_tcp(self, at: int, segment: Segment, *, outgoing: bool) -> None:
        if segment.flags & ACK and segment.flags & (SYN | RST):
            place = self._find(segment.acknowledged)
            if place >= 0 and self._answers(place, segment):
                reply = Reply.SYN_ACK if segment.flags & SYN else Reply.RST
                self._note_reply(place, at, reply, outgoing=outgoing)
        elif segment.flags & SYN and not outgoing:
            ports = segment.source_port, segment.destination_port
            self.connects[at, segment.version, *ports] = segment.source

    def _note_reply(self, place: int, at: int, reply: Reply, *, outgoing: bool) -> None:
        number = self.probe[place]
        if number == _CONTROL:
            knock = self.knocks[place]
            if outgoing and at == knock.at:
                knock.reply = reply
        elif not outgoing and at == self.rows.source[number]:
            self.state[place] = self.state[place] & 7 | REPLIES.index(reply) << _REPLY_SHIFT

    def _is_it(self, place: int, segment: Segment) -> bool:
        """Whether a packet with an attempt's id is that attempt: only its addresses may have been translated."""
        number = self.probe[place]
        if number == _CONTROL:
            knock = self.knocks[place]
            return (segment.protocol, segment.destination_port) == (knock.protocol, knock.ports[1]) and not (
                segment.protocol == TCP and segment.flags & (ACK | RST)
            )
        shape = self.shapes[self.rows.shape[number]]
        if segment.protocol != shape.protocol:
            return False
        if shape.is_icmp:
            return segment.source_port == shape.source_port
        return segment.destination_port == self.rows.port[number] and (
            shape.protocol != TCP or segment.flags in {shape.flags, 0}
        )

    def _answers(self, place: int, segment: Segment) -> bool:
        number = self.probe[place]
        if number == _CONTROL:
            return (segment.destination_port, segment.source_port) == self.knocks[place].ports
        return segment.source_port == self.rows.port[number]

    def _find(self, number: int) -> int:
        """An attempt's place by its id; -1: there is none."""
        place, between = divmod((number - self.base) & _ID_MASK, _ID_STEP)
        return place if number >= 0 and not between and place < len(self.probe) else -1
