"""The life of an order between the record, the RIS and a scanner, with restarts, outages and bad messages."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import RunningLab

# From the EHR's seat, with its own certificate, and with Python alone.
SPEAK = r"""
import socket, ssl, sys
address, port = sys.argv[1], int(sys.argv[2])
data = sys.stdin.buffer.read()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
tls = "/etc/pacslab/tls/"
context.load_verify_locations(tls + "ca.pem")
context.load_cert_chain(tls + "certificate.pem", tls + "key.pem")
with context.wrap_socket(socket.create_connection((address, port), 5)) as line:
    line.settimeout(3)
    line.sendall(data)
    answer = b""
    try:
        while not answer.endswith(b"\x1c\r"):
            more = line.recv(4096)
            if not more:
                break
            answer += more
    except TimeoutError:
        pass
sys.stdout.buffer.write(answer)
"""


def speak(lab: RunningLab, data: bytes) -> str:
    argv = ["docker", "exec", "-i", lab.container("ehr"), "python3", "-c", SPEAK, "198.18.50.11", "2576"]
    done = subprocess.run(argv, input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def eventually(holds: Callable[[], bool], timeout_s: float = 30) -> bool:
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def heard(lab: RunningLab, accession: str) -> dict[str, Any]:
    found = [item for item in lab.device("ehr", "results")["results"] if item["accession"] == accession]
    return dict(found[0]) if found else {"history": [], "reports": []}


def history(lab: RunningLab, accession: str) -> list[str]:
    return [item["status"] for item in heard(lab, accession)["history"]]


def ask(lab: RunningLab, node: str, *argv: str) -> dict[str, Any]:
    """Ask a device for something that may fail."""
    done = lab.exec(node, "device", *argv)
    return dict(json.loads(done.stdout))


@pytest.fixture
def accession() -> str:
    return f"E{time.time_ns() // 1_000_000}"


@pytest.fixture
def place(reference: RunningLab, accession: str) -> Callable[..., dict[str, Any]]:
    def order(*more: str) -> dict[str, Any]:
        whom = ("--patient-id", f"P{accession}", "--patient-name", "M\xdcLLER^J\xd6RG")
        return ask(reference, "ehr", "order", "ris", *whom, "--accession", accession, "--modality", "CT", *more)

    return order


def kill(lab: RunningLab, node: str) -> None:
    """As a power cut would: no goodbye; the next `up` lays its cable again."""
    subprocess.run(["docker", "kill", "--signal", "KILL", lab.container(node)], check=True, capture_output=True)


def back(lab: RunningLab) -> None:
    done = lab("up")
    assert done.exit_code == 0, str(done)


def test_an_order_lives_through_a_ris_killed_in_the_middle(
    reference: RunningLab, accession: str, place: Callable[..., dict[str, Any]]
) -> None:
    assert place()["status"] == "AA"
    (entry,) = reference.device("ct-1", "worklist", "ris", "--accession", accession)["matches"]
    assert entry["PatientName"] == "M\xdcLLER^J\xd6RG"
    started = reference.device(
        "ct-1", "mpps", "ris", "--start", "--accession", accession, "--study-uid", entry["StudyInstanceUID"],
        "--patient-id", entry["PatientID"], "--patient-name", entry["PatientName"],
    )  # fmt: skip
    kill(reference, "ris")
    waiting = place("--control", "XO")  # the EHR cannot know that it is too late
    assert (waiting["ok"], waiting["queued"]) == (False, True), waiting
    back(reference)
    ended = reference.device("ct-1", "mpps", "ris", "--complete", started["mpps_uid"])
    assert ended["status"] == "0x0000"
    assert eventually(lambda: history(reference, accession) == ["SCHEDULED", "IN PROGRESS", "COMPLETED"])
    assert eventually(lambda: reference.device("ehr", "queue")["waiting"] == 0)
    late = [item for item in reference.device("ehr", "queue")["messages"] if accession in item["text"]]
    assert [(item["state"], item["status"]) for item in late] == [("refused", "AE")]
    assert "can no longer be changed" in late[0]["detail"]


def test_results_wait_for_a_record_that_is_down(
    reference: RunningLab, accession: str, place: Callable[..., dict[str, Any]]
) -> None:
    assert place()["status"] == "AA"
    assert eventually(lambda: history(reference, accession) == ["SCHEDULED"])
    kill(reference, "ehr")
    for text in ("preliminary", "final"):
        reported = ask(reference, "ris", "result", "ehr", "--accession", accession, "--text", text)
        assert (reported["ok"], reported["queued"]) == (False, True), reported
    assert reference.device("ris", "queue")["waiting"] == 2
    back(reference)
    assert eventually(lambda: reference.device("ris", "queue")["waiting"] == 0)
    assert [report["text"] for report in heard(reference, accession)["reports"]] == ["preliminary", "final"]
    assert history(reference, accession) == ["SCHEDULED"]  # what it knew before


HEAD = "MSH|^~\\&|ehr|PACSLAB|ris|PACSLAB|20260101||{kind}|{control}|P|2.5.1||||||{charset}\r"
PID = "PID|1||{patient}||M\xdcLLER^J\r"
BAD: dict[str, tuple[bytes, str]] = {
    "no HL7": (b"\x0bhello\x1c\r", "MSA|AR|"),
    "no frame": (b"GET / HTTP/1.0\r\n\r\n", ""),
    "no end": (b"\x0b" + HEAD.format(kind="ADT^A01", control="1", charset="").encode(), ""),
    "charset": (
        b"\x0b"
        + (HEAD.format(kind="ADT^A01", control="2", charset="UNICODE UTF-8") + PID).encode("latin-1")
        + b"\x1c\r",
        "MSA|AE|2\rERR||MSH^1^18|102",
    ),
    "not its message": (
        b"\x0b" + HEAD.format(kind="ORU^R01", control="3", charset="").encode() + b"\x1c\r",
        "MSA|AR|3\rERR||MSH^1^9^1^1|200",
    ),
    "unknown patient": (
        b"\x0b"
        + (HEAD.format(kind="ORM^O01", control="4", charset="8859/1") + PID.format(patient="NOBODY")).encode("latin-1")
        + b"ORC|NW|X1\rOBR|1|X1||||||||||||||||||||||CT\x1c\r",
        "MSA|AE|4\rERR||PID^1^3|204",
    ),
    "oversized": (b"\x0b" + b"MSH|^~\\&|ehr|||||||5|" + b"x" * 2_000_000 + b"\x1c\r", "MSA|AR|5"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_message_is_answered_so_and_the_next_good_one_is_taken(
    reference: RunningLab, place: Callable[..., dict[str, Any]], case: str
) -> None:
    data, answer = BAD[case]
    said = speak(reference, data)
    assert answer in said if answer else said == "", said
    assert place()["status"] == "AA"


def test_a_patient_merged_before_the_scanner_asks(
    reference: RunningLab, accession: str, place: Callable[..., dict[str, Any]]
) -> None:
    assert place()["status"] == "AA"
    survivor = ("--patient-id", f"S{accession}", "--patient-name", "SYNTHETIC^SURVIVOR")
    merged = reference.device("ehr", "patient", "ris", *survivor, "--merge", f"P{accession}")
    assert (merged["operation"], merged["status"]) == ("ADT^A40", "AA")
    (entry,) = reference.device("mr-1", "worklist", "ris", "--accession", accession)["matches"]
    assert (entry["PatientID"], entry["PatientName"]) == (f"S{accession}", "SYNTHETIC^SURVIVOR")
    refused = place("--control", "CA")  # in the name of the one who is no more
    assert (refused["status"], refused["detail"]) == ("AE", f"PID-3: patient P{accession} was merged into S{accession}")
