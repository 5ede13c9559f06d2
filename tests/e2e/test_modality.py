"""Scanners at work in the reference lab: whole procedures, outages in the middle of them, and files of any origin."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.e2e.conftest import RunningLab

DCIODVFY = Path(sys.executable).with_name("dciodvfy")
STEPS = ["worklist", "mpps-in-progress", "acquire", "store", "commit", "mpps-final"]
SMALL = ("--rows", "128", "--columns", "128")


def order(lab: RunningLab, modality: str) -> str:
    accession = f"T{uuid.uuid4().hex[:10].upper()}"
    words = ("--patient-id", f"SYN-{accession}", "--accession", accession, "--modality", modality)
    lab.device("ehr", "order", "ris", *words)
    return accession


def status_at_ris(lab: RunningLab, accession: str) -> str:
    orders = lab.device("ris", "orders")["orders"]
    return next(str(item["status"]) for item in orders if item["accession"] == accession)


def pixels_at(lab: RunningLab, node: str, study: str) -> dict[str, str]:
    done = lab.exec(node, "device", "hash", "--study-uid", study)
    return dict(json.loads(done.stdout)["pixel_sha256"]) if done.exit_code == 0 else {}


def files_of(lab: RunningLab, node: str, study: str, folder: Path) -> list[Path]:
    argv = ["docker", "cp", "--quiet", f"{lab.container(node)}:/var/lib/pacslab/studies/{study}", str(folder)]
    subprocess.run(argv, check=True, capture_output=True)
    return sorted(folder.rglob("*.dcm"))


@pytest.mark.parametrize(("node", "modality"), [("ct-1", "CT"), ("mr-1", "MR"), ("us-1", "US")])
def test_a_whole_procedure(reference: RunningLab, tmp_path: Path, node: str, modality: str) -> None:
    accession = order(reference, modality)
    seen = reference.device(node, "perform", "--accession", accession, "--slices", "3", *SMALL, "--seed", "11")
    assert seen["status"] == seen["mpps_status"] == "COMPLETED"
    assert [moment["step"] for moment in seen["timeline"]] == STEPS
    assert (len(seen["series"]), seen["stored"]) == (3, seen["instances"])
    assert (seen["commitment"]["committed"], seen["commitment"]["reported_by"]) == (seen["instances"], "PACS")
    assert status_at_ris(reference, accession) == "COMPLETED"
    assert pixels_at(reference, "pacs", seen["study_uid"]) == seen["pixel_sha256"]
    files = files_of(reference, node, seen["study_uid"], tmp_path)
    assert len(files) == seen["instances"]
    for file in files:
        _is_sound(file, accession, seen)


def _is_sound(file: Path, accession: str, seen: dict[str, Any]) -> None:
    """What the worklist gave is in the image, and independent programs have nothing against it."""
    image = dcmread(file)
    assert (image.AccessionNumber, image.StudyInstanceUID) == (accession, seen["study_uid"])
    assert image.PatientID == f"SYN-{accession}"
    assert image.RequestAttributesSequence[0].RequestedProcedureID == accession
    assert image.ReferencedPerformedProcedureStepSequence[0].ReferencedSOPInstanceUID == seen["mpps_uid"]
    checked = subprocess.run([DCIODVFY, "-new", file], capture_output=True, text=True, check=False)
    assert [line for line in (checked.stdout + checked.stderr).splitlines() if line.startswith("Error")] == []
    dumped = subprocess.run(["dcmdump", "-q", file], capture_output=True, text=True, check=False)
    assert dumped.returncode == 0, dumped.stderr
    assert f"[{accession}]" in dumped.stdout


def test_a_procedure_that_is_discontinued(reference: RunningLab) -> None:
    accession = order(reference, "CT")
    words = ("--accession", accession, "--slices", "2", *SMALL, "--discontinue", "patient-refused")
    seen = reference.device("ct-1", "perform", *words)
    assert (seen["status"], len(seen["series"])) == ("DISCONTINUED", 1)
    assert status_at_ris(reference, accession) == "DISCONTINUED"


def test_an_accession_number_that_nobody_ordered(reference: RunningLab) -> None:
    done = reference.exec("ct-1", "device", "perform", "--accession", "NOBODY")
    seen = done.json()
    assert (done.exit_code, seen["status"], seen["layer"]) == (1, "no match", "dimse")
    assert "NOBODY" in seen["detail"]
    assert "CT1" in seen["detail"]


@pytest.fixture
def restarted(reference: RunningLab) -> Iterator[Any]:
    """Kill a node's container at once, and bring it back with its cable."""
    killed: list[str] = []

    def kill(node: str) -> None:
        killed.append(node)
        subprocess.run(["docker", "kill", reference.container(node)], check=True, capture_output=True)

    yield kill
    assert reference("up").exit_code == 0 or killed == []


def back(lab: RunningLab, node: str) -> None:
    subprocess.run(["docker", "start", lab.container(node)], check=True, capture_output=True)
    done = lab("up")
    assert done.exit_code == 0, str(done)


def in_background(lab: RunningLab, node: str, *argv: str) -> subprocess.Popen[bytes]:
    command = ["docker", "exec", lab.container(node), "device", *argv]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_images(lab: RunningLab, node: str, count: int) -> None:
    """Until so many images of a procedure that runs are stored."""
    look = ["docker", "exec", lab.container(node), "sh", "-c", "cat /var/lib/pacslab/queue/*.stored | wc -l"]
    deadline = time.monotonic() + 120
    while int(subprocess.run(look, check=False, capture_output=True, text=True).stdout or 0) < count:
        assert time.monotonic() < deadline, "nothing was stored"


