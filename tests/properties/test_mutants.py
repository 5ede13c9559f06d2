"""Mutants of generated rulesets: each loads in a real kernel, and means there what it was said to mean."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.properties.labs import policies
from tests.properties.naive import Naive
from tests.properties.universe import packets

from pacslab.firewall.emit import emit
from pacslab.firewall.mutation.effect import Comparison
from pacslab.firewall.mutation.operators import OPERATORS, Mutant, mutants
from pacslab.firewall.planned import document, planned
from pacslab.firewall.proof import prove
from pacslab.firewall.readback import read_back
from pacslab.firewall.text import render
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan
from pacslab.model.policy import Policy
from pacslab.model.proof import OF_MEANING, Proof
from pacslab.model.ruleset import Table

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("unshare"), reason="needs root, nft and unshare"
)
PER_OPERATOR = 1
REAL = settings(deadline=None, max_examples=1, suppress_health_check=[HealthCheck.too_slow])


def table_of(policy: Policy) -> Table:
    return emit(policy.zones, policy.cables, policy.flows, policy.posture)


def some(table: Table, policy: Policy, choose: int, most: int = PER_OPERATOR) -> list[Mutant]:
    """A few mutants of each operator."""
    found: list[Mutant] = []
    for operator in OPERATORS:
        of_one = list(mutants(table, policy, (operator,)))
        found += [of_one[(choose + turn) % len(of_one)] for turn in range(min(most, len(of_one)))]
    return found


def loaded_by_kernel(texts: list[str]) -> list[dict[str, object]]:
    """What a kernel lists after each text, one after the other in a namespace of its own."""
    script = "\n".join("nft -f - <<'END' || exit 9\n" + text + "END\nnft -j list ruleset\necho" for text in texts)
    done = subprocess.run(["unshare", "-n", "sh"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


@REAL
@given(policies(), st.integers(0, 1 << 16))
def test_every_mutant_loads_and_the_kernel_reads_it_as_planned(policy: Policy, choose: int) -> None:
    table = table_of(policy)
    chosen = some(table, policy, choose)
    listed = loaded_by_kernel([render(mutant.table) for mutant in chosen])
    assert len(listed) == len(chosen)
    for mutant, found in zip(chosen, listed, strict=True):
        of_kernel, of_plan = prove(read_back(found), policy), prove(planned(mutant.table), policy)
        assert _said(of_kernel) == _said(of_plan), mutant.what


def _said(proof: Proof) -> tuple[object, ...]:
    """What a proof finds; the others name a rule by its handle, which a plan has not."""
    flaws = sorted(difference.flaw for difference in proof.differences)
    return flaws, {difference.effect for difference in proof.differences if difference.flaw in OF_MEANING}


@settings(deadline=None, max_examples=1, suppress_health_check=[HealthCheck.too_slow])
@given(policies(most_nodes=2), st.integers(0, 1 << 16))
def test_a_second_engine_agrees_on_whether_a_mutant_changes_meaning(policy: Policy, choose: int) -> None:
    """Wherever one packet at a time shows a change, the proof says so; where the proof says none, there is none."""
    table = table_of(policy)
    before, comparison = Naive(document(table)), Comparison(table, policy)
    every = [packet for packet in packets(policy) if packet.iif]
    for mutant in some(table, policy, choose, most=1):
        after = Naive(document(mutant.table))
        shown = any(
            after.accepts(packet, way) is not before.accepts(packet, way)
            for way in ("forward", "input")
            for packet in every[:: 1 + len(every) // 1500]
        )
        if shown:
            assert comparison.effect(mutant.table).changes, mutant.what


@settings(deadline=None, max_examples=2, suppress_health_check=[HealthCheck.too_slow])
@given(policies(), st.integers(0, 1 << 16))
def test_what_changes_meaning_is_no_longer_the_policy(policy: Policy, choose: int) -> None:
    """Compared with the planned rules or with the policy: two ways to the same answer."""
    if policy.posture is not Posture.SEGMENTED:
        return
    table = table_of(policy)
    comparison = Comparison(table, policy)
    for mutant in some(table, policy, choose, most=1):
        assert bool(comparison.effect(mutant.table).changes) is not prove(planned(mutant.table), policy).equal, (
            mutant.what
        )


def test_every_mutant_of_the_minimal_lab_is_valid_nft(minimal: Plan, tmp_path: Path) -> None:
    policy = Policy.of(minimal, Posture.SEGMENTED)
    every = list(mutants(emit(minimal.zones, minimal.cables, minimal.flows, Posture.SEGMENTED), policy))
    for mutant in every:
        (tmp_path / f"{mutant.id}.nft").write_text(render(mutant.table))
    check = 'for file in "$0"/*.nft; do nft -c -f "$file" || echo "$file"; done'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", check, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
