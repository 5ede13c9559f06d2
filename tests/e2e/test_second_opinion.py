"""After a day, clients that are none of ours ask the stations, and find what the timeline says."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from pacslab.compiler.compile import compile_lab
from pacslab.engine.docker import Docker
from pacslab.labfile.load import load
from pacslab.model.dicom import DIMSE_APPLICATIONS
from pacslab.model.plan import Plan
from tests.e2e.conftest import ROOT, RunningLab

TLS = "/etc/pacslab/tls"
RELAY = ROOT / "tests" / "e2e" / "through_tls.py"
BROWSE = ROOT / "tests" / "e2e" / "browse.py"


@pytest.fixture(scope="module")
def plan(reference: RunningLab) -> Plan:
    return compile_lab(load(reference.file).lab)


@pytest.fixture(scope="module")
def study(reference: RunningLab) -> dict[str, Any]:
    """A day's only study, as the timeline has it."""
    done = reference("run", "radiology-day", "--json", "--from", "ct-1", "--slices", "6", "--patience", "120")
    assert done.exit_code == 0, str(done)
    (found,) = done.json()["studies"]
    return dict(found)


def _certificate(reference: RunningLab, node: str, folder: Path) -> Path:
    """A node's own certificate, key and CA, for a program that runs in its namespace and not in its container."""
    subprocess.run(["docker", "cp", f"{reference.container(node)}:{TLS}", str(folder)], check=True, capture_output=True)
    return folder / "tls"


def _in_the_seat_of(docker: Docker, container: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine with a node's network."""
    found = docker.find(container)
    assert found is not None
    command = ["nsenter", "--target", str(found.pid), "--net", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _installed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (lab/bootstrap --tests installs it)")
    return found


def _dicom_port(plan: Plan, node: str) -> int:
    return next(s.port for s in plan.node(node).services if s.application in DIMSE_APPLICATIONS)


def _pixels(folder: Path) -> dict[str, str]:
    read = (dcmread(path, force=True) for path in folder.iterdir() if path.is_file())
    return {str(image.SOPInstanceUID): hashlib.sha256(image.get_item("PixelData").value).hexdigest() for image in read}


def _identifiers(folder: Path) -> list[Any]:
    return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def test_findscu_finds_the_study_in_pacs_from_the_workstation(
    reference: RunningLab, docker: Docker, plan: Plan, study: dict[str, Any], tmp_path: Path
) -> None:
    pacs = plan.node("pacs")
    tls = _certificate(reference, "reading-1", tmp_path)
    answers = tmp_path / "answers"
    answers.mkdir()
    done = _in_the_seat_of(
        docker, reference.container("reading-1"), _installed("findscu"),
        "+tls", str(tls / "key.pem"), str(tls / "certificate.pem"), "+cf", str(tls / "ca.pem"),
        "--study", "--extract", "--output-directory", str(answers),
        "--aetitle", "READ1", "--call", "PACS",
        "--key", "QueryRetrieveLevel=STUDY", "--key", f"AccessionNumber={study['accession']}",
        "--key", "StudyInstanceUID", "--key", "PatientID", "--key", "NumberOfStudyRelatedInstances",
        str(pacs.address), str(_dicom_port(plan, "pacs")),
    )  # fmt: skip
    (match,) = _identifiers(answers) or pytest.fail(done.stderr)
    assert match.StudyInstanceUID == study["study_uid"]
    assert match.PatientID == study["patient_id"]
    assert match.NumberOfStudyRelatedInstances == len(study["pixel_sha256"])


def test_getscu_gets_the_same_pixels_from_the_vna_from_the_seat_of_pacs(
    reference: RunningLab, docker: Docker, plan: Plan, study: dict[str, Any], tmp_path: Path
) -> None:
    vna = plan.node("vna")
    tls = _certificate(reference, "pacs", tmp_path)
    images = tmp_path / "images"
    images.mkdir()
    # DCMTK's getscu speaks no TLS: its bytes go through a relay in the same seat, with the node's certificate.
    done = _in_the_seat_of(
        docker, reference.container("pacs"), sys.executable, str(RELAY), str(vna.address),
        str(_dicom_port(plan, "vna")), str(tls), _installed("getscu"), "--study", "--output-directory", str(images),
        "--aetitle", "PACS", "--call", "VNA", "--key", "QueryRetrieveLevel=STUDY",
        "--key", f"StudyInstanceUID={study['study_uid']}", "127.0.0.1", "PORT",
    )  # fmt: skip
    assert _pixels(images) == study["pixel_sha256"], done.stderr


def test_dicomweb_client_reads_the_same_from_the_web_front(
    reference: RunningLab, docker: Docker, plan: Plan, study: dict[str, Any], tmp_path: Path
) -> None:
    tls = _certificate(reference, "reading-1", tmp_path)
    url = f"https://{plan.node('pacs-web').address}/dicom-web"
    done = _in_the_seat_of(
        docker, reference.container("reading-1"), sys.executable, str(BROWSE), url, str(tls), study["accession"]
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["study_uid"] == study["study_uid"]
    assert found["pixel_sha256"] == study["pixel_sha256"]


def test_what_was_delivered_carries_the_order(reference: RunningLab, study: dict[str, Any], tmp_path: Path) -> None:
    folder = f"/var/lib/pacslab/received/{study['study_uid']}"
    subprocess.run(
        ["docker", "cp", f"{reference.container('reading-1')}:{folder}", str(tmp_path)], check=True, capture_output=True
    )
    delivered = tmp_path / study["study_uid"]
    assert _pixels(delivered) == study["pixel_sha256"]
    images = [dcmread(path) for path in delivered.iterdir()]
    said = {(image.AccessionNumber, image.PatientID, image.StudyInstanceUID) for image in images}
    assert said == {(study["accession"], study["patient_id"], study["study_uid"])}
    assert len({image.SeriesInstanceUID for image in images}) == 2
