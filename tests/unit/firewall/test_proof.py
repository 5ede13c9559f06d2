"""What a hand does to a loaded ruleset, and the words in which the proof says so."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from tests.properties.labs import kernel

from pacslab.firewall.proof import prove
from pacslab.firewall.readback import UnknownRuleError, read_back
from pacslab.model.lab import Posture
from pacslab.model.packet import State
from pacslab.model.plan import Plan
from pacslab.model.policy import Policy
from pacslab.model.proof import Flaw, Proof

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("unshare"), reason="needs root, nft and unshare"
)
TABLE = "inet pacslab"


@pytest.fixture(scope="module")
def handles(reference: Plan) -> dict[str, int]:
    """Comment or text of a rule -> its handle; the same in every namespace."""
    listed: dict[str, Any] = kernel(reference.ruleset)
    return {rule.text: rule.handle for chain in read_back(listed).chains for rule in chain.rules}


def _proof(plan: Plan, *commands: str) -> Proof:
    return prove(read_back(kernel(plan.ruleset, *(f"nft '{c}'" for c in commands))), Policy.of(plan))


def _effects(proof: Proof) -> list[tuple[Flaw, str]]:
    return [(difference.flaw, difference.effect) for difference in proof.differences]


@pytest.mark.parametrize("posture", Posture)
def test_untouched(postures: dict[Posture, Plan], posture: Posture) -> None:
    proof = _proof(postures[posture])
    assert proof.sound
    assert proof.equal


def test_a_posture_is_more_than_the_policy(postures: dict[Posture, Plan], reference: Plan) -> None:
    flat = prove(read_back(kernel(postures[Posture.FLAT].ruleset)), Policy.of(reference, Posture.SEGMENTED))
    assert {difference.flaw for difference in flat.differences} == {Flaw.LEAK}
    assert (Flaw.LEAK, "opens guest-1 -> every node:*") in _effects(flat)


def test_an_accept_inserted_by_hand(reference: Plan) -> None:
    rule = "ip saddr 198.18.60.11 ip daddr 198.18.20.10 tcp dport 2762 accept"
    proof = _proof(reference, f"insert rule {TABLE} forward {rule}")
    (leak,) = proof.of(Flaw.LEAK)
    assert leak.effect == "opens vendor-1 -> pacs:2762 (dicom-tls)"
    assert (leak.source, leak.destination) == ("vendor-1", "pacs")
    assert leak.witness is not None
    assert (leak.witness.interface, leak.witness.destination_port, leak.witness.state) == ("vendor-1", 2762, State.NEW)
    assert rule in leak.rule
    assert not proof.equal


def test_a_jump_that_comes_back_changes_nothing(reference: Plan) -> None:
    proof = _proof(reference, f"add chain {TABLE} aside", f"insert rule {TABLE} forward jump aside")
    assert proof.equal


def test_a_wide_accept_opens_what_a_conduit_of_the_same_pair_does_not(reference: Plan) -> None:
    effects = _effects(_proof(reference, f"insert rule {TABLE} forward ip saddr 198.18.10.10 accept"))
    assert (Flaw.LEAK, "opens ct-1 -> pacs:* (http 8042)") in effects
    assert (Flaw.LEAK, "opens ct-1 -> pacs-db:* (postgres 5432)") in effects


def test_a_granted_conduit_opened_for_good(reference: Plan) -> None:
    key = "198.18.60.10 . 198.18.10.10 . tcp . 22"
    proof = _proof(reference, f'add element {TABLE} flows {{ {key} comment "vendor-service" : accept }}')
    (leak,) = proof.differences
    assert leak.effect.startswith("opens bastion -> ct-1:22 (ssh), for good, though conduit vendor-service")
    assert str(leak.origin).startswith("zones/modality.yaml:")


def test_a_grant_is_the_policy_and_a_stranger_is_not(reference: Plan) -> None:
    grant = f'add element {TABLE} granted {{ 198.18.60.10 . 198.18.10.10 . tcp . 22 timeout 1h comment "%s" : accept }}'
    proof = _proof(reference, grant % "vendor-service")
    assert proof.sound
    ((conduit, what, left_s),) = proof.granted
    assert (conduit, what) == ("vendor-service", "bastion -> ct-1:22 (ssh)")
    assert 3500 < left_s <= 3600
    (stranger,) = _proof(reference, grant % "acquire").of(Flaw.GRANT)
    assert stranger.effect.startswith("opens bastion -> ct-1:22 (ssh), for 3")


def test_a_flow_taken_out(reference: Plan) -> None:
    proof = _proof(reference, f"delete element {TABLE} flows {{ 198.18.10.10 . 198.18.20.10 . tcp . 2762 }}")
    (block,) = proof.differences
    assert (block.flaw, block.effect) == (Flaw.BLOCK, "blocks ct-1 -> pacs:2762 (dicom-tls)")
    assert block.conduit == "acquire"
    assert str(block.origin).startswith("zones/pacs-core.yaml:")
    assert "deny_no_conduit" in block.rule


def test_an_anti_spoofing_element_taken_out_and_put_in(reference: Plan) -> None:
    gone = _proof(reference, f'delete element {TABLE} cables {{ "us-1" . 198.18.10.12 }}')
    assert (Flaw.BLOCK, "blocks us-1 -> pacs:2762 (dicom-tls)") in _effects(gone)
    extra = _proof(reference, f'add element {TABLE} cables {{ "us-1" . 198.18.10.10 }}')
    assert (Flaw.SPOOF, "lets us-1 send as ct-1") in _effects(extra)


@pytest.mark.parametrize(
    ("chain", "flaw", "words"),
    [
        ("forward", Flaw.BLOCK, "blocks what belongs to open conversations"),
        ("deny_no_conduit", Flaw.UNREACHED, ""),
        ("input", Flaw.UNREACHED, ""),
    ],
)
def test_a_chain_flushed(reference: Plan, chain: str, flaw: Flaw, words: str) -> None:
    """Default drop keeps an emptied chain shut; a deny chain that counts nothing changes no packet's fate."""
    proof = _proof(reference, f"flush chain {TABLE} {chain}")
    if chain == "forward":
        assert any(effect.startswith(words) for f, effect in _effects(proof) if f is flaw)
        assert not proof.of(Flaw.LEAK)
    else:
        assert proof.equal


