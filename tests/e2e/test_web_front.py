"""The web fronts: who may ask, what, in which words; independent clients behind the workstation's cable."""

from __future__ import annotations

import json
import subprocess

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import RunningLab
from tests.e2e.seat import Seat, take_seat

PACS_WEB = "https://198.18.20.11"
IMAGES = 6


@pytest.fixture(scope="module")
def seat(reference: RunningLab, docker: Docker) -> Seat:
    return take_seat(docker, reference, "reading-1", "curl", "openssl")


@pytest.fixture(scope="module")
def study(reference: RunningLab) -> dict[str, str]:
    """SOP Instance UID -> pixel hash of a study in the archive; its own UID under `study`."""
    made = reference.device("mr-1", "acquire", "--slices", str(IMAGES), "--seed", "77", "--accession", "WEB1",
                            "--rows", "128", "--columns", "128", "--send", "pacs")  # fmt: skip
    return {"study": made["study_uid"], **made["pixel_sha256"]}


def _curl(seat: Seat, node: str, *argv: str) -> subprocess.CompletedProcess[str]:
    certificate, key = seat.certificate(node)
    papers = ("--cacert", seat.ca, "--cert", certificate, "--key", key)
    quiet = ("--silent", "--show-error", "--path-as-is", "--max-time", "20", "--output", "/dev/null")
    return seat.run("curl", *quiet, "--write-out", "%{http_code}", *papers, *argv)


def test_the_workstation_searches_and_retrieves(reference: RunningLab, study: dict[str, str]) -> None:
    found = reference.device("reading-1", "search", "pacs-web", "--accession", "WEB1")
    assert [match["StudyInstanceUID"] for match in found["matches"]] == [study["study"]]
    assert found["matches"][0]["NumberOfStudyRelatedInstances"] == str(IMAGES)
    got = reference.device("reading-1", "retrieve", "pacs-web", "--study-uid", study["study"])
    wanted = {uid: pixels for uid, pixels in study.items() if uid != "study"}
    assert got["pixel_sha256"] == wanted
    kept = reference.device("reading-1", "hash", f"received/{study['study']}")
    assert kept["pixel_sha256"] == wanted


def test_a_study_that_is_not_there_is_said_to_be_missing(reference: RunningLab, study: dict[str, str]) -> None:
    done = reference.exec("reading-1", "device", "retrieve", "pacs-web", "--study-uid", "1.2.3.4")
    assert done.exit_code == 1
    answer = done.json()
    assert (answer["ok"], answer["layer"], answer["status"]) == (False, "http", "404")


def test_another_client_agrees(seat: Seat, study: dict[str, str]) -> None:
    """dicomweb-client of the host, and what DICOM JSON says of the same study."""
    certificate, key = seat.certificate("reading-1")
    program = (
        "import json, requests, sys\n"
        "from dicomweb_client.api import DICOMwebClient\n"
        "session = requests.Session(); session.cert = (sys.argv[1], sys.argv[2]); session.verify = sys.argv[3]\n"
        "session.trust_env = False\n"
        "client = DICOMwebClient(sys.argv[4], session=session)\n"
        "found = client.search_for_instances(study_instance_uid=sys.argv[5])\n"
        "whole = client.retrieve_study(sys.argv[5])\n"
        "print(json.dumps([sorted(i['00080018']['Value'][0] for i in found),\n"
        "                  sorted(str(d.SOPInstanceUID) for d in whole), [str(d.AccessionNumber) for d in whole]]))\n"
    )
    done = seat.python("-c", program, certificate, key, seat.ca, f"{PACS_WEB}/dicom-web", study["study"])
    assert done.returncode == 0, done.stderr
    listed, retrieved, accessions = json.loads(done.stdout)
    assert listed == retrieved == sorted(uid for uid in study if uid != "study")
    assert set(accessions) == {"WEB1"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/dicom-web/studies", "200"),
        ("/dicom-web/studies?PatientName=SYN%2A&limit=1", "200"),
        ("/dicom-web//studies", "403"),
        ("//dicom-web/studies", "403"),
        ("/dicom-web/./studies", "403"),
        ("/dicom-web/studies/../studies", "403"),
        ("/dicom-web/studies/..", "403"),
        ("/dicom-web/studies/../../system", "404"),
        ("/dicom-web/%73tudies", "403"),
        ("/dicom-web/studies%2f1.2.3", "403"),
        ("/dicom-web/studies/1.2.3%00", "400"),
        ("/dicom-web/studies/1..2", "403"),  # by the archive's own filter
        ("/dicom-web/studies;x", "403"),
        ("/dicom-web/servers", "403"),
        ("/system", "404"),
        ("/instances", "404"),
        ("/tools/reset", "404"),
    ],
)
def test_only_the_paths_of_the_conduits_lead_anywhere(seat: Seat, path: str, status: str) -> None:
    assert _curl(seat, "reading-1", f"{PACS_WEB}{path}").stdout == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_the_methods_of_the_conduits_are_taken(seat: Seat, method: str) -> None:
    assert _curl(seat, "reading-1", "--request", method, f"{PACS_WEB}/dicom-web/studies").stdout == "403"


