"""A plan -> every mutant of its ruleset, what each does by proof, and which suites would notice; no lab needed."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pacslab import __version__
from pacslab.checks import proof
from pacslab.checks.foresight import Foreseen, Foresight
from pacslab.checks.missing import missing
from pacslab.firewall.emit import emit
from pacslab.firewall.mutation.effect import Comparison, Effect
from pacslab.firewall.mutation.operators import OPERATORS, Mutant, mutants
from pacslab.firewall.planned import document
from pacslab.firewall.text import render
from pacslab.model.lab import Posture
from pacslab.model.mutation import Kind, Notice, Score, Scored, Tally
from pacslab.model.plan import Plan
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Table
from pacslab.model.verdict import Result, Verdict

Progress = Callable[[str, int, int], None]

MOST_PROBES = 24  # that are foreseen of one mutant: enough to name classes, and to try it live


@dataclass(frozen=True, slots=True)
class Case:
    """A mutant with all that is known of it without a lab."""

    mutant: Mutant
    effect: Effect
    foreseen: Foreseen
    scored: Scored


@dataclass(frozen=True, slots=True)
class Bench:
    """A lab's planned ruleset, ready to be broken."""

    plan: Plan
    table: Table
    mutants: tuple[Mutant, ...]
    comparison: Comparison
    foresight: Foresight

    @classmethod
    def of(cls, plan: Plan) -> Bench:
        """The bench of a plan; the policy in full is what gets broken, whatever the posture."""
        policy = Policy.of(plan, Posture.SEGMENTED)
        table = emit(plan.zones, plan.cables, plan.flows, Posture.SEGMENTED)
        every = tuple(mutants(table, policy))
        return cls(plan, table, every, Comparison(table, policy), Foresight(plan, table))

    @property
    def ruleset(self) -> str:
        """The planned text."""
        return render(self.table)

    def case(self, mutant: Mutant) -> Case:
        """Decide what a mutant does and who would notice."""
        effect = self.comparison.effect(mutant.table)
        foreseen = self.foresight.of(mutant.table, effect, MOST_PROBES)
        results = proof.judge(self.plan, document(mutant.table))
        return Case(mutant, effect, foreseen, self._scored(mutant, effect, foreseen, results))

    def _scored(self, mutant: Mutant, effect: Effect, foreseen: Foreseen, results: tuple[Result, ...]) -> Scored:
        failed = [result for result in results if result.verdict is Verdict.FAIL]
        seeing = foreseen.fails or foreseen.doubts
        classes = dict.fromkeys(self.foresight.probes[place].kind.value for place in seeing)
        kind = kind_of(effect)
        reach = Notice.CAUGHT if foreseen.fails else Notice.DOUBTED if foreseen.doubts else Notice.UNSEEN
        return Scored(
            id=mutant.id,
            operator=mutant.operator,
            what=mutant.what,
            kind=kind,
            effect=_words(kind, effect, failed),
            proof=notice(results),
            proof_checks=tuple(dict.fromkeys(result.check for result in failed)),
            reach=reach,
            reach_classes=tuple(classes),
            probes=len(seeing),
            missing=missing(effect) if kind is Kind.MEANING and reach is Notice.UNSEEN else "",
        )


def kind_of(effect: Effect) -> Kind:
    """What a mutant with this effect is."""
    if effect.occurs:
        return Kind.MEANING
    if effect.changes:
        return Kind.LATENT
    return Kind.EVIDENCE if effect.traces else Kind.EQUIVALENT


def notice(results: Iterable[Result]) -> Notice:
    """What a suite's results say together."""
    verdicts = {result.verdict for result in results}
    if Verdict.FAIL in verdicts:
        return Notice.CAUGHT
    return Notice.DOUBTED if Verdict.INCONCLUSIVE in verdicts else Notice.UNSEEN


def sample(every: tuple[Mutant, ...], size: int, seed: int) -> tuple[Mutant, ...]:
    """A choice of mutants with as many of each operator as can be, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    strata: dict[str, list[Mutant]] = {}
    for mutant in every:
        strata.setdefault(mutant.operator, []).append(mutant)
    for stratum in strata.values():
        chance.shuffle(stratum)
    rounds = max(map(len, strata.values()), default=0)
    drawn = [stratum[turn] for turn in range(rounds) for stratum in strata.values() if turn < len(stratum)]
    wanted = {mutant.id for mutant in drawn[:size]}
    return tuple(mutant for mutant in every if mutant.id in wanted)


def static(bench: Bench, chosen: tuple[Mutant, ...], progress: Progress) -> tuple[tuple[Case, ...], float]:
    """Score mutants without a lab; also says how many seconds that took."""
    began = time.monotonic()
    cases = []
    for done, mutant in enumerate(chosen, 1):
        cases.append(bench.case(mutant))
        progress("mutants proved", done, len(chosen))
    return tuple(cases), time.monotonic() - began


def score(bench: Bench, scored: tuple[Scored, ...], *, seed: int, static_s: float, live_s: float = 0.0) -> Score:
    """Sum up."""
    return Score(
        lab=bench.plan.lab,
        plan=bench.plan.digest,
        ruleset=hashlib.sha256(bench.ruleset.encode()).hexdigest(),
        pacslab=__version__,
        seed=seed,
        of=len(bench.mutants),
        probes=len(bench.foresight.probes),
        mutants=scored,
        tallies=tuple(_tallies(scored)),
        static_s=round(static_s, 3),
        live_s=round(live_s, 3),
    )


def _tallies(scored: tuple[Scored, ...]) -> Iterable[Tally]:
    for operator in OPERATORS:
        mine = [one for one in scored if one.operator == operator.name]
        if not mine:
            continue
        kinds = {kind: [one for one in mine if one.kind is kind] for kind in Kind}
        meaning = kinds[Kind.MEANING]
        yield Tally(
            operator.name,
            operator.sentence,
            len(mine),
            len(kinds[Kind.EQUIVALENT]),
            len(kinds[Kind.EVIDENCE]),
            len(kinds[Kind.LATENT]),
            len(meaning),
            sum(one.proof is Notice.CAUGHT for one in (*meaning, *kinds[Kind.LATENT])),
            sum(one.reach is Notice.CAUGHT for one in meaning),
            sum(one.reach is Notice.DOUBTED for one in meaning),
        )


def _words(kind: Kind, effect: Effect, failed: list[Result]) -> str:
    """What a mutant does, in words."""
    seen = f"; but {failed[0].observed}" if failed else ""
    match kind:
        case Kind.MEANING:
            return failed[0].observed if failed else "some packet ends otherwise"
        case Kind.LATENT:
            said = failed[0].observed if failed else "some packet ends otherwise"
            return f"only of packets that cannot come about: {said}"
        case Kind.EVIDENCE:
            traces = ", ".join(" ".join(trace) for trace in effect.traces)
            return f"every packet ends as before; other packets than before come to: {traces}{seen}"
    return f"every packet ends as before, and is logged and counted as before{seen}"
