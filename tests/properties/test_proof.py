"""Policy -> ruleset -> real kernel -> read back -> proof: equal, and never equal to what means something else."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from tests.properties.bdd import Diagrams
from tests.properties.labs import kernel, policies, text
from tests.properties.naive import Naive
from tests.properties.universe import packets, permits

from pacslab.firewall.emit import emit
from pacslab.firewall.planned import document, planned
from pacslab.firewall.proof import prove
from pacslab.firewall.readback import read_back
from pacslab.model.policy import Policy

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("unshare"), reason="needs root, nft and unshare"
)
REAL = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def differing(naive: Naive, policy: Policy, command: str = "") -> Iterator[Any]:
    """Packets that the loaded rules and the policy treat differently, by the second engine."""
    # Prefixes are told apart by an address inside of them that is nobody's.
    mentioned = re.findall(r"[0-9.]{7,}|fd00:[0-9a-f:]+", command.replace(".0/", ".77/").replace("::/", "::77/"))
    for packet in packets(policy, mentioned):
        if not packet.iif:
            if naive.accepts(packet, "output"):
                yield packet
        elif naive.accepts(packet) is not permits(policy, packet) or naive.accepts(packet, "input"):
            yield packet


@settings(REAL, max_examples=40)
@given(policies())
def test_what_the_kernel_has_loaded_is_the_policy(policy: Policy) -> None:
    proof = prove(read_back(kernel(text(policy))), policy)
    assert proof.sound, proof.differences


@settings(deadline=None, max_examples=150)
@given(policies())
def test_what_is_planned_is_the_policy(policy: Policy) -> None:
    proof = prove(planned(emit(policy.zones, policy.cables, policy.flows, policy.posture)), policy)
    assert proof.sound, proof.differences


@settings(deadline=None, max_examples=15)
@given(policies(most_nodes=3))
def test_a_careful_person_agrees_with_what_is_planned(policy: Policy) -> None:
    naive = Naive(document(emit(policy.zones, policy.cables, policy.flows, policy.posture)))
    assert list(differing(naive, policy))[:3] == []


ADDRESSES = ("198.18.1.10", "198.18.1.11", "198.18.2.11", "198.18.1.1", "192.0.2.1", "198.18.1.0/24", "198.18.0.0/15")
ADDRESSES6 = ("fd00:1::a", "fd00:1::b", "fd00:1::/64")
CABLES = ("n-1-0", "n-1-1", "n-2-1", "lo", "eth9", "n-*")
RULES = st.one_of(
    st.builds("ip saddr {} ip daddr {}".format, st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES)),
    st.builds("ip saddr != {} tcp dport {}".format, st.sampled_from(ADDRESSES), st.sampled_from((22, 104, 2762))),
    st.builds("ip6 daddr {} meta l4proto {}".format, st.sampled_from(ADDRESSES6), st.sampled_from(("tcp", "udp"))),
    st.builds("iifname {} oifname {}".format, st.sampled_from(CABLES), st.sampled_from(CABLES)),
    st.builds("iifname != {} ct state new".format, st.sampled_from(CABLES)),
    st.builds("udp dport {}".format, st.sampled_from(("22", "0-104", "{ 22, 2762-65535 }"))),
    st.builds("ct state {}".format, st.sampled_from(("new", "established,related", "invalid", "untracked"))),
    st.builds("icmp type {}".format, st.sampled_from(("echo-request", "destination-unreachable"))),
    st.builds("ip saddr . tcp dport {{ {} . {} }}".format, st.sampled_from(ADDRESSES[:3]), st.sampled_from((22, 104))),
    st.builds("meta nfproto {}".format, st.sampled_from(("ipv4", "ipv6"))),
    st.builds("tcp flags {}".format, st.sampled_from(("syn", "ack", "& (syn | ack) == ack"))),
)
VERDICTS = st.sampled_from(("accept", "drop", "return", "counter", "jump established", "goto deny_state"))


@st.composite
def mutations(draw: st.DrawFn, listed: list[dict[str, Any]]) -> str:
    """One command that changes what is loaded."""
    chains = [i["chain"]["name"] for i in listed if "chain" in i]
    rules = [i["rule"] for i in listed if "rule" in i]
    filled = [i[kind] for i in listed for kind in ("set", "map") if kind in i and i[kind].get("elem")]
    kind = draw(
        st.sampled_from(("insert", "insert", "delete", "flush", "remove", "remove", "widen", "foreign", "policy"))
    )
    table = "inet pacslab"
    rule = f"{draw(RULES)} {draw(VERDICTS)}"
    match kind:
        case "insert":
            return (
                f"nft '{draw(st.sampled_from(('insert', 'add')))} rule {table} {draw(st.sampled_from(chains))} {rule}'"
            )
        case "delete":
            victim = draw(st.sampled_from(rules))
            return f"nft delete rule {table} {victim['chain']} handle {victim['handle']}"
        case "flush":
            return f"nft flush chain {table} {draw(st.sampled_from(chains))}"
        case "remove" if filled:
            named = draw(st.sampled_from(filled))
            element = draw(st.sampled_from(named["elem"]))
            return f"nft 'delete element {table} {named['name']} {{ {_words(element)} }}'"
        case "widen":
            key = f"{draw(st.sampled_from(ADDRESSES[:3]))} . {draw(st.sampled_from(ADDRESSES[:3]))} . tcp . 104"
            return f"nft 'add element {table} flows {{ {key} : {draw(st.sampled_from(('accept', 'drop')))} }}'"
        case "policy":
            name = draw(st.sampled_from(("prerouting", "forward", "input", "output")))
            hook = {"prerouting": "priority raw"}.get(name, "priority filter")
            return f"nft 'chain {table} {name} {{ type filter hook {name} {hook}; policy accept; }}'"
    family = draw(st.sampled_from(("inet", "ip")))
    hook = draw(st.sampled_from(("prerouting", "forward", "postrouting", "input")))
    priority = draw(st.sampled_from((-310, -10, 10)))
    body = (
        f"type filter hook {hook} priority {priority}; policy accept; {draw(VERDICTS.filter(lambda v: ' ' not in v))}"
    )
    verdict = body.rsplit("; ", 1)[1]
    chain = body.rsplit("; ", 1)[0]
    match_ = draw(st.sampled_from(("ip saddr 198.18.1.10", "tcp dport 104", "ct state new", "")))
    return f"nft 'table {family} other {{ chain c {{ {chain}; {match_} {verdict} ; }} ; }}'"


def _words(element: Any) -> str:
    if isinstance(element, list):
        element = element[0]
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"]
    if isinstance(element, dict) and "concat" in element:
        return " . ".join(_words(part) for part in element["concat"])
    if isinstance(element, dict) and "range" in element:
        return "-".join(str(end) for end in element["range"])
    return str(element)


@settings(REAL, max_examples=int(os.environ.get("PACSLAB_MUTATIONS", "40")))
@given(st.data(), policies(most_nodes=3))
def test_the_proof_finds_every_mutation_that_means_something_and_no_other(data: st.DataObject, policy: Policy) -> None:
    ruleset = text(policy)
    command = data.draw(mutations(kernel(ruleset)["nftables"]))
    mutated = kernel(ruleset, f"{command} 2>/dev/null || nft add table inet refused")
    assume(not any(i.get("table", {}).get("name") == "refused" for i in mutated["nftables"]))
    proof = prove(read_back(mutated), policy)
    witness = next(differing(Naive(mutated), policy, command), None)
    event(f"{command.split()[1].strip(chr(39))}: {'equal' if witness is None else 'different'}")
    assert proof.equal is (witness is None), f"{command}\n{witness}\n{proof.differences[:3]}"


@settings(REAL, max_examples=25)
@given(st.data(), policies())
def test_whole_policies_as_decision_diagrams_agree(data: st.DataObject, policy: Policy) -> None:
    """Equal for what is loaded; after an element is taken out, or a flow, both engines say the same."""
    listed = kernel(text(policy))
    if data.draw(st.booleans()):
        filled = [i[kind]["elem"] for i in listed["nftables"] for kind in ("set", "map") if i.get(kind, {}).get("elem")]
        victims = data.draw(st.sampled_from(filled))
        victims.remove(data.draw(st.sampled_from(victims)))
    if policy.flows and data.draw(st.booleans()):
        policy = replace(policy, flows=policy.flows[1:])
    equal = all(Diagrams(listed, policy, version).equal() for version in (4, 6))
    event("equal" if equal else "different")
    assert prove(read_back(listed), policy).equal is equal
