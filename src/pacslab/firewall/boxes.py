"""Sets of packets as boxes: entries (cable x source address) x destination x protocol x ports x flags x state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pacslab.firewall.intervals import Intervals, holds, meet, minus, size, union

PORTS: Intervals = ((0, 0xFFFF),)
EVERY_PROTOCOL = (1 << 256) - 1  # bit n: protocol n
EVERY_FLAGS = (1 << 256) - 1  # bit n: the flags byte n
EVERY_STATE = (1 << 5) - 1  # bit n: model.packet.State n

ADDRESSES: Mapping[int, Intervals] = {4: ((0, (1 << 32) - 1),), 6: ((0, (1 << 128) - 1),)}


class Entries:
    """A set of (cable, source address), as the sources of each cable.

    Anti-spoofing ties ten thousand cables to one address each; kept in one set, that is one box and not ten thousand.
    """

    __slots__ = ("_by_source", "_wide", "rows")

    def __init__(self, rows: dict[int, Intervals]) -> None:
        self.rows = rows
        self._by_source: dict[int, list[int]] | None = None
        self._wide: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.rows)

    def meet(self, other: Entries) -> Entries:
        """What is in both."""
        if self is other:
            return self
        few, many = (self.rows, other.rows) if len(self.rows) <= len(other.rows) else (other.rows, self.rows)
        rows = {}
        for cable, sources in few.items():
            theirs = many.get(cable)
            if theirs is not None and (both := sources if sources == theirs else meet(sources, theirs)):
                rows[cable] = both
        return Entries(rows)

    def minus(self, other: Entries) -> Entries:
        """What is in this one only."""
        if self is other:
            return Entries({})
        rows = {}
        for cable, sources in self.rows.items():
            theirs = other.rows.get(cable)
            if theirs is None:
                rows[cable] = sources
            elif sources != theirs and (left := minus(sources, theirs)):
                rows[cable] = left
        return Entries(rows)

    def of_sources(self, wanted: Intervals) -> Entries:
        """What comes from these addresses."""
        if len(wanted) == 1 and wanted[0][0] == wanted[0][1]:
            return self._of_source(wanted[0][0], wanted)
        rows = {}
        for cable, sources in self.rows.items():
            if both := meet(sources, wanted):
                rows[cable] = both
        return Entries(rows)

    def _of_source(self, address: int, wanted: Intervals) -> Entries:
        if self._by_source is None:
            self._by_source = {}
            for cable, sources in self.rows.items():
                if len(sources) == 1 and sources[0][0] == sources[0][1]:
                    self._by_source.setdefault(sources[0][0], []).append(cable)
                else:
                    self._wide.append(cable)
        rows = dict.fromkeys(self._by_source.get(address, ()), wanted)
        for cable in self._wide:
            if holds(self.rows[cable], address):
                rows[cable] = wanted
        return Entries(rows)

    def of_cables(self, wanted: frozenset[int]) -> Entries:
        """What comes in on these cables."""
        if len(wanted) < len(self.rows):
            return Entries({cable: self.rows[cable] for cable in wanted if cable in self.rows})
        return Entries({cable: sources for cable, sources in self.rows.items() if cable in wanted})

    def pairs(self) -> Iterator[tuple[int, Intervals]]:
        """Each cable with its source addresses."""
        return iter(self.rows.items())

    @property
    def count(self) -> int:
        """How many (cable, address) there are."""
        return sum(size(sources) for sources in self.rows.values())


class Box(NamedTuple):
    """All packets whose fields are each in the set given here; of one address family."""

    entries: Entries
    destination: Intervals
    protocol: int  # bits
    sport: Intervals
    dport: Intervals
    flags: int  # bits
    state: int  # bits

    @property
    def empty(self) -> bool:
        """Whether no packet is in it."""
        return not (
            self.state
            and self.protocol
            and self.flags
            and self.dport
            and self.destination
            and self.sport
            and self.entries
        )

    @property
    def pair(self) -> tuple[int, int, int] | None:
        """Cable, source and destination, if there is exactly one of each."""
        if (
            len(self.destination) != 1
            or len(self.entries.rows) != 1
            or self.destination[0][0] != self.destination[0][1]
        ):
            return None
        ((cable, sources),) = self.entries.rows.items()
        if len(sources) != 1 or sources[0][0] != sources[0][1]:
            return None
        return cable, sources[0][0], self.destination[0][0]


def intersect(a: Box, b: Box) -> Box | None:
    """The packets in both, if there are any; the cheap fields are asked first."""
    state, protocol, flags = a.state & b.state, a.protocol & b.protocol, a.flags & b.flags
    if not (state and protocol and flags):
        return None
    dport = meet(a.dport, b.dport)
    destination = dport and meet(a.destination, b.destination)
    sport = destination and meet(a.sport, b.sport)
    if not sport:
        return None
    entries = a.entries.meet(b.entries)
    return Box(entries, destination, protocol, sport, dport, flags, state) if entries else None


def subtract(a: Box, b: Box) -> list[Box]:
    """The packets in a but not in b, as disjoint boxes."""
    both = intersect(a, b)
    return [a] if both is None else list(_around(a, both))


def _around(a: Box, inner: Box) -> Iterator[Box]:
    """What is left of a around a box inside of it: one field after the other is cut to the inner one's."""
    entries, destination, protocol, sport, dport, flags, state = a
    if left := state & ~inner.state:
        yield Box(entries, destination, protocol, sport, dport, flags, left)
    state = inner.state
    if left := protocol & ~inner.protocol:
        yield Box(entries, destination, left, sport, dport, flags, state)
    protocol = inner.protocol
    if left := flags & ~inner.flags:
        yield Box(entries, destination, protocol, sport, dport, left, state)
    flags = inner.flags
    if ports := minus(dport, inner.dport):
        yield Box(entries, destination, protocol, sport, ports, flags, state)
    dport = inner.dport
    if ports := minus(sport, inner.sport):
        yield Box(entries, destination, protocol, ports, dport, flags, state)
    sport = inner.sport
    if addresses := minus(destination, inner.destination):
        yield Box(entries, addresses, protocol, sport, dport, flags, state)
    if rest := entries.minus(inner.entries):
        yield Box(rest, inner.destination, protocol, sport, dport, flags, state)


