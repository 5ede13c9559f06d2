"""Studies go on from archive to archive: whole, late, past every outage; and what a scanner hears of a full disk."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import RunningLab, _bring_up
from tests.e2e.seat import take_seat

SMALL = ("--rows", "64", "--columns", "64")
PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def lab(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A reference lab of this module's own: its nodes are killed."""
    yield from _bring_up(tmp_path_factory.mktemp("archive"), "e2e-archive", "reference")


@pytest.fixture(autouse=True)
def _healed(lab: RunningLab, docker: Docker) -> Iterator[None]:
    """A test that fails does not leave its outage to the next."""
    yield
    if not all(container.running for container in docker.list(lab=lab.name)):
        _up(lab)


def _acquire(lab: RunningLab, accession: str, slices: int = 3, *argv: str) -> dict[str, Any]:
    return lab.device(
        "ct-1", "acquire", "--slices", str(slices), *SMALL, "--accession", accession, "--send", "pacs", *argv
    )


def _held(lab: RunningLab, node: str, study: str) -> dict[str, str]:
    """SOP Instance UID -> pixel hash."""
    done = lab.exec(node, "device", "hash", "--study-uid", study)
    if done.exit_code:
        return {}
    pixels: dict[str, str] = done.json()["pixel_sha256"]
    return pixels


def _files(disk: Path) -> int:
    return sum(1 for path in disk.rglob("*") if path.is_file())


def _queue(lab: RunningLab, archive: str) -> dict[str, Any]:
    (queue,) = lab.device(archive, "queue")["queues"]
    found: dict[str, Any] = queue
    return found


def _until(holds: Callable[[], bool], what: str, every_s: float = 0.5) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(every_s)


def _everywhere(lab: RunningLab, study: str, sent: dict[str, str]) -> None:
    for node in ("pacs", "vna", "cloud-store"):
        _until(lambda node=node: _held(lab, node, study) == sent, f"{len(sent)} instances at {node}")  # type: ignore[misc]
    _until(lambda: _queue(lab, "pacs")["waiting"] == _queue(lab, "vna")["waiting"] == 0, "empty queues")


def _docker(*argv: str) -> None:
    subprocess.run(["docker", *argv], check=True, capture_output=True, timeout=60)


def _up(lab: RunningLab) -> None:
    done = lab("up")
    assert done.exit_code == 0, str(done)


def test_a_study_goes_on_to_the_vna_and_by_stow_to_the_cloud(lab: RunningLab) -> None:
    made = _acquire(lab, "GO1", 8)
    _everywhere(lab, made["study_uid"], made["pixel_sha256"])
    log = lab("logs", "cloud-web")
    text = log.stdout + log.stderr
    assert 'node="vna" "POST /dicom-web/studies HTTP/1.1" 200' in text
    status = lab("status", "--json").json()
    assert [(queue["archive"], queue["destination"], queue["waiting"]) for queue in status["queues"]] == [
        ("pacs", "vna", 0),
        ("vna", "cloud-web", 0),
    ]


def test_late_images_of_a_study_follow_and_only_they_are_sent(lab: RunningLab) -> None:
    study = "2.25.4711"
    first = _acquire(lab, "LATE1", 3, "--study-uid", study, "--seed", "1")
    _everywhere(lab, study, first["pixel_sha256"])
    second = _acquire(lab, "LATE1", 2, "--study-uid", study, "--seed", "2")
    _everywhere(lab, study, {**first["pixel_sha256"], **second["pixel_sha256"]})
    log = lab("logs", "pacs")
    said = [line for line in (log.stdout + log.stderr).splitlines() if f"forward {study} to vna" in line]
    assert [line.rpartition(": ")[2] for line in said] == ["3 instances delivered", "2 instances delivered"]


def test_nothing_is_sent_for_ever(lab: RunningLab) -> None:
    made = _acquire(lab, "ONCE1")
    _everywhere(lab, made["study_uid"], made["pixel_sha256"])
    time.sleep(5)
    log = lab("logs", "pacs")
    assert (log.stdout + log.stderr).count(f"forward {made['study_uid']} to vna") == 1


def test_a_destination_that_is_down_is_waited_for_past_a_restart_of_the_archive_and_its_database(
    lab: RunningLab,
) -> None:
    _docker("stop", "-t", "1", lab.container("vna"))
    made = _acquire(lab, "DOWN1")
    _until(lambda: _queue(lab, "pacs")["failed_attempts"] > 0, "a failed attempt")
    queue = _queue(lab, "pacs")
    assert queue["waiting"] == 1
    assert [(item["study_uid"], item["instances"]) for item in queue["studies"]] == [(made["study_uid"], 3)]
    assert queue["last_error"]
    status = lab("status")
    assert "pacs -> vna: 1 study waits, the oldest since" in status.stdout
    assert "; last error: " in status.stdout.replace("\n", " ")
    _docker("kill", lab.container("pacs"), lab.container("pacs-db"))
    _up(lab)
    _everywhere(lab, made["study_uid"], made["pixel_sha256"])


