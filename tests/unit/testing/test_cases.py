"""Plan and results -> cases."""

from pacslab.checks.asking import Ending
from pacslab.checks.catalogue import CATALOGUE
from pacslab.checks.judge import judge_reach
from pacslab.model.packet import TCP
from pacslab.model.plan import Plan
from pacslab.model.probe import Probe, ProbeClass
from pacslab.model.sweep import Fate
from pacslab.model.verdict import Result, Verdict
from pacslab.testing.cases import Case, cases, sorted_out, told


def result(check: str, source: str, destination: str, service: str, verdict: Verdict = Verdict.PASS) -> Result:
    return Result(check, verdict, source, destination, service, "expected this", "observed that")


def test_every_zone_pair_with_every_service_of_the_responding_zone_is_a_case(minimal: Plan) -> None:
    names = [case.name for case in cases(minimal) if case.suite == "reach"]
    assert "modality -> pacs-core http" in names
    assert "vendor-remote -> pacs-core elsewhere" in names
    assert "pacs-core -> modality ssh" in names
    assert not [name for name in names if name.startswith("modality -> modality")], "one node is no pair"


def test_cases_are_all_different_and_cover_every_check(reference: Plan) -> None:
    every = list(cases(reference))
    assert len(every) == len(set(every))
    pairs = len(reference.zones) ** 2 - sum(
        1 for zone in reference.zones if sum(node.zone == zone.name for node in reference.nodes) < 2
    )
    assert len({case.name.rpartition(" ")[0] for case in every if " -> " in case.name}) == pairs
    assert {case.name for case in every if " -> " not in case.name} == {
        check.id for check in CATALOGUE if check.id not in {"REACH-01", "REACH-02"}
    }


def test_results_find_their_case(minimal: Plan) -> None:
    of_pair = result("REACH-02", "vendor-1", "pacs", "http")
    of_port = result("REACH-02", "vendor-1", "pacs", "23/tcp")
    of_check = result("PROOF-01", "", "", "")
    found = sorted_out(minimal, (of_pair, of_port, of_check))
    assert found == {
        Case("reach", "vendor-remote -> pacs-core http"): [of_pair],
        Case("reach", "vendor-remote -> pacs-core elsewhere"): [of_port],
        Case("proof", "PROOF-01"): [of_check],
    }
    assert set(found) <= set(cases(minimal))


def test_what_is_told_is_only_what_is_wrong() -> None:
    good = result("REACH-02", "a", "b", "http")
    bad = result("REACH-02", "a", "c", "http", Verdict.FAIL)
    unclear = result("REACH-02", "a", "d", "http", Verdict.INCONCLUSIVE)
    assert told([good]) == ""
    words = told([good, bad, unclear])
    assert "FAIL REACH-02 a -> c http" in words
    assert "INCONCLUSIVE REACH-02 a -> d http" in words
    assert "a -> b" not in words
    assert "observed     observed that" in words


def test_a_probe_that_got_through_is_told_with_its_evidence(minimal: Plan) -> None:
    source, destination = minimal.node("vendor-1"), minimal.node("pacs")
    way = source.name, destination.name, source.address, destination.address
    judged = judge_reach(Probe(ProbeClass.SERVICE, *way, TCP, 8042), None, Ending(Fate.ARRIVED), None, "http")
    assert "reached the receiver" in told([judged])