@dataclass(slots=True)
class _Side:
    """Boxes of one side: those of a single pair by that pair, and the wide ones."""

    narrow: dict[tuple[int, int, int], list[Box]]
    wide: list[Box]

    @classmethod
    def of(cls, boxes: Iterable[Box]) -> _Side:
        side = cls({}, [])
        for box in boxes:
            if (pair := box.pair) is None:
                side.wide.append(box)
            else:
                side.narrow.setdefault(pair, []).append(box)
        side.narrow = {pair: _merged(found) for pair, found in side.narrow.items()}
        return side

    def wide_ones_at(self, pair: tuple[int, int, int] | None) -> list[Box]:
        """The wide boxes that may hold packets of a pair; of no pair: all."""
        if pair is None:
            return self.wide
        cable, _, destination = pair
        return [one for one in self.wide if cable in one.entries.rows and holds(one.destination, destination)]


def _merged(boxes: list[Box]) -> list[Box]:
    """The same packets in fewer boxes: those that differ in ports only become one."""
    if len(boxes) == 1:
        return boxes
    alike: dict[tuple[object, ...], list[Box]] = {}
    for box in boxes:
        alike.setdefault((box.protocol, box.sport, box.flags, box.state), []).append(box)
    return [found[0]._replace(dport=union(pair for one in found for pair in one.dport)) for found in alike.values()]


def difference(left: Iterable[Box], right: Iterable[Box]) -> Iterator[Box]:
    """All packets in a box of the left side but in none of the right: exact, and linear where boxes are of one pair.

    A wide box is compared with the narrow ones pair by pair. Wherever a pair has no narrow box, what is left of the
    wide one stays as it is; so at most as many pairs are looked at as there are narrow boxes.
    """
    other = _Side.of(right)
    for box in left:
        for rest in _without(box, other.wide_ones_at(box.pair)):
            pair = rest.pair
            if pair is not None:
                yield from _without(rest, other.narrow.get(pair, ()))
            else:
                yield from _without_pairs(rest, other.narrow)


def _without(box: Box, others: Iterable[Box]) -> list[Box]:
    left = [box]
    for other in others:
        left = [piece for one in left for piece in subtract(one, other)]
        if not left:
            break
    return left


def _without_pairs(box: Box, narrow: dict[tuple[int, int, int], list[Box]]) -> Iterator[Box]:
    inside: dict[int, dict[int, set[int]]] = {}
    rows = box.entries.rows
    for cable, source, destination in narrow:
        if cable in rows and holds(box.destination, destination) and holds(rows[cable], source):
            inside.setdefault(cable, {}).setdefault(source, set()).add(destination)
    if not inside:
        yield box
        return
    if untouched := {cable: sources for cable, sources in rows.items() if cable not in inside}:
        yield box._replace(entries=Entries(untouched))
    for cable, by_source in inside.items():
        taken = tuple(sorted((source, source) for source in by_source))
        if others := minus(rows[cable], taken):
            yield box._replace(entries=Entries({cable: others}))
        for source, destinations in by_source.items():
            own = box._replace(entries=Entries({cable: ((source, source),)}))
            if far := minus(box.destination, tuple(sorted((one, one) for one in destinations))):
                yield own._replace(destination=far)
            for destination in destinations:
                cell = own._replace(destination=((destination, destination),))
                yield from _without(cell, narrow[cable, source, destination])
