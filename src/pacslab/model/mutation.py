"""How good the checks are: each mutant of a firewall, what it does, and which suite noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a mutant does, decided by proof over all packets."""

    MEANING = "meaning"  # some packet ends otherwise
    EVIDENCE = "evidence"  # every packet ends as before, but what is logged and counted of them is not what it was
    EQUIVALENT = "equivalent"  # every packet ends as before and leaves the same traces


class Notice(StrEnum):
    """What a suite says of a mutant."""

    CAUGHT = "caught"  # at least one FAIL
    DOUBTED = "doubted"  # no FAIL, but at least one INCONCLUSIVE: the run cannot pass
    UNSEEN = "unseen"  # everything passes


@dataclass(frozen=True, slots=True)
class Live:
    """What happened when a mutant was loaded into the running fabric."""

    proof: Notice
    reach: Notice
    probes: int  # sent
    disagreements: tuple[str, ...]  # where a suite said other than was predicted; a bug of ours each
    open_s: float  # how long the mutant was in force
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Scored:
    """One mutant and what is known of it."""

    id: str
    operator: str
    what: str
    kind: Kind
    effect: str  # in words of nodes and services, or of logs and counters
    proof: Notice
    proof_checks: tuple[str, ...]  # ids of the checks that fail
    reach: Notice
    reach_classes: tuple[str, ...]  # classes of the probes that see it
    probes: int  # that see it
    missing: str = ""  # of one that nobody sees: what would have to be sent
    live: Live | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Mutants of one operator, and who noticed those that change meaning."""

    operator: str
    sentence: str
    mutants: int
    equivalent: int
    evidence: int
    meaning: int
    proof: int  # of those that change meaning
    reach: int


@dataclass(frozen=True, slots=True)
class Score:
    """A mutation run."""

    lab: str
    plan: str  # digest
    ruleset: str  # SHA-256 of the planned text
    pacslab: str  # version
    seed: int
    of: int  # mutants there are
    probes: int  # that reach sends
    mutants: tuple[Scored, ...]  # those that were scored: all, or a sample
    tallies: tuple[Tally, ...]
    static_s: float
    live_s: float = 0.0

    def of_kind(self, kind: Kind) -> tuple[Scored, ...]:
        """The mutants of a kind."""
        return tuple(one for one in self.mutants if one.kind is kind)

    @property
    def survivors(self) -> tuple[Scored, ...]:
        """What changes meaning and is not caught by both suites."""
        meaning = self.of_kind(Kind.MEANING)
        return tuple(m for m in meaning if m.proof is not Notice.CAUGHT or m.reach is not Notice.CAUGHT)

    @property
    def disagreements(self) -> tuple[Scored, ...]:
        """Mutants that behaved otherwise than predicted."""
        return tuple(one for one in self.mutants if one.live is not None and one.live.disagreements)

    @property
    def proof_share(self) -> float:
        """How much of what changes meaning the suite `proof` catches, 0 to 1."""
        return _share(self.of_kind(Kind.MEANING), lambda one: one.proof)

    @property
    def reach_share(self) -> float:
        """How much of what changes meaning the suite `reach` catches alone, 0 to 1."""
        return _share(self.of_kind(Kind.MEANING), lambda one: one.reach)


def _share(mutants: tuple[Scored, ...], notice: Callable[[Scored], Notice]) -> float:
    return sum(notice(one) is Notice.CAUGHT for one in mutants) / len(mutants) if mutants else 1.0
