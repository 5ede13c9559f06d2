"""A day in radiology on the reference lab: whole, in parts, side by side, and through restarts and outages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Done, RunningLab

PLACES = {"pacs", "vna", "cloud-store", "reading-1", "reading-1 (DICOMweb)"}
SMALL = ("--slices", "3", "--series", "1", "--patience", "120")
DAY_TIMEOUT_S = 240


def _day(lab: RunningLab, *argv: str) -> dict[str, Any]:
    """A day that must hold; its timeline."""
    done = lab("run", "radiology-day", "--json", *argv)
    assert done.exit_code == 0, str(done)
    timeline: dict[str, Any] = done.json()
    assert timeline["held"]
    return timeline


def _part(lab: RunningLab, part: str, *argv: str) -> dict[str, Any]:
    done = lab("run", part, "--json", *argv)
    assert done.exit_code == 0, str(done)
    (study,) = done.json()["studies"]
    return dict(study)


def _failures(study: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (step["planned"]["step"], step["planned"]["destination"], step["layer"])
        for step in study["steps"]
        if step["ending"] == "failed"
    ]


def test_a_whole_day_holds_and_the_pixels_are_the_same_everywhere(reference: RunningLab) -> None:
    (study,) = _day(reference, "--slices", "10", "--seed", "7")["studies"]
    assert {step["ending"] for step in study["steps"]} == {"held"}
    assert [step["planned"]["step"] for step in study["steps"]][:3] == ["order", "schedule", "worklist"]
    assert set(study["same_at"]) == PLACES
    assert len(study["pixel_sha256"]) == 11  # a scout and ten slices


def test_parts_run_alone_take_up_where_the_one_before_left_off(reference: RunningLab) -> None:
    ordered = _part(reference, "order", "--from", "mr-1")
    accession = ordered["accession"]
    assert ordered["modality"] == "MR"
    acquired = _part(reference, "acquire", "--accession", accession, *SMALL)
    assert (acquired["study_uid"], len(acquired["pixel_sha256"])) == (ordered["study_uid"], 3)
    parts = [_part(reference, part) for part in ("archive", "read", "report")]  # the latest completed order
    assert {study["accession"] for study in parts} == {accession}
    assert set(parts[0]["same_at"]) | set(parts[1]["same_at"]) == PLACES


def test_eight_studies_from_three_scanners_at_once(reference: RunningLab) -> None:
    studies = _day(reference, "--studies", "8", "--parallel", *SMALL)["studies"]
    assert [study["scanner"] for study in studies] == ["ct-1", "mr-1", "us-1", "ct-1", "mr-1", "us-1", "ct-1", "mr-1"]
    assert len({study["study_uid"] for study in studies}) == 8
    instances = [uid for study in studies for uid in study["pixel_sha256"]]
    assert len(set(instances)) == len(instances)


def test_the_suite_passes_and_a_closed_flow_turns_its_own_check_red(reference: RunningLab) -> None:
    done = reference("verify", "--only", "workflow", "--json", "-")
    assert done.exit_code == 0, str(done)
    report = done.json()
    assert {result["check"] for result in report["results"]} == {f"WORK-{n:02}" for n in range(1, 17)}
    assert {result["source"] for result in report["results"]} >= {"ct-1", "mr-1", "us-1"}
    address = "198.18.50.12"  # reading-1
    try:
        reference.nft(
            "insert", "rule", "inet", "pacslab", "forward", "ip", "saddr", address, "tcp", "dport", "443", "drop"
        )
        broken = reference("verify", "--only", "workflow", "--json", "-")
    finally:
        _restore(reference)
    assert broken.exit_code == 1, str(broken)
    red = [result for result in broken.json()["results"] if result["verdict"] == "FAIL"]
    assert {(result["check"], result["conduit"]) for result in red} == {("WORK-12", "read-web")}
    assert all(result["observed"].startswith("tcp: ") for result in red)


def _restore(lab: RunningLab) -> None:
    done = lab("up")
    assert done.exit_code == 0, str(done)


@dataclass
class Running:
    """A day under way: its lines so far, and its end."""

    process: subprocess.Popen[str]
    lines: list[str]

    def wait_for(self, words: str) -> None:
        """Wait until a step has ended that says so."""
        deadline = time.monotonic() + DAY_TIMEOUT_S
        while not any(words in line for line in self.lines):
            assert self.process.poll() is None, f"the day ended before {words!r}: {self.lines}"
            assert time.monotonic() < deadline, f"never saw {words!r}: {self.lines}"
            time.sleep(0.05)

    def end(self) -> Done:
        code = self.process.wait(DAY_TIMEOUT_S)
        assert self.process.stdout is not None
        return Done(tuple(map(str, self.process.args)), code, self.process.stdout.read(), "\n".join(self.lines))  # type: ignore[arg-type]


@contextmanager
def _under_way(lab: RunningLab, *argv: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "pacslab", "run", str(lab.file), "radiology-day", "--json", *argv]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        day = Running(process, [])
        assert process.stderr is not None
        reader = Thread(target=lambda lines=process.stderr: day.lines.extend(line.rstrip() for line in lines))
        reader.start()
        try:
            yield day
        finally:
            process.kill()
            reader.join()


# Each node is restarted when its own work is about to begin, or has just begun.
MOMENTS = {
    "ehr": "",
    "ris": "worklist entry made",
    "ct-1": "worklist entry made",
    "pacs": "worklist entry made",
    "pacs-db": "worklist entry made",
    "vna": "procedure completed",
    "cloud-web": "procedure completed",
    "cloud-store": "procedure completed",
    "reading-1": "procedure completed",
    "pacs-web": "procedure completed",
    "mr-1": "worklist entry made",
    "us-1": "worklist entry made",
    "bastion": "worklist entry made",
    "vendor-1": "worklist entry made",
    "internet-1": "worklist entry made",
    "guest-1": "worklist entry made",
}


def test_every_node_has_its_moment(reference: RunningLab) -> None:
    nodes = {node["name"] for node in reference("status", "--json").json()["nodes"]}
    assert set(MOMENTS) == nodes


@pytest.mark.parametrize("node", MOMENTS)
def test_the_day_survives_the_restart_of(reference: RunningLab, node: str) -> None:
    with _under_way(reference, "--from", "ct-1", *SMALL) as day:
        if MOMENTS[node]:
            day.wait_for(MOMENTS[node])
        restarted = subprocess.run(
            ["docker", "restart", "--time", "1", reference.container(node)], check=False, capture_output=True, text=True
        )
        assert restarted.returncode == 0, restarted.stderr
        _restore(reference)
        done = day.end()
    assert done.exit_code == 0, str(done)
    (study,) = json.loads(done.stdout)["studies"]
    assert set(study["same_at"]) == PLACES
    orders = reference.device("ris", "orders")["orders"]
    mine = [order for order in orders if order["accession"] == study["accession"]]
    assert [order["status"] for order in mine] == ["COMPLETED"]


@pytest.mark.parametrize(("node", "holder"), [("vna", "vna"), ("cloud-web", "cloud-store")])
def test_an_archive_that_is_down_loses_nothing(reference: RunningLab, node: str, holder: str) -> None:
    _docker("stop", "--time", "1", reference.container(node))
    try:
        done = reference("run", "radiology-day", "--json", "--slices", "3", "--series", "1", "--patience", "25")
        assert done.exit_code == 1, str(done)
        (study,) = done.json()["studies"]
        failed = _failures(study)
        assert [(step, where) for step, where, _ in failed] == [("copy", holder)]
        read = [s["ending"] for s in study["steps"] if s["planned"]["part"] in {"read", "report"}]
        assert set(read) == {"held"}  # the clinic works on
        waiting = reference.device("pacs" if node == "vna" else "vna", "queue")["queues"]
        assert study["accession"] in {item["accession"] for queue in waiting for item in queue["studies"]}
    finally:
        _restore(reference)
    later = _part(reference, "archive", "--accession", study["accession"], "--patience", "90")
    assert {"pacs", "vna", "cloud-store"} <= set(later["same_at"])


def _docker(*argv: str) -> None:
    done = subprocess.run(["docker", *argv], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_interrupted_day_says_what_is_left_and_is_taken_up(reference: RunningLab) -> None:
    with _under_way(reference, "--from", "us-1", *SMALL) as day:
        day.wait_for("worklist entry made")
        day.process.send_signal(signal.SIGINT)
        done = day.end()
    assert done.exit_code == 130, str(done)
    accession = day.lines[0].split()[0]
    assert f"interrupted; what is done of {accession} stays in lab" in done.stderr
    # The scanner had begun, and goes on alone; or it had not, and is told to.
    reference("run", "acquire", "--accession", accession, *SMALL)
    assert set(_part(reference, "read", "--accession", accession)["same_at"]) == {"reading-1", "reading-1 (DICOMweb)"}


def test_a_lab_that_lacks_the_stations_says_which(minimal: RunningLab) -> None:
    done = minimal("run", "radiology-day")
    assert done.exit_code == 2, str(done)
    assert "needs an ehr that may send ADT^A01 and ORM^O01 to a ris" in done.stderr
    verified = minimal("verify", "--only", "workflow", "--json", "-")
    assert {result["verdict"] for result in verified.json()["results"]} == {"SKIPPED"}


def test_dciodvfy_finds_no_error_in_what_was_delivered(reference: RunningLab, tmp_path: Path) -> None:
    timeline = _day(reference, "--studies", "3", "--parallel", "--slices", "2", "--series", "3")
    for study in timeline["studies"]:
        folder = f"/var/lib/pacslab/received/{study['study_uid']}"
        _docker("cp", f"{reference.container('reading-1')}:{folder}", str(tmp_path))
        files = sorted((tmp_path / study["study_uid"]).glob("*.dcm"))
        assert {file.stem for file in files} == set(study["pixel_sha256"])
        for file in files:
            checked = subprocess.run([DCIODVFY, str(file)], capture_output=True, text=True, check=False)
            errors = [line for line in (checked.stdout + checked.stderr).splitlines() if line.startswith("Error")]
            assert not errors, (study["modality"], errors)


DCIODVFY = Path(sys.executable).with_name("dciodvfy")