def test_a_rule_deleted(reference: Plan, handles: dict[str, int]) -> None:
    spoofing = next(handle for text, handle in handles.items() if "!= @cables" in text)
    proof = _proof(reference, f"delete rule {TABLE} prerouting handle {spoofing}")
    assert proof.of(Flaw.SPOOF)
    state = next(handle for text, handle in handles.items() if "tcp flags" in text)
    late = _proof(reference, f"delete rule {TABLE} forward handle {state}")
    assert {difference.flaw for difference in late.differences} == {Flaw.STATE}
    assert late.differences[0].witness is not None


def test_a_foreign_table_before_ours(reference: Plan) -> None:
    body = "chain c { type filter hook prerouting priority -400; policy accept; ip saddr 198.18.60.11 %s ; }"
    accepting = _proof(reference, f"table ip side {{ {body % 'accept'} ; }}")
    (foreign,) = accepting.differences
    assert foreign.effect == "table ip side is not pacslab's: c at prerouting priority -400, policy accept"
    assert accepting.equal
    assert not accepting.sound
    dropping = _proof(reference, f"table ip side {{ {body % 'drop'} ; }}")
    assert (Flaw.BLOCK, "blocks vendor-1 -> bastion:22 (ssh)") in _effects(dropping)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("table ip n { chain c { type nat hook prerouting priority -100; policy accept; dnat to 198.18.20.10 ; } ; }",
         "change packets"),
        ("table arp a { chain c { type filter hook input priority 0; policy accept; } ; }", "outside the IP hooks"),
        ("table bridge b { chain c { type filter hook forward priority 0; } ; }", "outside the IP hooks"),
    ],
)  # fmt: skip
def test_what_no_proof_can_speak_about_is_named_or_refused(reference: Plan, table: str, words: str) -> None:
    try:
        listed = kernel(reference.ruleset, f"nft '{table}'")
    except AssertionError as unsupported:  # this kernel lacks the family
        pytest.skip(str(unsupported)[:80])
    if "dnat" in table:
        with pytest.raises(UnknownRuleError, match="dnat"):
            read_back(listed)
        return
    proof = prove(read_back(listed), Policy.of(reference))
    assert any(words in effect for flaw, effect in _effects(proof) if flaw is Flaw.FOREIGN)


