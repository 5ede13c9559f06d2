"""What a mutant does: to packets that can come about, to others only, to evidence only, to nothing."""

from __future__ import annotations

import pytest

from pacslab.checks.mutate import kind_of
from pacslab.firewall.emit import emit
from pacslab.firewall.mutation.effect import Comparison, Effect
from pacslab.firewall.mutation.operators import mutants
from pacslab.model.lab import Posture
from pacslab.model.mutation import Kind
from pacslab.model.plan import Plan
from pacslab.model.policy import Policy


@pytest.fixture(scope="module")
def effects(minimal: Plan) -> dict[str, Effect]:
    policy = Policy.of(minimal, Posture.SEGMENTED)
    table = emit(minimal.zones, minimal.cables, minimal.flows, Posture.SEGMENTED)
    comparison = Comparison(table, policy)
    return {mutant.what: comparison.effect(mutant.table) for mutant in mutants(table, policy)}


def _of(effects: dict[str, Effect], words: str) -> Effect:
    (found,) = [effect for what, effect in effects.items() if what.startswith(words)]
    return found


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("policy of forward is accept, and its last rule is gone", Kind.MEANING),
        ("state related forgotten", Kind.MEANING),  # an ICMP error about a flow no longer arrives
        ("state untracked goes to established", Kind.LATENT),  # nothing is untracked
        ("IPv6 accepted in prerouting and forward", Kind.LATENT),  # the fabric's kernel speaks no IPv6
        ("deny_spoofed rule 2 `log", Kind.EVIDENCE),
        ("forward at priority 100", Kind.EQUIVALENT),
        ("policy of input is accept", Kind.EQUIVALENT),
    ],
)
def test_kinds(effects: dict[str, Effect], words: str, kind: Kind) -> None:
    found = [effect for what, effect in effects.items() if what.startswith(words)]
    assert kind in {kind_of(effect) for effect in found}
    assert found


def test_a_log_removed_is_not_heard_of_any_more(effects: dict[str, Effect]) -> None:
    effect = next(e for what, e in effects.items() if what.startswith("deny_spoofed") and what.endswith("log removed")
                  and "group 1" in what)  # fmt: skip
    assert not effect.changes
    assert ("log", "pacslab:spoofed", "group 1") in effect.traces
    assert effect.unlogged


def test_a_counter_removed_is_another_trace_and_nothing_else(effects: dict[str, Effect]) -> None:
    effect = next(e for w, e in effects.items() if w.startswith("deny_state rule 2") and w.endswith("counter removed"))
    assert effect.traces == (("counter", "deny state"),)
    assert not effect.unlogged
