"""Suite `proof`: what the fabric has loaded, read back and compared with the policy, exactly and for every packet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pacslab.checks.catalogue import proof as requirements
from pacslab.engine.drift import Deviation
from pacslab.firewall.proof import prove
from pacslab.firewall.readback import UnknownRuleError, read_back
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan
from pacslab.model.policy import Policy
from pacslab.model.proof import Difference, Flaw, Opening, Proof
from pacslab.model.verdict import Check, Result, Verdict

CHECK_OF: Mapping[Flaw, Check] = MappingProxyType(
    {
        Flaw.LEAK: requirements.PROOF_LEAK,
        Flaw.BLOCK: requirements.PROOF_BLOCK,
        Flaw.SPOOF: requirements.PROOF_SPOOF,
        Flaw.STATE: requirements.PROOF_STATE,
        Flaw.IPV6: requirements.PROOF_IPV6,
        Flaw.FABRIC: requirements.PROOF_FABRIC,
        Flaw.GRANT: requirements.PROOF_GRANT,
        Flaw.NO_DROP: requirements.PROOF_DROP,
        Flaw.FOREIGN: requirements.PROOF_FOREIGN,
        Flaw.UNREACHED: requirements.PROOF_UNREACHED,
        Flaw.LABEL: requirements.PROOF_RADIUS,
    },
)
_MANY = 12  # node pairs that a result names one by one


def judge(plan: Plan, document: Mapping[str, Any]) -> tuple[Result, ...]:
    """A verdict for every requirement, and one for what each conduit opens.

    Args:
        plan: The lab; its policy is what counts, whatever the posture.
        document: What `nft -j list ruleset` says in the fabric.
    """
    try:
        proof = prove(read_back(document), Policy.of(plan, Posture.SEGMENTED))
    except UnknownRuleError as error:
        return (_undecided(error.message),)
    return tuple(result for check in CHECK_OF.values() for result in _results(check, proof))


def judge_wiring(deviations: tuple[Deviation, ...]) -> tuple[Result, ...]:
    """A verdict on what leads packets to the rules: one failure for each thing that is not as planned."""
    check = requirements.PROOF_WIRING
    if not deviations:
        return (_result(check, Verdict.PASS, expected=check.requirement, observed="as planned"),)
    return tuple(
        replace(
            _result(check, Verdict.FAIL, expected=check.requirement, observed=one.effect, evidence=(one.detail,)),
            source=one.node,
        )
        for one in deviations
    )


def _results(check: Check, proof: Proof) -> list[Result]:
    found = [_failed(check, d) for d in proof.differences if CHECK_OF[d.flaw] is check]
    if found:
        return found
    if check is requirements.PROOF_RADIUS:
        return [_opening(opening) for opening in proof.openings]
    return [_result(check, Verdict.PASS, expected=check.requirement, observed="proved", evidence=_weight(proof))]


def _failed(check: Check, difference: Difference) -> Result:
    evidence = (f"packet {difference.witness}",) if difference.witness else ()
    allowed = difference.flaw is Flaw.BLOCK
    return Result(
        check=check.id,
        verdict=Verdict.FAIL,
        source=difference.source,
        destination=difference.destination,
        service=difference.service,
        expected=f"allowed by conduit {difference.conduit}" if allowed and difference.conduit else check.requirement,
        observed=difference.effect,
        evidence=evidence,
        conduit=difference.conduit,
        origin=difference.origin,
        rule=difference.rule,
    )


def _opening(opening: Opening) -> Result:
    pairs = [f"{source} -> {destination}" for source, destination in opening.pairs]
    more = f" and {len(pairs) - _MANY} more" if len(pairs) > _MANY else ""
    result = _result(
        requirements.PROOF_RADIUS,
        Verdict.PASS,
        expected=f"conduit {opening.conduit} opens its own pairs of nodes only",
        observed=f"opens {len(pairs)}: {', '.join(pairs[:_MANY])}{more}",
        evidence=(f"{opening.packets} conversations counted",),
        conduit=opening.conduit,
    )
    return replace(result, origin=opening.origin)


def _undecided(why: str) -> Result:
    return _result(
        requirements.PROOF_LEAK,
        Verdict.INCONCLUSIVE,
        expected=requirements.PROOF_LEAK.requirement,
        observed="",
        reason=why,
    )


def _weight(proof: Proof) -> tuple[str, ...]:
    return (f"{proof.accepted_boxes} boxes of packets compared in {proof.elapsed_s:.3f} s",)


def _result(
    check: Check,
    verdict: Verdict,
    *,
    expected: str,
    observed: str,
    evidence: tuple[str, ...] = (),
    reason: str = "",
    conduit: str = "",
) -> Result:
    return Result(check.id, verdict, "", "", "", expected, observed, evidence, reason, conduit)
