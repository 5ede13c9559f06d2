"""A conformance run -> the truth table: for each pair of zones, and each pair of nodes in it, what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pacslab.model.verdict import Result, Verdict
from pacslab.report.seats import FABRIC, Seats


@dataclass(frozen=True, slots=True)
class Cell:
    """What was found between two positions: passages that are open or shut as they should be, and what is wrong."""

    open: int = 0
    shut: int = 0
    failed: int = 0
    unclear: int = 0
    skipped: int = 0

    @property
    def verdict(self) -> Verdict:
        """The worst of it."""
        if self.failed:
            return Verdict.FAIL
        if self.unclear:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS if self.open or self.shut else Verdict.SKIPPED

    @property
    def words(self) -> str:
        """For example "2 FAIL, 3 open, 51 shut"."""
        named = (
            (self.failed, "FAIL"),
            (self.unclear, "unclear"),
            (self.open, "open"),
            (self.shut, "shut"),
            (self.skipped, "skipped"),
        )
        return ", ".join(f"{count} {word}" for count, word in named if count)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two positions, initiating first, and what was found between them."""

    source: str
    destination: str
    cell: Cell
    inner: tuple[Pair, ...] = ()  # of two zones: their nodes


@dataclass(frozen=True, slots=True)
class TruthTable:
    """Zone by zone; rows initiate, columns respond."""

    zones: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def find(self, source: str, destination: str) -> Pair | None:
        """What was found from one zone to another, if anything was looked at."""
        return next((p for p in self.pairs if (p.source, p.destination) == (source, destination)), None)


def truth_table(results: Iterable[Result], seats: Seats) -> TruthTable:
    """Arrange every result that has two positions, of whatever suite."""
    found: dict[tuple[str, str], dict[tuple[str, str], list[Result]]] = {}
    for result in results:
        pair = seats.zone(result.source), seats.zone(result.destination)
        if all(pair) and pair != (FABRIC, FABRIC):
            nodes = found.setdefault(pair, {})
            nodes.setdefault((result.source, result.destination), []).append(result)
    zones = (*seats.zones, FABRIC) if any(FABRIC in pair for pair in found) else seats.zones
    pairs = (
        _pair(source, destination, found[source, destination])
        for source in zones
        for destination in zones
        if (source, destination) in found
    )
    return TruthTable(zones, tuple(pairs))


def _pair(source: str, destination: str, nodes: dict[tuple[str, str], list[Result]]) -> Pair:
    inner = tuple(Pair(a, b, _cell(results)) for (a, b), results in nodes.items())
    return Pair(source, destination, _cell(result for results in nodes.values() for result in results), inner)


def _cell(results: Iterable[Result]) -> Cell:
    """Several checks of one passage count once where all is well: a port that is open is not open twice."""
    passages: dict[bool, set[tuple[str, str, str]]] = {True: set(), False: set()}
    counts = dict.fromkeys(Verdict, 0)
    for result in results:
        counts[result.verdict] += 1
        if result.verdict is Verdict.PASS:
            passages[bool(result.conduit)].add((result.source, result.destination, result.service))
    return Cell(
        open=len(passages[True]),
        shut=len(passages[False]),
        failed=counts[Verdict.FAIL],
        unclear=counts[Verdict.INCONCLUSIVE],
        skipped=counts[Verdict.SKIPPED],
    )
