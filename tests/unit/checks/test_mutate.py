"""A plan's mutants scored: proof misses none, survivors of reach are explained, samples are fair and repeatable."""

from __future__ import annotations

from collections import Counter

import pytest

from pacslab.checks.foresight import legs
from pacslab.checks.mutate import Bench, Case, sample, score, static
from pacslab.model.mutation import Kind, Notice
from pacslab.model.packet import State
from pacslab.model.plan import Plan
from pacslab.model.verdict import Verdict


@pytest.fixture(scope="module")
def bench(minimal: Plan) -> Bench:
    return Bench.of(minimal)


@pytest.fixture(scope="module")
def cases(bench: Bench) -> tuple[Case, ...]:
    told: list[tuple[str, int, int]] = []
    cases, _ = static(bench, bench.mutants, lambda *step: told.append(step))
    assert told[-1] == ("mutants proved", len(bench.mutants), len(bench.mutants))
    return cases


def test_untouched_rules_fail_no_probe(bench: Bench) -> None:
    effect = bench.comparison.effect(bench.table)
    assert effect.is_none
    verdicts = bench.foresight.verdicts(bench.table, effect, range(len(bench.foresight.probes)))
    assert set(verdicts.values()) == {Verdict.PASS}


def test_proof_misses_nothing_and_survivors_of_reach_are_explained(bench: Bench, cases: tuple[Case, ...]) -> None:
    outcome = score(bench, tuple(case.scored for case in cases), seed=1, static_s=0.0)
    assert outcome.of_kind(Kind.MEANING)
    assert outcome.of_kind(Kind.LATENT)
    assert outcome.proof_share == 1
    assert all(one.missing for one in outcome.survivors_of_reach)
    assert sum(tally.mutants for tally in outcome.tallies) == outcome.of == len(bench.mutants)
    assert sum(t.meaning - t.reach - t.doubted for t in outcome.tallies) == len(outcome.survivors_of_reach)


def test_what_no_packet_can_show_no_probe_sees_arrive(cases: tuple[Case, ...]) -> None:
    """Latent by what is known of the kernel; the probes know nothing of that. Spoofed ones ask for the reason, too."""
    seen = [case for case in cases if case.scored.kind is not Kind.MEANING and case.scored.reach is Notice.CAUGHT]
    assert {words for case in seen for words in case.scored.reach_classes} == {"spoofed source"}


def test_every_probe_that_is_touched_is_found(bench: Bench, cases: tuple[Case, ...]) -> None:
    """The quick way, by boxes, and the slow one, every probe walked, find the same failures."""
    for case in cases[::9]:
        every = bench.foresight.of(case.mutant.table, case.effect)
        walked = bench.foresight.verdicts(case.mutant.table, case.effect, range(len(bench.foresight.probes)))
        failing = {place for place, verdict in walked.items() if verdict is Verdict.FAIL}
        assert set(every.fails) == failing, case.mutant.what


def test_a_sample_takes_of_every_operator_and_is_the_same_for_the_same_seed(bench: Bench) -> None:
    operators = {mutant.operator for mutant in bench.mutants}
    chosen = sample(bench.mutants, len(operators), 7)
    assert Counter(mutant.operator for mutant in chosen) == Counter(operators)
    assert sample(bench.mutants, len(operators), 7) == chosen
    assert sample(bench.mutants, len(operators), 8) != chosen
    assert sample(bench.mutants, 10**6, 7) == bench.mutants


def test_an_allowed_flow_counts_with_its_whole_conversation(bench: Bench) -> None:
    allowed = next(probe for probe in bench.foresight.probes if probe.allowed)
    assert [leg.state for leg in legs(allowed)] == [State.NEW, State.ESTABLISHED, State.ESTABLISHED]
    denied = next(probe for probe in bench.foresight.probes if not probe.allowed)
    assert len(legs(denied)) == 1
