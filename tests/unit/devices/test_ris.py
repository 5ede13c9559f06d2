"""Orders in over HL7, worklist and procedure steps out over DICOM, results back: real processes on the loopback."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pacslab.devices import messages, reading
from pacslab.devices.files import wait_until
from pacslab.devices.messages import Order, Patient, Sender
from pacslab.model.device import Layer, Listener, Observation
from pacslab.model.dicom import Application, Operation

from .conftest import Authorities, World, free_port, make_device, make_peer

WORKLIST = (Operation.C_ECHO, Operation.C_FIND_MWL, Operation.N_CREATE_MPPS, Operation.N_SET_MPPS)
ORDERS = (Operation.ADT_A01, Operation.ADT_A08, Operation.ADT_A40, Operation.ORM_O01)
RESULTS = (Operation.ORM_O01, Operation.ORU_R01)


@dataclass
class Clinic:
    ehr: World
    ris: World
    scanner: World
    hl7_port: int

    def say(self, text: str | bytes) -> str:
        """Send raw HL7 text in an MLLP frame and give the acknowledgement back."""
        block = text if isinstance(text, bytes) else text.encode()
        with socket.create_connection(("127.0.0.1", self.hl7_port), 5) as line:
            line.sendall(b"\x0b" + block + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                part = line.recv(4096)
                assert part, f"closed after {answer!r}"
                answer += part
        return answer.strip(b"\x0b\x1c\r").decode()


def make_clinic(folder: Path, *, secure: bool = False) -> Clinic:
    spoken = Application.HL7_TLS if secure else Application.HL7
    dicom, hl7_in, hl7_out = free_port(), free_port(), free_port()
    ris = make_device(
        "ris",
        "ris",
        ae_title="RIS",
        listeners=(Listener(Application.DICOM, dicom), Listener(spoken, hl7_in)),
        peers=(
            make_peer("ct-1", "CT1", None, may_be_asked=WORKLIST),
            make_peer("us-1", "US1", None, may_be_asked=(Operation.C_FIND_MWL, Operation.N_CREATE_MPPS)),
            make_peer("ehr", None, hl7_out, application=spoken, may_be_asked=ORDERS, may_request=RESULTS),
        ),
    )
    ehr = make_device(
        "ehr",
        "ehr",
        listeners=(Listener(spoken, hl7_out),),
        peers=(
            make_peer(
                "ris",
                None,
                hl7_in,
                application=spoken,
                may_be_asked=RESULTS,
                may_request=ORDERS,
            ),
        ),
    )
    scanner = make_device("ct-1", "modality", ae_title="CT1", modality="CT", peers=(make_peer("ris", "RIS", dicom),))
    worlds = [World(folder / device.node, device) for device in (ehr, ris, scanner)]
    return Clinic(worlds[0], worlds[1], worlds[2], hl7_in)


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    made = make_clinic(tmp_path)
    with made.ris.serving():
        yield made


def place(clinic: Clinic, accession: str, *more: str, patient: str = "P1") -> str:
    _, seen = clinic.ehr.run(
        "order", "ris", "--patient-id", patient, "--accession", accession, "--modality", "CT",
        "--patient-name", "SYNTHETIC^ANNA", *more,
    )  # fmt: skip
    return seen.status


def test_an_order_becomes_a_worklist_entry_and_its_result_returns(clinic: Clinic) -> None:
    assert place(clinic, "A1", "--study-uid", "1.2.3.4") == "AA"
    _, worklist = clinic.scanner.run("worklist", "ris", "--modality", "CT", "--accession", "A1")
    assert worklist.facts["count"] == 1
    entry = worklist.facts["matches"][0]
    assert (entry["PatientID"], entry["PatientName"], entry["StudyInstanceUID"]) == ("P1", "SYNTHETIC^ANNA", "1.2.3.4")
    assert entry["ScheduledProcedureStepSequence"][0]["ScheduledStationAETitle"] == "CT1"
    with clinic.ehr.serving():
        code, reported = clinic.ris.run("result", "ehr", "--accession", "A1", "--text", "no | finding ^ at \\ all")
        assert (code, reported.layer, reported.status) == (0, Layer.HL7, "AA")
        assert clinic.ris.run("result", "ehr", "--accession", "A1", "--status-only")[1].status == "AA"
    _, kept = clinic.ehr.run("messages")
    assert [item["kind"] for item in kept.facts["messages"]] == ["ORM^O01", "ORU^R01", "ORM^O01"]
    report = reading.parse(kept.facts["messages"][1]["text"])
    assert reading.value(report, "OBX", 5) == "no | finding ^ at \\ all"


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ((), {"A1", "A2"}),
        (("--modality", "MR"), set()),
        (("--accession", "A2"), {"A2"}),
        (("--accession", "A*"), {"A1", "A2"}),
        (("--patient-id", "P2"), {"A2"}),
        (("--patient-name", "synthetic^an*"), {"A1"}),
        (("--patient-name", "SYNTHETIC^B?RT"), {"A2"}),
        (("--date", "20300102"), {"A2"}),
        (("--date", "20300101-20300102"), {"A1", "A2"}),
        (("--date", "-20300101"), {"A1"}),
        (("--date", "20300103-"), set()),
        (("--station-ae", "CT1"), {"A1"}),
        (("--station-ae", "CT9"), {"A2"}),
    ],
)
def test_worklist_keys(clinic_with_two: Clinic, keys: tuple[str, ...], found: set[str]) -> None:
    _, seen = clinic_with_two.scanner.run("worklist", "ris", *keys)
    assert seen.ok
    assert {match["AccessionNumber"] for match in seen.facts["matches"]} == found


@pytest.fixture(scope="module")
def clinic_with_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    made = make_clinic(tmp_path_factory.mktemp("clinic"))
    with made.ris.serving():
        assert place(made, "A1", "--scheduled", "203001010800") == "AA"
        sender, patient = Sender("ehr", "ris"), Patient("P2", "SYNTHETIC^BERT")
        order = Order("A2", "CT", "CT thorax", "203001020900", station_ae="CT9")
        assert "MSA|AA|" in made.say(messages.registration(sender, patient))
        assert "MSA|AA|" in made.say(messages.order(sender, patient, order))
        yield made


def test_orders_and_steps_survive_a_restart(tmp_path: Path) -> None:
    clinic = make_clinic(tmp_path)
    with clinic.ris.serving():
        assert place(clinic, "A1") == "AA"
        _, started = clinic.scanner.run("mpps", "ris", "--start", "--accession", "A1", "--patient-id", "P1")
        assert started.status == "0x0000"
    with clinic.ris.serving():
        _, worklist = clinic.scanner.run("worklist", "ris")
        assert [match["AccessionNumber"] for match in worklist.facts["matches"]] == ["A1"]
        _, ended = clinic.scanner.run("mpps", "ris", "--complete", started.facts["mpps_uid"])
        assert ended.status == "0x0000"
        assert clinic.scanner.run("worklist", "ris")[1].facts["count"] == 0
    assert [order["status"] for order in clinic.ris.run("orders")[1].facts["orders"]] == ["COMPLETED"]


def test_a_step_that_ended_may_no_longer_be_changed(clinic_with_two: Clinic) -> None:
    scanner = clinic_with_two.scanner
    uid = scanner.run("mpps", "ris", "--start", "--uid", "1.2.826.1")[1].facts["mpps_uid"]
    assert scanner.run("mpps", "ris", "--start", "--uid", uid)[1].status == "0x0111"
    assert scanner.run("mpps", "ris", "--complete", "1.2.826.404")[1].status == "0x0112"
    assert scanner.run("mpps", "ris", "--discontinue", uid)[1].status == "0x0000"
    code, refused = scanner.run("mpps", "ris", "--complete", uid)
    assert (code, refused.layer, refused.status) == (1, Layer.DIMSE, "0x0110")
    assert "may no longer be updated" in refused.detail


def test_each_peer_may_do_what_is_its_own_only(clinic_with_two: Clinic) -> None:
    scanner = clinic_with_two.scanner
    assert scanner.run("worklist", "ris", "--calling-ae", "US1")[1].ok
    assert scanner.run("echo", "ris", "--calling-ae", "US1")[1].status == "presentation context rejected 3"
    _, started = scanner.run("mpps", "ris", "--start", "--calling-ae", "US1")
    assert started.ok
    _, refused = scanner.run("mpps", "ris", "--complete", started.facts["mpps_uid"], "--calling-ae", "US1")
    assert (refused.layer, refused.status) == (Layer.DIMSE, "0x0124")
    assert scanner.run("find", "ris")[1].status == "presentation context rejected 3"


SENDER = Sender("ehr", "ris")
PATIENT = Patient("P9", "SYNTHETIC^NINA", "19800101", "F")
ORDER = Order("A9", "CT", "CT thorax", "203001010800")
NEW = messages.order(SENDER, PATIENT, ORDER)


REGISTERED = Patient("P1", "SYNTHETIC^ANNA")


def of_p1(**changes: str) -> Order:
    return replace(ORDER, **changes)  # type: ignore[arg-type]


def field(segment: str, number: int, value: str, text: str = "") -> str:
    """An order with one field replaced."""
    segments = (text or messages.order(SENDER, REGISTERED, ORDER)).split("\r")
    at = next(place for place, found in enumerate(segments) if found.startswith(segment))
    fields = segments[at].split("|")
    number -= segment == "MSH"
    fields += [""] * (number + 1 - len(fields))
    fields[number] = value
    segments[at] = "|".join(fields)
    return "\r".join(segments)


# MSH-9 is checked before the content, and whom it may come from before that.
BAD: dict[str, tuple[str | bytes, str, str, str]] = {
    "no HL7": ("this is not HL7", "AR", "100", "MSH^1"),
    "nothing": ("", "AR", "100", "MSH^1"),
    "no MSH": (NEW.partition("\r")[2], "AR", "100", "MSH^1"),
    "MSH cut off": ("MSH|^~\\&|", "AR", "101", "MSH^1^9"),
    "no control id": (field("MSH", 10, ""), "AR", "101", "MSH^1^10"),
    "endless control id": (field("MSH", 10, "1" * 60), "AR", "102", "MSH^1^10"),
    "other separators": (NEW.replace("|", "#"), "AR", "102", "MSH^1^2"),
    "other components": (NEW.replace("^~\\&", "$~\\&"), "AR", "102", "MSH^1^2"),
    "line feeds": (NEW.replace("\r", "\n"), "AR", "100", ""),
    "two in a frame": (NEW + NEW, "AR", "100", "MSH^1"),
    "batch": ("FHS|^~\\&|x\r" + NEW, "AR", "100", "MSH^1"),
    "version 3": (field("MSH", 12, "3.0"), "AR", "203", "MSH^1^12"),
    "processing id": (field("MSH", 11, "X"), "AR", "202", "MSH^1^11"),
    "unknown event": (field("MSH", 9, "ORM^O02"), "AR", "201", "MSH^1^9^1^2"),
    "unknown message": (field("MSH", 9, "SIU^S12"), "AR", "200", "MSH^1^9^1^1"),
    "not from here": (messages.result(SENDER, PATIENT, ORDER, "x"), "AR", "200", "MSH^1^9^1^1"),
    "unsupported charset": (field("MSH", 18, "GB 18030-2000"), "AE", "103", "MSH^1^18"),
    "UTF-8 said, Latin-1 sent": (field("PID", 5, "M\xdcLLER").encode("latin-1"), "AE", "102", "MSH^1^18"),
    "ASCII said, UTF-8 sent": (field("MSH", 18, "", field("PID", 5, "M\xdcLLER")), "AE", "102", "MSH^1^18"),
    "no patient id": (field("PID", 3, ""), "AE", "101", "PID^1^3"),
    "no name": (field("PID", 5, ""), "AE", "101", "PID^1^5"),
    "no PID": (NEW.replace("PID|", "ZZZ|"), "AE", "101", "PID^1^3"),
    "long patient id": (field("PID", 3, "1" * 65), "AE", "102", "PID^1^3"),
    "two values in one": (field("PID", 5, "A\\E\\B"), "AE", "102", "PID^1^5"),
    "no birth date": (field("PID", 7, "20230230"), "AE", "102", "PID^1^7"),
    "unknown patient": (messages.order(SENDER, Patient("P404", "X^Y"), ORDER), "AE", "204", "PID^1^3"),
    "unknown patient changed": (messages.registration(SENDER, Patient("P404", "X^Y"), "A08"), "AE", "204", "PID^1^3"),
    "unknown patient merged": (messages.merge(SENDER, REGISTERED, "P404"), "AE", "204", "MRG^1^1"),
    "merged into itself": (messages.merge(SENDER, REGISTERED, "P1"), "AE", "103", "MRG^1^1"),
    "merge without MRG": (messages.merge(SENDER, REGISTERED, "P2").replace("MRG|", "ZZZ|"), "AE", "101", "MRG^1^1"),
    "order control": (field("ORC", 1, "ZZ"), "AE", "103", "ORC^1^1"),
    "unknown order cancelled": (messages.order(SENDER, REGISTERED, ORDER, "CA"), "AE", "204", "OBR^1^18"),
    "unknown order changed": (messages.order(SENDER, REGISTERED, ORDER, "XO"), "AE", "204", "OBR^1^18"),
    "ordered twice": (messages.order(SENDER, REGISTERED, of_p1(accession="A1")), "AE", "205", "OBR^1^18"),
    "another's order": (messages.order(SENDER, REGISTERED, of_p1(accession="A2"), "CA"), "AE", "204", "PID^1^3"),
    "UID that is a path": (messages.order(SENDER, REGISTERED, of_p1(study_uid="../../etc")), "AE", "102", "ZDS^1^1"),
    "long accession": (messages.order(SENDER, REGISTERED, of_p1(accession="A" * 17)), "AE", "102", "OBR^1^18"),
    "station": (messages.order(SENDER, REGISTERED, of_p1(station_ae="A" * 17)), "AE", "102", "OBR^1^21"),
    "modality": (messages.order(SENDER, REGISTERED, of_p1(modality="c;t")), "AE", "102", "OBR^1^24"),
    "no modality": (messages.order(SENDER, REGISTERED, of_p1(modality="")), "AE", "101", "OBR^1^24"),
    "time": (messages.order(SENDER, REGISTERED, of_p1(scheduled="tomorrow")), "AE", "102", "OBR^1^27^1^4"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_accepted_is_answered_so_and_changes_nothing(clinic_with_two: Clinic, case: str) -> None:
    text, code, condition, place = BAD[case]
    before = clinic_with_two.ris.run("orders")[1].facts["orders"]
    answer = reading.parse(clinic_with_two.say(text))
    assert reading.kind(answer).startswith("ACK")
    found = (reading.value(answer, "MSA", 1), reading.value(answer, "ERR", 3), reading.whole(answer, "ERR", 2))
    assert found == (code, condition, place), answer
    assert (
        reading.value(answer, "MSA", 2)
        == reading.header_of(text if isinstance(text, bytes) else text.encode()).control_id
    )
    assert reading.value(answer, "ERR", 8)
    assert reading.value(answer, "ERR", 8)[:30] in clinic_with_two.ris.log.read_text()
    assert clinic_with_two.ris.run("orders")[1].facts["orders"] == before
    assert "MSA|AA|" in clinic_with_two.say(messages.registration(SENDER, REGISTERED, "A08"))


def frames(clinic: Clinic, data: bytes) -> list[str]:
    """Send bytes as they are, then nothing more; all acknowledgements until the RIS closes."""
    with socket.create_connection(("127.0.0.1", clinic.hl7_port), 5) as line:
        with contextlib.suppress(OSError):
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := line.recv(4096):
                answer += part
    return [frame.decode() for frame in answer.replace(b"\x0b", b"").split(b"\x1c\r") if frame]


def test_frames(clinic_with_two: Clinic) -> None:
    whole = b"\x0b" + messages.registration(SENDER, REGISTERED, "A08").encode() + b"\x1c\r"
    two = frames(clinic_with_two, whole + whole)
    assert ["MSA|AA|" in answer for answer in two] == [True, True]  # one connection, two frames
    assert frames(clinic_with_two, whole[:-10]) == []
    assert "ended within a frame" in clinic_with_two.ris.log.read_text()
    assert frames(clinic_with_two, b"GET / HTTP/1.0\r\n\r\n") == []
    assert "not MLLP: begins with b'G'" in clinic_with_two.ris.log.read_text()
    huge = b"\x0b" + messages.registration(SENDER, REGISTERED).encode() + b"NTE|1||" + b"x" * 3_000_000 + b"\x1c\r"
    (refused,) = frames(clinic_with_two, huge)
    assert "MSA|AR|" in refused
    assert "a frame of more than 1048576 bytes" in refused
    assert len(frames(clinic_with_two, whole)) == 1


def test_a_caller_has_so_many_connections_and_no_more(clinic_with_two: Clinic) -> None:
    with contextlib.ExitStack() as lines:
        for _ in range(20):
            lines.enter_context(socket.create_connection(("127.0.0.1", clinic_with_two.hl7_port), 5))
        assert wait_until(lambda: "more connections than it may have" in clinic_with_two.ris.log.read_text(), 5)
    again = messages.registration(SENDER, REGISTERED, "A08")
    assert wait_until(lambda: frames(clinic_with_two, b"\x0b" + again.encode() + b"\x1c\r") != [], 5)


@pytest.mark.parametrize(("charset", "codec"), [("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8")])
def test_names_come_in_the_character_set_that_the_message_says(clinic: Clinic, charset: str, codec: str) -> None:
    text = messages.registration(SENDER, Patient("P9", "M\xdcLLER^J\xd6RG"))
    assert "MSA|AA|" in clinic.say(field("MSH", 18, charset, text).encode(codec))
    assert "MSA|AA|" in clinic.say(NEW)
    _, worklist = clinic.scanner.run("worklist", "ris", "--patient-name", "m\xfcller*")
    assert [match["PatientName"] for match in worklist.facts["matches"]] == ["M\xdcLLER^J\xd6RG"]
    assert worklist.facts["matches"][0]["SpecificCharacterSet"] == "ISO_IR 192"


def test_an_order_is_placed_changed_and_cancelled(clinic: Clinic) -> None:
    assert place(clinic, "A1") == "AA"
    assert place(clinic, "A1") == "AE"  # the same accession number twice
    assert place(clinic, "A1", "--control", "XO", "--station-ae", "CT7") == "AA"
    assert [order["station_ae"] for order in clinic.ris.run("orders")[1].facts["orders"]] == ["CT7"]
    assert place(clinic, "A1", "--control", "CA") == "AA"
    assert place(clinic, "A1", "--control", "CA") == "AE"
    assert clinic.scanner.run("worklist", "ris")[1].facts["count"] == 0


def test_a_message_sent_again_is_accepted_again_and_counts_once(clinic: Clinic) -> None:
    assert "MSA|AA|" in clinic.say(messages.registration(SENDER, PATIENT))
    text = messages.order(SENDER, PATIENT, ORDER)
    assert "MSA|AA|" in clinic.say(text)
    assert "MSA|AA|" in clinic.say(text)
    assert clinic.ris.run("orders")[1].facts["count"] == 1
    assert clinic.ris.run("messages")[1].facts["count"] == 2
    _, told = clinic.ris.run("queue", "--all")
    assert [message["kind"] for message in told.facts["messages"]] == ["ORM^O01"]
    other = messages.order(SENDER, PATIENT, of_p1(accession="A8"))
    control = reading.header_of(text.encode()).control_id
    refused = reading.parse(clinic.say(field("MSH", 10, control, other)))
    assert (reading.value(refused, "MSA", 1), reading.value(refused, "ERR", 3)) == ("AE", "205")


def test_a_changed_name_reaches_the_worklist(clinic: Clinic) -> None:
    assert place(clinic, "A1", patient="P9") == "AA"
    assert "MSA|AA|" in clinic.say(messages.registration(SENDER, Patient("P9", "SYNTHETIC^NEW"), "A08"))
    assert clinic.scanner.run("worklist", "ris")[1].facts["matches"][0]["PatientName"] == "SYNTHETIC^NEW"


def test_hl7_from_an_unknown_address_gets_no_answer(clinic: Clinic) -> None:
    with socket.create_connection(("127.0.0.1", clinic.hl7_port), 5, source_address=("127.0.0.7", 0)) as line:
        with contextlib.suppress(OSError):
            line.sendall(b"\x0b" + NEW.encode() + b"\x1c\r")
        with contextlib.suppress(ConnectionResetError):
            assert line.recv(4096) == b""
    assert clinic.ris.run("orders")[1].facts["count"] == 0


def test_hl7_with_mutual_tls(tmp_path: Path, certificates: Authorities) -> None:
    clinic = make_clinic(tmp_path, secure=True)
    clinic.ris.tls, clinic.ehr.tls = certificates("ris"), certificates("ehr")
    with clinic.ris.serving():
        assert place(clinic, "A1") == "AA"
        clinic.ehr.tls = certificates("guest-1")  # the lab's CA, another node
        _, refused = order(clinic)
        assert not refused.ok
        clinic.ehr.tls = certificates("ehr", address="127.0.0.7")  # the node's name, and not its address
        assert not order(clinic)[1].ok
        clinic.ehr.tls = certificates("ehr")
        certificates.revoke(clinic.ehr.tls)
        certificates.publish(clinic.ris.tls)
        _, refused = order(clinic)
        assert (refused.ok, refused.layer, refused.status) == (False, Layer.TLS, "sslv3 alert certificate revoked")
        assert "certificate revoked" in clinic.ris.log.read_text().splitlines()[-1]
        clinic.ehr.tls = certificates("ehr", "foreign")
        _, refused = order(clinic)
        assert (refused.ok, refused.layer) == (False, Layer.TLS), refused
        assert clinic.ris.run("orders")[1].facts["count"] == 1


def order(clinic: Clinic) -> tuple[int, Observation]:
    return clinic.ehr.run("order", "ris", "--patient-id", "P", "--accession", "A2", "--modality", "CT")


# What the EHR hears, and when


def statuses(clinic: Clinic, accession: str) -> list[str]:
    found = clinic.ehr.run("results")[1].facts["results"]
    return [item["status"] for about in found if about["accession"] == accession for item in about["history"]]


def test_the_record_follows_an_order_by_itself(clinic: Clinic) -> None:
    with clinic.ehr.serving():
        assert place(clinic, "A1") == "AA"
        assert place(clinic, "A2") == "AA"
        assert place(clinic, "A2", "--control", "CA") == "AA"
        for end in ("--discontinue", "--complete"):
            uid = clinic.scanner.run("mpps", "ris", "--start", "--accession", "A1")[1].facts["mpps_uid"]
            assert clinic.scanner.run("mpps", "ris", end, uid)[1].ok
        expected = ["SCHEDULED", "IN PROGRESS", "DISCONTINUED", "IN PROGRESS", "COMPLETED"]
        assert wait_until(lambda: len(statuses(clinic, "A1")) == 5, 10)
        assert statuses(clinic, "A1") == expected
        assert statuses(clinic, "A2") == ["SCHEDULED", "CANCELLED"]
    assert place(clinic, "A1", "--control", "XO") == "AE"  # it is done
    assert "completed: it can no longer be changed" in clinic.ris.log.read_text()


def test_an_order_cancelled_and_performed_all_the_same(clinic: Clinic) -> None:
    assert place(clinic, "A1") == "AA"
    assert place(clinic, "A1", "--control", "CA") == "AA"
    _, started = clinic.scanner.run("mpps", "ris", "--start", "--accession", "A1", "--patient-id", "P1")
    assert started.status == "0x0000"  # there are images, whatever was said before
    assert "order A1 was cancelled: it is performed all the same" in clinic.ris.log.read_text()
    with clinic.ehr.serving():
        assert wait_until(lambda: len(statuses(clinic, "A1")) == 3, 10)
    history = clinic.ehr.run("results")[1].facts["results"][0]["history"]
    assert [item["note"] for item in history] == ["", "", "performed although cancelled"]


def test_a_step_that_nobody_ordered_is_kept(clinic: Clinic) -> None:
    _, started = clinic.scanner.run("mpps", "ris", "--start", "--accession", "WALK-IN")
    assert clinic.scanner.run("mpps", "ris", "--complete", started.facts["mpps_uid"])[1].ok
    assert "nobody ordered it: accession number WALK-IN" in clinic.ris.log.read_text()


def test_a_patient_merged_while_the_scanner_works(clinic: Clinic) -> None:
    assert place(clinic, "A1", patient="P1") == "AA"
    assert clinic.ehr.run("patient", "ris", "--patient-id", "P2", "--patient-name", "SYNTHETIC^ANNE")[1].ok
    _, started = clinic.scanner.run("mpps", "ris", "--start", "--accession", "A1", "--patient-id", "P1")
    _, merged = clinic.ehr.run(
        "patient", "ris", "--patient-id", "P2", "--patient-name", "SYNTHETIC^ANNE", "--merge", "P1"
    )
    assert (merged.operation, merged.status) == ("ADT^A40", "AA")
    entry = clinic.scanner.run("worklist", "ris", "--accession", "A1")[1].facts["matches"][0]
    assert (entry["PatientID"], entry["PatientName"]) == ("P2", "SYNTHETIC^ANNE")
    assert clinic.scanner.run("mpps", "ris", "--complete", started.facts["mpps_uid"])[1].ok
    _, late = clinic.scanner.run("mpps", "ris", "--start", "--accession", "A1", "--patient-id", "P1")
    assert late.ok
    assert "its patient P1 is merged into order's P2" in clinic.ris.log.read_text()
    assert [order["patient_id"] for order in clinic.ris.run("orders")[1].facts["orders"]] == ["P2"]
    _, retired = clinic.ehr.run("patient", "ris", "--patient-id", "P1")
    assert (retired.status, retired.detail) == ("AE", "PID-3: patient P1 was merged into P2")


def test_what_the_record_cannot_take_now_it_gets_later_in_order_and_once(clinic: Clinic) -> None:
    assert place(clinic, "A1") == "AA"
    _, reported = clinic.ris.run("result", "ehr", "--accession", "A1", "--text", "first")
    assert (reported.ok, reported.layer, reported.status) == (False, Layer.TCP, "connection refused")
    assert reported.facts["queued"]
    assert clinic.ris.run("result", "ehr", "--accession", "A1", "--text", "second")[1].facts["queued"]
    assert clinic.ris.run("queue")[1].facts["waiting"] == 3  # the order's status is before them
    with clinic.ehr.serving():
        assert wait_until(lambda: clinic.ris.run("queue")[1].facts["waiting"] == 0, 15)
    kept = clinic.ehr.run("messages")[1].facts["messages"]
    assert [item["kind"] for item in kept] == ["ORM^O01", "ORU^R01", "ORU^R01"]
    reports = clinic.ehr.run("results")[1].facts["results"][0]["reports"]
    assert [report["text"] for report in reports] == ["first", "second"]


def test_orders_wait_for_a_ris_that_is_down(tmp_path: Path) -> None:
    clinic = make_clinic(tmp_path)
    assert place(clinic, "A1") == "connection refused"
    assert place(clinic, "A1", "--control", "XO", "--station-ae", "CT7") == "connection refused"
    assert clinic.ehr.run("queue")[1].facts["waiting"] == 3
    with clinic.ehr.serving(), clinic.ris.serving():
        assert wait_until(lambda: clinic.ehr.run("queue")[1].facts["waiting"] == 0, 15)
        (order_,) = clinic.ris.run("orders")[1].facts["orders"]
        assert (order_["accession"], order_["station_ae"], order_["procedure"]) == ("A1", "CT7", "CT thorax")


def test_a_refused_message_holds_up_nobody_and_is_not_forgotten(clinic: Clinic) -> None:
    assert place(clinic, "A1") == "AA"
    assert place(clinic, "A1") == "AE"
    assert place(clinic, "A2") == "AA"
    _, queue = clinic.ehr.run("queue")
    assert [(item["state"], item["status"]) for item in queue.facts["messages"]] == [("refused", "AE")]
    assert "A1 is ordered already" in queue.facts["messages"][0]["detail"]


def test_killed_at_any_moment_an_order_counts_once_and_its_status_is_told_once(tmp_path: Path) -> None:
    clinic = make_clinic(tmp_path)
    text = messages.order(SENDER, REGISTERED, of_p1(accession="K1")).encode()
    with clinic.ris.serving():
        assert "MSA|AA|" in clinic.say(messages.registration(SENDER, REGISTERED))
    for delay_s in (0.0, 0.002, 0.01):
        with clinic.ris.serving() as process, socket.create_connection(("127.0.0.1", clinic.hl7_port), 5) as line:
            line.sendall(b"\x0b" + text + b"\x1c\r")
            time.sleep(delay_s)
            process.kill()
    with clinic.ris.serving():
        assert "MSA|AA|" in clinic.say(text)  # the sender, who may have missed the answer, asks again
        uid = clinic.scanner.run("mpps", "ris", "--start", "--accession", "K1", "--patient-id", "P1")[1].facts[
            "mpps_uid"
        ]
    with clinic.ris.serving() as process:
        process.kill()
    with clinic.ris.serving():
        assert clinic.scanner.run("mpps", "ris", "--complete", uid)[1].ok  # a step goes on after a restart
        with clinic.ehr.serving():
            assert wait_until(lambda: len(statuses(clinic, "K1")) == 3, 10)
    assert statuses(clinic, "K1") == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]
    assert [order_["accession"] for order_ in clinic.ris.run("orders")[1].facts["orders"]] == ["K1"]


def test_three_scanners_at_once(clinic: Clinic) -> None:
    for number in range(6):
        assert place(clinic, f"A{number}") == "AA"

    def day(number: int) -> bool:
        uid = clinic.scanner.raw("mpps", "ris", "--start", "--accession", f"A{number}", "--patient-id", "P1").stdout
        found = clinic.scanner.raw("worklist", "ris", "--accession", f"A{number}").stdout
        ended = clinic.scanner.raw("mpps", "ris", "--complete", json.loads(uid)["mpps_uid"]).stdout
        return json.loads(found)["count"] == 1 and bool(json.loads(ended)["ok"])

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(day, range(3)))
    listed = {order_["accession"]: order_["status"] for order_ in clinic.ris.run("orders")[1].facts["orders"]}
    assert [listed[f"A{number}"] for number in range(6)] == ["COMPLETED"] * 3 + ["SCHEDULED"] * 3