@pytest.mark.parametrize(("node", "status"), [("vna", "403"), ("cloud-web", "400"), ("ct-1", "403")])
def test_another_nodes_certificate_is_not_enough(seat: Seat, node: str, status: str) -> None:
    """cloud-web's is for serving only, so that nginx does not even take it as a client's."""
    assert _curl(seat, node, f"{PACS_WEB}/dicom-web/studies").stdout == status


def test_without_a_certificate_nothing_is_answered(seat: Seat, reference: RunningLab) -> None:
    done = seat.run("curl", "--silent", "--cacert", seat.ca, "--output", "/dev/null", "--write-out", "%{http_code}",
                    f"{PACS_WEB}/dicom-web/studies")  # fmt: skip
    assert done.stdout == "400"
    log = reference("logs", "pacs-web")
    assert 'certificate="NONE -"' in log.stdout + log.stderr


def test_old_tls_is_refused(seat: Seat) -> None:
    done = _curl(seat, "reading-1", "--tls-max", "1.1", f"{PACS_WEB}/dicom-web/studies")
    assert done.stdout == "000"
    assert "alert" in done.stderr


SLOW = """
import socket, ssl, sys, time
context = ssl.create_default_context(cafile=sys.argv[3])
context.load_cert_chain(sys.argv[1], sys.argv[2])
with context.wrap_socket(socket.create_connection((sys.argv[4], 443)), server_hostname=sys.argv[4]) as line:
    line.sendall(b"GET /dicom-web/studies HTTP/1.1\\r\\nHost: x")
    began = time.monotonic()
    line.settimeout(30)
    try:
        said = line.recv(100)
    except ConnectionResetError:
        said = b""
    print(len(said), time.monotonic() - began)
"""


def test_headers_that_are_long_or_slow_are_cut_off(seat: Seat) -> None:
    long = _curl(seat, "reading-1", "--header", f"X-Long: {'a' * 40_000}", f"{PACS_WEB}/dicom-web/studies")
    assert long.stdout == "400"
    done = seat.python("-c", SLOW, *seat.certificate("reading-1"), seat.ca, "198.18.20.11")
    assert done.returncode == 0, done.stderr
    answered_bytes, elapsed_s = done.stdout.split()
    assert int(answered_bytes) == 0
    assert 5 < float(elapsed_s) < 20


def test_a_body_is_taken_only_where_studies_are_stored(seat: Seat, reference: RunningLab, docker: Docker) -> None:
    body = ("--data-binary", "x" * 8192, "--header", "Content-Type: application/octet-stream")
    assert _curl(seat, "reading-1", *body, f"{PACS_WEB}/dicom-web/studies").stdout in {"403", "413"}
    behind = take_seat(docker, reference, "vna", "curl")
    stored = _curl(behind, "vna", *body, "https://198.18.40.10/dicom-web/studies")
    assert stored.stdout.startswith("4"), "what is no DICOM is refused"
    assert _curl(behind, "vna", "--request", "DELETE", "https://198.18.40.10/dicom-web/studies/1.2").stdout == "403"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/dicom-web/studies", "200"),
        ("GET", "/system", "403"),
        ("GET", "/instances", "403"),
        ("GET", "/dicom-web/servers", "403"),
        ("POST", "/dicom-web/studies", "403"),
        ("DELETE", "/studies/x", "403"),
        ("POST", "/tools/reset", "403"),
    ],
)
def test_the_archive_itself_refuses_what_a_broken_front_would_let_through(
    reference: RunningLab, docker: Docker, method: str, path: str, status: str
) -> None:
    """With the front's own login, from the front's own address, around nginx."""
    behind = take_seat(docker, reference, "pacs-web", "curl")
    secrets = json.loads((behind.pki.parent / "secrets.json").read_text())
    login = f"pacs-web:{secrets['gateway/pacs-web']}"
    done = behind.run("curl", "--silent", "--user", login, "--request", method, "--output", "/dev/null",
                      "--write-out", "%{http_code}", f"http://198.18.20.10:8042{path}")  # fmt: skip
    assert done.stdout == status