def test_a_policy_of_accept_is_a_flaw_though_nothing_passes(reference: Plan) -> None:
    proof = _proof(reference, f"chain {TABLE} input {{ type filter hook input priority filter; policy accept; }}")
    assert proof.equal
    assert [difference.flaw for difference in proof.differences] == [Flaw.NO_DROP]
    flushed = _proof(
        reference,
        f"chain {TABLE} input {{ type filter hook input priority filter; policy accept; }}",
        f"flush chain {TABLE} input",
    )
    assert (Flaw.FABRIC, "opens vendor-1 -> the fabric") in _effects(flushed)


def test_ipv6_let_in_where_there_is_none(reference: Plan, handles: dict[str, int]) -> None:
    ipv6 = next(handle for text, handle in handles.items() if "nfproto ipv6" in text)
    proof = _proof(
        reference,
        f"replace rule {TABLE} prerouting handle {ipv6} meta nfproto ipv6 accept",
        f"insert rule {TABLE} forward meta nfproto ipv6 accept",
    )
    assert (Flaw.IPV6, "lets IPv6 through where the lab has none, from vendor-1") in _effects(proof)


def test_a_label_of_another_conduit(reference: Plan) -> None:
    key = "198.18.10.10 . 198.18.20.10 . tcp . 2762"
    proof = _proof(
        reference,
        f"delete element {TABLE} flows {{ {key} }}",
        f'add element {TABLE} flows {{ {key} comment "commit" : accept }}',
    )
    assert _effects(proof) == [(Flaw.LABEL, "counts ct-1 -> pacs:2762 for conduit 'commit', and it is 'acquire'")]


def test_a_rule_that_can_never_match(reference: Plan) -> None:
    proof = _proof(reference, f"add rule {TABLE} forward tcp dport 22 accept")
    assert proof.equal
    assert [difference.flaw for difference in proof.differences] == [Flaw.UNREACHED]


def test_what_each_conduit_opens(reference: Plan) -> None:
    openings = {opening.conduit: opening.pairs for opening in _proof(reference).openings}
    assert set(openings["acquire"]) == {("ct-1", "pacs"), ("mr-1", "pacs"), ("us-1", "pacs")}
    assert "vendor-service" not in openings


@pytest.mark.parametrize(
    "rule",
    [
        "meta mark 3 accept",
        "ct status dnat accept",
        "limit rate 5/second accept",
        "fib daddr type local accept",
        "ip dscp 8 accept",
        "ct state new meta mark set 7",
        "@nh,96,32 3323068427 accept",
        "tcp dport 22 queue",
    ],
)
def test_a_rule_the_proof_does_not_know_is_refused_with_its_text(reference: Plan, rule: str) -> None:
    try:
        listed = kernel(reference.ruleset, f"nft 'insert rule {TABLE} forward {rule}'")
    except AssertionError as unsupported:  # this kernel lacks the expression
        pytest.skip(str(unsupported)[:80])
    if "queue" not in str(listed) and rule.endswith("queue"):
        pytest.skip("no queue in this kernel")
    with pytest.raises(UnknownRuleError) as refused:
        read_back(listed)
    assert "inet pacslab forward handle" in refused.value.message
