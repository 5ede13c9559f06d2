"""How good the checks are: each mutant of a firewall, what it does, and which suite noticed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a mutant does, decided by proof over all packets."""

    MEANING = "meaning"  # some packet that a node can send ends otherwise
    LATENT = "latent"  # only packets that cannot come about end otherwise: a second line of defence is gone
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
    latent: int
    meaning: int
    proof: int  # of the latent and those that change meaning, those that `proof` fails
    reach: int  # of those that change meaning, those that `reach` fails
    doubted: int  # and those with which it cannot pass


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
    def survivors_of_proof(self) -> tuple[Scored, ...]:
        """What lets some packet end otherwise, one that can come about or not, and `proof` does not fail."""
        meaning = (*self.of_kind(Kind.MEANING), *self.of_kind(Kind.LATENT))
        return tuple(one for one in meaning if one.proof is not Notice.CAUGHT)

    @property
    def survivors_of_reach(self) -> tuple[Scored, ...]:
        """What lets a packet that can come about end otherwise, and `reach` passes."""
        return tuple(one for one in self.of_kind(Kind.MEANING) if one.reach is Notice.UNSEEN)

    @property
    def disagreements(self) -> tuple[Scored, ...]:
        """Mutants that behaved otherwise than predicted."""
        return tuple(one for one in self.mutants if one.live is not None and one.live.disagreements)

    @property
    def proof_share(self) -> float:
        """How much of what lets packets end otherwise the suite `proof` fails, 0 to 1."""
        of = len(self.of_kind(Kind.MEANING)) + len(self.of_kind(Kind.LATENT))
        return 1 - len(self.survivors_of_proof) / of if of else 1.0

    @property
    def reach_share(self) -> float:
        """How much of what lets packets that can come about end otherwise `reach` does not pass, 0 to 1."""
        of = len(self.of_kind(Kind.MEANING))
        return 1 - len(self.survivors_of_reach) / of if of else 1.0
