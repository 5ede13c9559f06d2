"""A loaded ruleset -> verdicts with evidence and the YAML line."""

from __future__ import annotations

from typing import Any

from pacslab.checks import catalogue
from pacslab.checks.proof import CHECK_OF, judge, judge_wiring
from pacslab.engine.drift import Deviation, Where
from pacslab.firewall.emit import emit
from pacslab.firewall.planned import document
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan
from pacslab.model.proof import Flaw
from pacslab.model.verdict import Verdict


def _listed(plan: Plan) -> dict[str, Any]:
    return document(emit(plan.zones, plan.cables, plan.flows, plan.posture))


def test_every_flaw_has_a_check_of_its_own() -> None:
    assert set(CHECK_OF) == set(Flaw)
    assert sorted(check.id for check in CHECK_OF.values()) == [f"PROOF-{n:02}" for n in range(1, 12)]
    assert all(catalogue.check(check.id).suite == "proof" for check in CHECK_OF.values())


def test_the_planned_ruleset_passes(reference: Plan) -> None:
    results = judge(reference, _listed(reference))
    assert {result.verdict for result in results} == {Verdict.PASS}
    assert {result.check for result in results} == {f"PROOF-{n:02}" for n in range(1, 12)}
    acquire = next(result for result in results if result.conduit == "acquire")
    assert acquire.observed == "opens 3: ct-1 -> pacs, mr-1 -> pacs, us-1 -> pacs"
    assert str(acquire.origin).startswith("zones/pacs-core.yaml:")


def test_a_flow_gone_fails_with_its_line(reference: Plan) -> None:
    listed = _listed(reference)
    for item in listed["nftables"]:
        if item.get("map", {}).get("name") == "flows":
            item["map"]["elem"] = item["map"]["elem"][1:]
    (failed,) = (result for result in judge(reference, listed) if result.verdict is Verdict.FAIL)
    assert (failed.check, failed.source, failed.destination) == ("PROOF-02", "ct-1", "pacs")
    assert failed.observed == "blocks ct-1 -> pacs:2762 (dicom-tls)"
    assert failed.expected == "allowed by conduit acquire"
    assert "deny_no_conduit" in failed.rule
    assert str(failed.origin).startswith("zones/pacs-core.yaml:")


def test_a_flat_lab_fails_as_the_policy_is_what_counts(postures: dict[Posture, Plan]) -> None:
    failed = [r for r in judge(postures[Posture.FLAT], _listed(postures[Posture.FLAT])) if r.verdict is Verdict.FAIL]
    assert {result.check for result in failed} == {"PROOF-01"}


def test_what_is_not_understood_is_inconclusive_and_never_a_pass(reference: Plan) -> None:
    listed = _listed(reference)
    rule = next(item["rule"] for item in listed["nftables"] if "rule" in item)
    rule["expr"].insert(0, {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 3}})
    (result,) = judge(reference, listed)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "mark" in result.reason


def test_wiring_that_is_not_as_planned_fails_in_words() -> None:
    (fine,) = judge_wiring(())
    assert (fine.check, fine.verdict) == ("PROOF-12", Verdict.PASS)
    way = Deviation(Where.ROUTE, "fabric", "sends what is meant for pacs by another way: 198.18.20.10/32 dev x", "x")
    (bad,) = judge_wiring((way,))
    assert (bad.check, bad.verdict, bad.observed) == ("PROOF-12", Verdict.FAIL, way.effect)