def test_the_cloud_may_be_away(lab: RunningLab) -> None:
    _docker("stop", "-t", "1", lab.container("cloud-store"))
    made = _acquire(lab, "CLOUD1")
    _until(lambda: bool(_queue(lab, "vna")["last_error"]), "trouble with the cloud")
    assert "HTTP status 50" in _queue(lab, "vna")["last_error"]
    assert _held(lab, "vna", made["study_uid"]) == made["pixel_sha256"]
    _up(lab)
    _everywhere(lab, made["study_uid"], made["pixel_sha256"])


def test_an_archive_killed_while_it_stores_loses_nothing_it_acknowledged(lab: RunningLab, docker: Docker) -> None:
    """The scanner's images that were answered 0x0000 are there after the restart; the rest it sends again."""
    study = "2.25.4712"
    # Asked of the file system, not of a program of the node: that would take as long as a hundred images.
    disk = Path(f"/proc/{take_seat(docker, lab, 'pacs').pid}/root/var/lib/pacslab/orthanc")
    before = _files(disk)
    container = lab.container("ct-1")
    argv = (
        "device",
        "acquire",
        "--slices",
        "150",
        "--rows",
        "256",
        "--columns",
        "256",
        "--study-uid",
        study,
        "--seed",
        "3",
        "--send",
        "pacs",
    )
    storing = subprocess.Popen(["docker", "exec", container, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    _until(lambda: _files(disk) > before + 2, "the first images", every_s=0.01)
    _docker("kill", lab.container("pacs"))
    out, _ = storing.communicate(timeout=120)
    answer = json.loads(out)
    assert not answer["ok"]
    _up(lab)
    assert len(_held(lab, "pacs", study)) >= answer.get("stored", 0)
    again = lab.device("ct-1", "send", "pacs", answer["folder"])
    assert again["stored"] == 150
    _everywhere(lab, study, again["pixel_sha256"])


def test_a_database_that_is_away_is_said_and_nothing_is_lost(lab: RunningLab) -> None:
    _docker("kill", lab.container("pacs-db"))
    done = lab.exec("ct-1", "device", "acquire", "--slices", "1", *SMALL, "--accession", "DB1", "--send", "pacs")
    assert done.exit_code == 1
    answer = done.json()
    assert (answer["layer"], answer["status"]) == ("dimse", "0xA700")  # PS3.4 B.2.3: out of resources
    _up(lab)
    again = lab.device("ct-1", "send", "pacs", answer["folder"])
    _everywhere(lab, answer["study_uid"], again["pixel_sha256"])


def test_a_full_disk_is_said_and_nothing_is_lost(lab: RunningLab, docker: Docker) -> None:
    seat = take_seat(docker, lab, "pacs", "nsenter")
    place = "/var/lib/pacslab/orthanc"
    inside = ["nsenter", f"--target={seat.pid}", "--mount"]
    # A disk of 64 KiB over the archive's own: not one image of 512 KiB fits.
    subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "size=64k,uid=1000,gid=1000", "full", place], check=True)
    try:
        done = lab.exec("ct-1", "device", "acquire", "--slices", "2", "--accession", "FULL1", "--send", "pacs")
    finally:
        subprocess.run([*inside, "umount", place], check=True)
    assert done.exit_code == 1
    answer = done.json()
    assert (answer["layer"], answer["status"]) == ("dimse", "0xA700")
    log = lab("logs", "pacs")
    assert "Exception while storing DICOM: Cannot write to file" in log.stdout + log.stderr
    assert _held(lab, "pacs", answer["study_uid"]) == {}
    again = lab.device("ct-1", "send", "pacs", answer["folder"])
    _everywhere(lab, answer["study_uid"], again["pixel_sha256"])


def test_an_association_that_breaks_off_inside_an_image_leaves_none(
    lab: RunningLab, docker: Docker, tmp_path: Path
) -> None:
    """A C-STORE whose data set ends in the middle, then nothing more: PS3.7 9.3.1."""
    seat = take_seat(docker, lab, "ct-1")
    certificate, key = seat.certificate("ct-1")
    file = tmp_path / "image.dcm"
    source = lab.device("ct-1", "acquire", "--slices", "1", "--accession", "HALF1", "--study-uid", "2.25.4713")
    container = docker.list(lab=lab.name)
    assert container
    read = subprocess.run(["docker", "exec", lab.container("ct-1"), "sh", "-c", f"cat {source['folder']}/*.dcm"],
                          check=True, capture_output=True)  # fmt: skip
    file.write_bytes(read.stdout)
    done = seat.python(str(Path(__file__).with_name("break_off.py")), str(file), certificate, key, seat.ca)
    assert done.returncode == 0, done.stderr
    time.sleep(4)
    assert _held(lab, "pacs", "2.25.4713") == {}
    assert _queue(lab, "pacs")["waiting"] == 0
    whole = lab.device("ct-1", "send", "pacs", source["folder"])
    _everywhere(lab, "2.25.4713", whole["pixel_sha256"])
