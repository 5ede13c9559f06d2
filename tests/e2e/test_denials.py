"""What must not pass does not pass, and it is the firewall that says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pacslab.checks.catalogue import CATALOGUE
from tests.e2e.conftest import RunningLab

FORBIDDEN = (
    ("vendor-1", "pacs", 2762),
    ("mr-1", "ct-1", 2762),
    ("reading-1", "pacs-db", 5432),
    ("bastion", "ct-1", 22),  # closed until granted
    ("internet-1", "pacs-web", 443),
    ("cloud-web", "vna", 2762),
)
_CONNECT = (
    "import socket, sys\n"
    "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)\n"
    "except OSError as error: print(type(error).__name__); sys.exit(9)\n"
)


def denied_packets(lab: RunningLab, reason: str = "no-conduit") -> int:
    """The firewall's own count of packets denied for that reason."""
    document: dict[str, Any] = lab("rules", "--live", "--json").json()
    for entry in document["nftables"]:
        rule = entry.get("rule", {})
        if rule.get("comment") == f"deny {reason}":
            return next(int(part["counter"]["packets"]) for part in rule["expr"] if "counter" in part)
    raise AssertionError(f"no counter for {reason}")


def _tries(lab: RunningLab, source: str, destination: str, port: int) -> int:
    """Try to connect with whatever the node's image has."""
    by_tool = {"vendor-1": "nc", "internet-1": "nc", "bastion": "nc"}
    if source in by_tool:
        return lab.exec(source, "nc", "-z", "-w", "2", destination, str(port)).exit_code
    if source == "cloud-web":
        command = f"timeout 2 bash -c '</dev/tcp/{destination}/{port}'"
        return lab.exec(source, "bash", "-c", command).exit_code
    return lab.exec(source, "python3", "-c", _CONNECT, destination, str(port)).exit_code


@pytest.mark.parametrize(("source", "destination", "port"), FORBIDDEN)
def test_a_forbidden_connection_ends_in_the_firewall(
    reference: RunningLab, source: str, destination: str, port: int
) -> None:
    before = denied_packets(reference)
    assert _tries(reference, source, destination, port) != 0
    assert denied_packets(reference) > before


def test_a_permitted_connection_of_the_same_kind_works(reference: RunningLab) -> None:
    assert _tries(reference, "vendor-1", "bastion", 22) == 0
    assert _tries(reference, "mr-1", "pacs", 2762) == 0


def _verify(lab: RunningLab, *argv: str) -> tuple[int, dict[str, Any]]:
    done = lab("verify", "--json", "-", *argv)
    return done.exit_code, json.loads(done.stdout)


def test_the_untouched_lab_verifies(reference: RunningLab) -> None:
    exit_code, run = _verify(reference)
    bad = [r for r in run["results"] if r["verdict"] != "PASS"]
    assert (exit_code, bad) == (0, [])
    books = run["accounting"]
    assert books["sent"] == books["arrived"] + books["dropped"] + books["rejected"] + books["discarded"]
    assert books["lost"] == 0
    assert {r["check"] for r in run["results"]} == {check.id for check in CATALOGUE}, "a check that judged nothing"


def test_an_accept_inserted_by_hand_is_named(reference: RunningLab) -> None:
    addresses = "ip saddr 198.18.60.11 ip daddr 198.18.20.10 tcp dport 2762"
    reference.nft("insert", "rule", "inet", "pacslab", "forward", *addresses.split(), "accept", "comment", '"by hand"')
    try:
        exit_code, run = _verify(reference, "--only", "reach")
        failed = {
            (r["check"], r["source"], r["destination"], r["service"]) for r in run["results"] if r["verdict"] == "FAIL"
        }
        assert exit_code == 1
        assert ("REACH-02", "vendor-1", "pacs", "dicom-tls") in failed
        assert {way[1:3] for way in failed} == {("vendor-1", "pacs")}, "the rule opens one way and no other"
        console = reference("verify", "--only", "reach")
        assert console.exit_code == 1
        assert "FAIL REACH-02 vendor-1 -> pacs dicom" in console.stdout
    finally:
        restored = reference("up")
    assert "changed by hand" in restored.stderr
    assert _verify(reference, "--only", "reach")[0] == 0


def test_a_deleted_flow_is_named(reference: RunningLab) -> None:
    element = "{ 198.18.10.10 . 198.18.20.10 . tcp . 2762 }"
    reference.nft("delete", "element", "inet", "pacslab", "flows", element)
    try:
        exit_code, run = _verify(reference, "--only", "reach")
        failed = {(r["check"], r["source"], r["destination"]) for r in run["results"] if r["verdict"] == "FAIL"}
        assert exit_code == 1
        assert ("REACH-01", "ct-1", "pacs") in failed
        assert {frozenset(way[1:3]) for way in failed} == {frozenset({"ct-1", "pacs"})}
    finally:
        reference.nft("add", "element", "inet", "pacslab", "flows", element[:-2] + ' comment "acquire" : accept }')
    assert _verify(reference, "--only", "reach")[0] == 0


def test_anti_spoofing_removed_is_seen_as_lost_probes_or_leaks(reference: RunningLab) -> None:
    """An element gone from the cable set stops that node: its flows fail, nothing is called green."""
    reference.nft("delete", "element", "inet", "pacslab", "cables", '{ "us-1" . 198.18.10.12 }')
    try:
        exit_code, run = _verify(reference, "--only", "reach")
        failed = {(r["source"], r["destination"]) for r in run["results"] if r["verdict"] == "FAIL"}
        assert exit_code == 1
        assert {("us-1", "pacs"), ("us-1", "ris")} <= failed
    finally:
        reference.nft("add", "element", "inet", "pacslab", "cables", '{ "us-1" . 198.18.10.12 }')


def test_a_dead_archive_is_never_called_blocked(reference: RunningLab) -> None:
    import docker as sdk

    sdk.from_env().containers.get(reference.container("pacs")).kill()
    try:
        exit_code, run = _verify(reference)
        assert exit_code in {1, 4}
        towards = [r for r in run["results"] if r["check"].startswith("REACH") and r["destination"] == "pacs"]
        assert towards
        assert {r["verdict"] for r in towards} == {"INCONCLUSIVE"}
        assert reference("status").exit_code == 1
    finally:
        repaired = reference("up")
        assert repaired.exit_code == 0, str(repaired)
    assert reference.device("pacs", "studies")["studies"], "the archive lost its images with its process"
    assert _verify(reference)[0] == 0
