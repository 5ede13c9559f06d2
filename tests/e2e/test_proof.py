"""A hand in the running fabric: `drift` and `verify --only proof` exit 1 and name the effect, for each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import ROOT, RunningLab

TABLE = ("inet", "pacslab")
CT_TO_PACS = "{ 198.18.10.10 . 198.18.20.10 . tcp . 2762 }"


def _drift(lab: RunningLab) -> tuple[int, list[str]]:
    done = lab("drift", "--json")
    return done.exit_code, [one["effect"] for one in done.json()["deviations"]]


def _failed(lab: RunningLab) -> tuple[int, list[str]]:
    done = lab("verify", "--only", "proof", "--json", "-")
    return done.exit_code, [r["observed"] for r in json.loads(done.stdout)["results"] if r["verdict"] == "FAIL"]


def _reload(lab: RunningLab) -> None:
    """The ruleset that the fabric starts with, as one transaction."""
    lab.nft("-f", "/etc/pacslab/ruleset.nft")


@contextmanager
def _by_hand(lab: RunningLab, *commands: tuple[str, ...]) -> Iterator[None]:
    try:
        for command in commands:
            lab.nft(*command)
        yield
    finally:
        _reload(lab)
        assert _drift(lab) == (0, [])


def _handle(lab: RunningLab, chain: str, words: str) -> str:
    listing = lab.nft("-a", "list", "chain", *TABLE, chain)
    return next(line.rsplit(" ", 1)[1] for line in listing.splitlines() if words in line)


def test_the_untouched_lab_is_as_planned_and_proved(reference: RunningLab) -> None:
    assert _drift(reference) == (0, [])
    assert _failed(reference) == (0, [])


Command = Callable[[RunningLab], tuple[str, ...]]
SABOTAGE: dict[str, tuple[Command, str]] = {
    "insert rule": (
        lambda _: ("insert", "rule", *TABLE, "forward", *["ip", "saddr", "198.18.60.11", "ip", "daddr", "198.18.20.10"],
                   *["tcp", "dport", "2762", "accept"]),
        "opens vendor-1 -> pacs:2762",
    ),
    "delete rule": (
        lambda lab: ("delete", "rule", *TABLE, "forward", "handle", _handle(lab, "forward", "@flows")),
        "blocks ct-1 -> pacs:2762 (dicom-tls)",
    ),
    "add element": (
        lambda _: ("add", "element", *TABLE, "flows", "{ 198.18.60.11 . 198.18.20.12 . tcp . 5432 : accept }"),
        "opens vendor-1 -> pacs-db:5432 (postgres)",
    ),
    "delete element": (lambda _: ("delete", "element", *TABLE, "flows", CT_TO_PACS), "blocks ct-1 -> pacs:2762"),
    "flush chain": (lambda _: ("flush", "chain", *TABLE, "forward"), "blocks ct-1 -> pacs:2762 (dicom-tls)"),
    "anti-spoofing element": (
        lambda _: ("delete", "element", *TABLE, "cables", '{ "us-1" . 198.18.10.12 }'),
        "blocks us-1 -> pacs:2762 (dicom-tls)",
    ),
    "a second address on a cable": (
        lambda _: ("add", "element", *TABLE, "cables", '{ "us-1" . 198.18.10.10 }'),
        "lets us-1 send as ct-1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SABOTAGE)
def test_sabotage_of_the_ruleset_is_named(reference: RunningLab, name: str) -> None:
    command, effect = SABOTAGE[name]
    with _by_hand(reference, command(reference)):
        for exit_code, effects in (_drift(reference), _failed(reference)):
            assert exit_code == 1
            assert any(one.startswith(effect) for one in effects), effects


def test_a_foreign_table_before_the_labs_own_is_named(reference: RunningLab) -> None:
    body = "chain c { type filter hook prerouting priority -400; policy accept; ip saddr 198.18.60.11 accept ; } ;"
    reference.nft(f"table ip side {{ {body} }}")
    try:
        for exit_code, effects in (_drift(reference), _failed(reference)):
            assert exit_code == 1
            assert effects == ["table ip side is not pacslab's: c at prerouting priority -400, policy accept"]
    finally:
        reference.nft("delete", "table", "ip", "side")
    assert _drift(reference) == (0, [])


def test_a_changed_route_is_named(reference: RunningLab) -> None:
    docker = Docker.connect()
    fabric = reference.container("fabric")
    route = ("ip", "route", "replace", "198.18.20.10/32", "dev")
    assert docker.exec(fabric, (*route, "vendor-1", "src", "198.18.60.1", "scope", "link")).exit_code == 0
    try:
        for exit_code, effects in (_drift(reference), _failed(reference)):
            assert exit_code == 1
            assert any(one.startswith("sends what is meant for pacs by another way") for one in effects), effects
    finally:
        docker.exec(fabric, ("ip", "route", "del", "198.18.20.10/32", "dev", "vendor-1"))
        assert reference("up").exit_code == 0
    assert _drift(reference) == (0, [])


def test_a_file_changed_in_a_node_is_named(reference: RunningLab) -> None:
    docker = Docker.connect()
    container = reference.container("pacs-web")
    file = "/etc/pacslab/nginx.conf"
    kept = docker.exec(container, ("cat", file), user="1000").stdout  # its owner: root has no capabilities there
    by_hand = ("sh", "-c", f"chmod u+w {file} && echo '# by hand' >> {file}")
    assert docker.exec(container, by_hand, user="1000").exit_code == 0
    try:
        assert _drift(reference) == (1, [f"pacs-web: {file} is not as planned"])
    finally:
        docker.exec(container, ("sh", "-c", f'printf %s "$0" > {file}', kept.decode()), user="1000")
    assert _drift(reference) == (0, [])


def test_explain_of_the_running_lab_counts(reference: RunningLab) -> None:
    assert reference.exec("vendor-1", "nc", "-z", "-w", "2", "bastion", "22").exit_code == 0
    done = reference("explain", "vendor-1", "bastion:ssh", "--live", "--json")
    answer: dict[str, Any] = done.json()
    assert (done.exit_code, answer["allowed"], answer["conduit"]) == (0, True, "vendor-login")
    assert answer["legs"][-1]["packets"] >= 1
    assert reference("explain", "vendor-1", "pacs:dicom-tls", "--live").exit_code == 1


def test_a_change_is_watched_as_it_happens(reference: RunningLab) -> None:
    argv = [sys.executable, "-m", "pacslab", "drift", str(reference.file), "--watch", "--json"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as watching:
        try:
            time.sleep(5)
            reference.nft("delete", "element", *TABLE, "flows", CT_TO_PACS)
            assert watching.stdout is not None
            line = json.loads(watching.stdout.readline())
            assert (line["event"], line["effect"]) == ("differs", "blocks ct-1 -> pacs:2762 (dicom-tls)")
            assert line["time"]
        finally:
            watching.terminate()
            _reload(reference)