def went_to_its_end(lab: RunningLab, node: str, accession: str) -> dict[str, Any]:
    done = lab.exec(node, "device", "procedure", "--accession", accession, "--wait", "120")
    assert done.exit_code == 0, str(done)
    seen: dict[str, Any] = done.json()
    assert (seen["mpps_status"], seen["commitment"]["ok"]) == ("COMPLETED", True)
    assert pixels_at(lab, "pacs", seen["study_uid"]) == seen["pixel_sha256"]
    assert status_at_ris(lab, accession) == "COMPLETED"
    return seen


def test_a_scanner_that_dies_while_it_stores_carries_on(reference: RunningLab, restarted: Any) -> None:
    accession = order(reference, "CT")
    performing = in_background(reference, "ct-1", "perform", "--accession", accession, "--slices", "100")
    wait_for_images(reference, "ct-1", 20)
    restarted("ct-1")
    performing.wait(60)
    back(reference, "ct-1")
    seen = went_to_its_end(reference, "ct-1", accession)
    assert seen["instances"] == 301
    assert [m["step"] for m in seen["timeline"]].count("acquire") == 1
    assert "queue: 1 left from before" in reference.exec("ct-1", "cat", "/var/lib/pacslab/log/serve.log").stdout


def test_an_archive_that_dies_while_it_is_stored_to_loses_nothing(reference: RunningLab, restarted: Any) -> None:
    accession = order(reference, "MR")
    words = ("perform", "--accession", accession, "--slices", "60", "--patience", "0")
    performing = in_background(reference, "mr-1", *words)
    wait_for_images(reference, "mr-1", 20)
    restarted("pacs")
    assert performing.wait(60) == 1
    queue = reference.device("mr-1", "queue")
    assert [(item["accession"], item["next_step"]) for item in queue["waiting"]] == [(accession, "store")]
    assert 20 <= queue["waiting"][0]["stored"] < queue["waiting"][0]["instances"] == 180
    assert status_at_ris(reference, accession) == "IN PROGRESS"
    back(reference, "pacs")
    seen = went_to_its_end(reference, "mr-1", accession)
    assert next(m["step"] for m in seen["timeline"] if not m["ok"]) == "store"


def test_a_ris_that_is_down_at_the_end_is_told_later(reference: RunningLab, restarted: Any) -> None:
    accession = order(reference, "US")
    words = ("perform", "--accession", accession, "--slices", "30", "--patience", "0")
    performing = in_background(reference, "us-1", *words)
    wait_for_images(reference, "us-1", 1)
    restarted("ris")
    assert performing.wait(90) == 1
    waiting = reference.device("us-1", "queue")["waiting"]
    assert [(item["next_step"], item["committed"]) for item in waiting] == [("mpps-final", True)]
    back(reference, "ris")
    went_to_its_end(reference, "us-1", accession)


def test_files_of_any_origin_are_replayed_each_judged_by_itself(reference: RunningLab, tmp_path: Path) -> None:
    folder = tmp_path / "bad and good"
    folder.mkdir()
    whole = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    (folder / "1-good.dcm").write_bytes(whole.read_bytes())
    (folder / "2-cut.dcm").write_bytes(whole.read_bytes()[:-500])
    (folder / "3-letter.txt").write_text("Dear colleague")
    image = dcmread(whole)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.3.4"
    image.save_as(folder / "4-class.dcm")
    study_uid = str(dcmread(whole).StudyInstanceUID)
    path = ("../" * 30)[: len(study_uid)]
    (folder / "5-path.dcm").write_bytes(whole.read_bytes().replace(study_uid.encode(), path.encode()))
    subprocess.run(
        ["docker", "cp", "--quiet", str(folder), f"{reference.container('ct-1')}:/var/lib/pacslab/inbox"],
        check=True, capture_output=True,
    )  # fmt: skip
    done = reference.exec("ct-1", "device", "replay", "inbox", "--new-uids")
    seen = done.json()
    assert (done.exit_code, seen["instances"], seen["status"]) == (1, 1, "refused")
    problems = {Path(problem["file"]).name: problem["error"] for problem in seen["problems"]}
    assert "cut short" in problems["2-cut.dcm"]
    assert "not a DICOM file" in problems["3-letter.txt"]
    assert "not a storage class" in problems["4-class.dcm"]
    assert "not a UID" in problems["5-path.dcm"]
    study = seen["studies"][0]
    assert study["commitment"]["ok"] is True
    assert list(study["pixel_sha256"].values()) == list(_own_pixels(reference, study).values())


def _own_pixels(lab: RunningLab, study: dict[str, Any]) -> dict[str, str]:
    found = lab.device("reading-1", "find", "pacs", "--patient-id", "1CT1")["matches"]
    hashes = [pixels_at(lab, "pacs", match["StudyInstanceUID"]) for match in found]
    return next(pixels for pixels in hashes if set(pixels) == set(study["pixel_sha256"]))


def test_the_vendor_meets_a_console_and_no_shell(reference: RunningLab) -> None:
    """The console as sshd runs it; that vendor-1 reaches it only when granted is the policy's own test."""

    def console(asked: str) -> str:
        done = reference.exec("ct-1", "env", f"SSH_ORIGINAL_COMMAND={asked}", "device", "console")
        assert done.exit_code == 0, str(done)
        return done.stdout

    config = reference.exec("ct-1", "cat", "/etc/pacslab/sshd_config").stdout
    assert "\nForceCommand /usr/local/bin/device console\n" in config
    assert "Helix 64" in console("status")
    assert "C-ECHO to pacs: dimse: 0x0000" in console("logs 500")
    for escape in ("sh", "status; id", "studies $(id)", "logs ../../etc/passwd", "/bin/sh -c id", "scp -t /tmp"):
        assert "uid=" not in console(escape)
        assert "root:" not in console(escape)
    assert "not a command" in console("sh -c id")
