"""What listens in running nodes: a hand in a node is seen, named, and gone again when it is."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import RunningLab

LISTEN = (
    "import socket, sys\n"
    "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[2] else socket.AF_INET, "
    "socket.SOCK_STREAM if sys.argv[1] == 'tcp' else socket.SOCK_DGRAM)\n"
    "s.bind((sys.argv[2], 4444))\n"
    "s.listen() if sys.argv[1] == 'tcp' else None\n"
    "print('ready', flush=True)\n"
    "sys.stdin.read()\n"
)


def _listeners(lab: RunningLab) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
    done = lab("verify", "--only", "listeners", "--json", "-")
    results = json.loads(done.stdout)["results"]
    return done.exit_code, [r for r in results if r["verdict"] != "PASS"], results


@contextmanager
def _listening(lab: RunningLab, node: str, protocol: str, address: str) -> Iterator[None]:
    """A program of our own in a node, which ends when its input does."""
    argv = ["docker", "exec", "-i", lab.container(node), "python3", "-c", LISTEN, protocol, address]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        yield
    _until_gone(lab)


def _until_gone(lab: RunningLab) -> None:
    for _ in range(10):
        exit_code, wrong, _ = _listeners(lab)
        if exit_code == 0:
            return
        time.sleep(0.5)
    pytest.fail(f"still not as planned: {wrong}")


def test_the_untouched_lab_listens_as_planned_and_programs_are_told(reference: RunningLab) -> None:
    exit_code, wrong, results = _listeners(reference)
    assert (exit_code, wrong) == (0, [])
    seen = {(r["destination"], r["service"], r["observed"]) for r in results if r["check"] == "LISTEN-02"}
    assert ("pacs", "http", "Orthanc listens on 0.0.0.0:8042/tcp") in seen
    assert ("bastion", "ssh", "sshd listens on 0.0.0.0:22/tcp") in seen


@pytest.mark.parametrize(
    ("protocol", "address", "words"),
    [
        ("tcp", "0.0.0.0", "0.0.0.0:4444/tcp"),  # noqa: S104
        ("udp", "198.18.10.12", "198.18.10.12:4444/udp"),
    ],
)
def test_an_extra_listener_is_named_and_green_after(
    reference: RunningLab, protocol: str, address: str, words: str
) -> None:
    with _listening(reference, "us-1", protocol, address):
        exit_code, wrong, _ = _listeners(reference)
        assert exit_code == 1
        (one,) = wrong
        assert (one["check"], one["verdict"], one["destination"]) == ("LISTEN-01", "FAIL", "us-1")
        assert one["service"] == f"4444/{protocol}"
        assert one["observed"] == f"python3 listens on {words}"
        assert one["origin"]["file"].endswith("zones/modality.yaml")


def test_a_listener_on_loopback_is_said_and_no_failure(reference: RunningLab) -> None:
    with _listening(reference, "us-1", "tcp", "127.0.0.1"):
        exit_code, wrong, results = _listeners(reference)
    assert (exit_code, wrong) == (0, [])
    said = [r["observed"] for r in results if r["service"] == "4444/tcp"]
    assert said == ["python3 listens on 127.0.0.1:4444/tcp: loopback only, no other node can reach it"]


def test_a_service_that_moved_fails_both_ways_and_green_after(reference: RunningLab) -> None:
    docker = Docker.connect()
    container, file = reference.container("pacs-web"), "/etc/pacslab/nginx.conf"
    kept = docker.exec(container, ("cat", file), user="1000").stdout.decode()
    moved = kept.replace("listen 443 ssl", "listen 444 ssl")
    assert moved != kept
    write = f'chmod u+w {file} && printf %s "$0" > {file} && chmod u-w {file} && kill -HUP 1'
    try:
        assert docker.exec(container, ("sh", "-c", write, moved), user="1000").exit_code == 0
        time.sleep(1)
        exit_code, wrong, _ = _listeners(reference)
        assert exit_code == 1
        assert {(r["check"], r["verdict"], r["destination"], r["service"], r["observed"]) for r in wrong} == {
            ("LISTEN-02", "FAIL", "pacs-web", "https", "nothing listens there"),
            ("LISTEN-01", "FAIL", "pacs-web", "444/tcp", "nginx listens on 0.0.0.0:444/tcp"),
        }
    finally:
        assert docker.exec(container, ("sh", "-c", write, kept), user="1000").exit_code == 0
    _until_gone(reference)


def test_a_stopped_node_fails_its_services_and_green_after(reference: RunningLab) -> None:
    subprocess.run(["docker", "stop", "-t", "1", reference.container("pacs-web")], check=True, capture_output=True)
    try:
        exit_code, wrong, _ = _listeners(reference)
        assert exit_code == 1
        assert {(r["check"], r["verdict"], r["destination"], r["service"], r["observed"]) for r in wrong} == {
            ("LISTEN-02", "FAIL", "pacs-web", "https", "pacs-web does not run"),
            ("LISTEN-01", "INCONCLUSIVE", "pacs-web", "", "not seen"),
        }
    finally:
        assert reference("up").exit_code == 0
    assert _listeners(reference)[:2] == (0, [])
