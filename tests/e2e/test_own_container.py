"""A user's own image with services of its own, over TCP and UDP: started, greeted, judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import pacslab

NAME = "e2e-own"
ZONE = """\
zone: things
network: 198.18.77.0/24
nodes:
  logger:
    kind: container
    image: pacslab/probe:trixie
    command: [sh, -c, "nc -u -k -l 514 & exec nc -k -l 6000"]
    user: "1000:1000"
    services:
      - {name: syslog, port: 514, protocol: udp}
      - {name: feed, port: 6000}
  sender: {kind: probe}
  other: {kind: probe}
accepts:
  - {id: log, from: things/sender, to: logger, service: syslog, why: Devices send their log lines.}
  - {id: feed, from: things/sender, to: logger, service: feed, why: Devices send their measured values.}
"""


@pytest.fixture
def lab(images: None, tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "lab.yaml"
    file.write_text(f"lab: {NAME}\nzones: [zone.yaml]\n")
    (tmp_path / "zone.yaml").write_text(ZONE)
    try:
        done = pacslab("up", str(file))
        assert done.exit_code == 0, str(done)
        yield file
    finally:
        pacslab("down", NAME)


def _verdicts(lab: Path) -> tuple[int, set[tuple[str, str, str, str]]]:
    done = pacslab("verify", str(lab), "--json", "-", "--only", "reach")
    bad = {
        (r["verdict"], r["source"], r["destination"], r["service"])
        for r in json.loads(done.stdout)["results"]
        if r["verdict"] != "PASS"
    }
    return done.exit_code, bad


def test_flows_and_denials_are_decided_also_over_udp(lab: Path) -> None:
    assert _verdicts(lab) == (0, set())
    rule = ("nft", "insert", "rule", "inet", "pacslab", "forward", "ip", "daddr", "198.18.77.10", "udp", "dport", "514")
    engine = Docker.connect()
    opened = engine.exec(f"pacslab-{NAME}-fabric", (*rule, "accept"))
    engine.close()
    assert opened.exit_code == 0, opened.stderr
    assert _verdicts(lab) == (1, {("FAIL", "other", "logger", "syslog")})
