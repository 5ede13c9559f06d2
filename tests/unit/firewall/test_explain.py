"""One conversation, followed: allowed by which element, denied by which rule, and what is nearest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pacslab.cli.app import run
from pacslab.errors import Exit
from pacslab.firewall.emit import emit
from pacslab.firewall.explain import Explanation, Question, explain
from pacslab.firewall.planned import document, planned
from pacslab.firewall.readback import read_back
from pacslab.model.dicom import Protocol
from pacslab.model.lab import Lab
from pacslab.model.plan import Plan
from pacslab.model.policy import Policy

TCP = Protocol.TCP


def ask(plan: Plan, lab: Lab, source: str, destination: str, port: int, *, protocol: Protocol = TCP) -> Explanation:
    loaded = planned(emit(plan.zones, plan.cables, plan.flows, plan.posture))
    return explain(loaded, Policy.of(plan), Question(source, destination, protocol, port), lab.conduits)


def test_allowed(reference: Plan, reference_lab: Lab) -> None:
    found = ask(reference, reference_lab, "ct-1", "pacs", 2762)
    assert found.allowed
    assert (found.conduit, found.why) == ("acquire", "Scanners store their images and ask for storage commitment.")
    assert str(found.origin).startswith("zones/pacs-core.yaml:")
    assert [leg.step for leg in found.legs] == ["cable", "anti-spoofing", "state", "decision"]
    assert found.legs[-1].words == "allowed: element of flows counted for 'acquire'"
    assert found.nearest == ()


@pytest.mark.parametrize(
    ("asked", "conduit", "differs"),
    [
        (("vendor-1", "pacs", 2762), "acquire", "it is for ct-1, not vendor-1"),
        (("bastion", "ct-1", 22), "vendor-service", "it is closed until granted"),
        (("ct-1", "pacs", 9999), "acquire", "it is for port 2762/tcp, not 9999"),
        (("ct-1", "vna", 2762), "archive", "it is for pacs, not ct-1"),
        (("pacs-db", "pacs", 1), "index", "it goes the other way: only the other end may begin"),
    ],
)
def test_denied_and_what_is_nearest(
    reference: Plan, reference_lab: Lab, asked: tuple[str, str, int], conduit: str, differs: str
) -> None:
    found = ask(reference, reference_lab, *asked)
    assert not found.allowed
    assert found.legs[-1].words == "denied: nothing permits this conversation"
    assert 'comment "deny no-conduit"' in found.decided_by
    assert (conduit, differs) in [(near.conduit, near.differs) for near in found.nearest]


def test_nothing_is_near_a_stranger(reference: Plan, reference_lab: Lab) -> None:
    assert ask(reference, reference_lab, "guest-1", "internet-1", 5, protocol=Protocol.UDP).nearest == ()


def test_counters_of_what_is_loaded(reference: Plan) -> None:
    listed = document(emit(reference.zones, reference.cables, reference.flows, reference.posture))
    for item in listed["nftables"]:
        if item.get("map", {}).get("name") == "flows":
            item["map"]["elem"][0][0]["elem"]["counter"] = {"packets": 7, "bytes": 420}
    found = explain(read_back(listed), Policy.of(reference), Question("ct-1", "pacs", TCP, 2762))
    assert found.legs[-1].packets == 7


def _run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, root: Path, *words: str
) -> tuple[int, str]:
    monkeypatch.chdir(root)
    code = run(["explain", *words])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    lab = "lab/reference.yaml"
    code, said = _run(capsys, monkeypatch, root, lab, "ct-1", "pacs-core/pacs:dicom-tls")
    assert code == Exit.DONE
    assert said.startswith("ALLOWED  ct-1 -> pacs:2762/tcp\n")
    assert "written at     zones/pacs-core.yaml:" in said
    code, said = _run(capsys, monkeypatch, root, lab, "vendor-1", "pacs:2762", "--json")
    assert code == Exit.NO
    answer = json.loads(said)
    assert (answer["schema_version"], answer["allowed"]) == (1, False)
    assert answer["nearest"][0]["conduit"] == "acquire"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("nobody", "pacs:1"), "has no node 'nobody'"),
        (("ct-1", "pacs"), "'pacs' is not DST:SERVICE"),
        (("ct-1", "pacs:gopher"), "pacs has no service 'gopher'"),
        (("ct-1", "pacs:65536"), "pacs has no service '65536'"),
        (("ct-1", "pacs:dicom-tls", "--ipv6"), "ct-1 has no IPv6 address"),
    ],
)
def test_a_question_that_makes_no_sense(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    words: tuple[str, ...],
    complaint: str,
) -> None:
    code, said = _run(capsys, monkeypatch, root, "lab/reference.yaml", *words)
    assert code == Exit.USAGE
    assert complaint in said
