"""What a conformance run says: expectations met or not, each with its evidence."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from pacslab.model.lab import Origin


class Verdict(StrEnum):
    """What follows from an observation."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"  # nobody may conclude anything
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Check:
    """A catalogued requirement; its id is stable and never used again for another."""

    id: str
    suite: str
    requirement: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One check made on one subject."""

    check: str
    verdict: Verdict
    source: str  # node
    destination: str  # node; "fabric"; "everybody"
    service: str  # "dicom"; a port nobody has a name for, "23/tcp"; or a class of probes, "watched port"
    expected: str
    observed: str
    evidence: tuple[str, ...] = ()
    reason: str = ""  # why skipped or inconclusive
    conduit: str = ""
    origin: Origin | None = None  # the line that permits it
    attempts: int = 1
    rule: str = ""  # the rule or element of the ruleset that decided, where it is known


@dataclass(frozen=True, slots=True)
class Accounting:
    """Every probe's end: sent = arrived + dropped + rejected + discarded + lost."""

    sent: int
    arrived: int
    dropped: int
    lost: int
    counted_drops: int  # how far the firewall's deny counters advanced meanwhile
    foreign_drops: int  # of them, what was not about the sweep's own probes
    elapsed_s: float
    notes: tuple[str, ...] = ()  # whole sentences about what weakens the evidence
    rejected: int = 0  # the source was told no, by a rule
    discarded: int = 0  # over IPv6, by a kernel that has it switched off and counts


@dataclass(frozen=True, slots=True)
class Run:
    """A conformance run: what was judged, with what, and every result."""

    lab: str
    posture: str
    plan: str  # digest
    ruleset: str  # SHA-256 of the generated text
    pacslab: str  # version
    engine: str  # version
    started: dt.datetime
    finished: dt.datetime | None
    suites: tuple[str, ...]
    results: tuple[Result, ...]
    accounting: Accounting | None = None
    error: str = ""  # why the run died, if it did

    def count(self, verdict: Verdict) -> int:
        """How many results have that verdict."""
        return sum(result.verdict is verdict for result in self.results)

    @property
    def verdict(self) -> Verdict:
        """The whole run's: one failure fails it, a doubt or an early end leaves it in doubt, nothing proves nothing."""
        if self.count(Verdict.FAIL):
            return Verdict.FAIL
        unfinished = self.error or self.finished is None
        if unfinished or self.count(Verdict.INCONCLUSIVE) or not self.count(Verdict.PASS):
            return Verdict.INCONCLUSIVE
        return Verdict.PASS
