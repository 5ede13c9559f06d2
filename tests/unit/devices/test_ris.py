"""Orders in over HL7, worklist and procedure steps out over DICOM, results back: real processes on the loopback."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pacslab.devices import messages
from pacslab.devices.messages import Order, Patient, Sender
from pacslab.model.device import Layer, Listener, Observation
from pacslab.model.dicom import Application, Operation

from .conftest import Authorities, World, free_port, make_device, make_peer

WORKLIST = (Operation.C_ECHO, Operation.C_FIND_MWL, Operation.N_CREATE_MPPS, Operation.N_SET_MPPS)
ORDERS = (Operation.ADT_A01, Operation.ADT_A08, Operation.ORM_O01)


@dataclass
class Clinic:
    ehr: World
    ris: World
    scanner: World
    hl7_port: int

    def say(self, text: str) -> str:
        """Send raw HL7 text in an MLLP frame and give the acknowledgement back."""
        with socket.create_connection(("127.0.0.1", self.hl7_port), 5) as line:
            line.sendall(b"\x0b" + text.encode() + b"\x1c\r")
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
            make_peer("ehr", None, hl7_out, application=spoken, may_be_asked=ORDERS),
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
                may_be_asked=(Operation.ORU_R01, Operation.ORM_O01),
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
    assert [item["kind"] for item in kept.facts["messages"]] == ["ORU^R01", "ORM^O01"]
    report = messages.parse(kept.facts["messages"][0]["text"])
    assert messages.value(report, "OBX", 5) == "no | finding ^ at \\ all"


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


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ("this is not HL7", "AR", "207"),
        ("MSH|^~\\&|", "AR", "207"),
        ("", "AR", "207"),
        (
            NEW.replace(messages.header(SENDER, "ORM^O01")[:9], "MSH|^~\\&|", 1).replace("|P|2.5.1", "|P|3.0"),
            "AR",
            "203",
        ),
        (NEW.replace("ORM^O01", "ORM^O02"), "AR", "201"),
        (NEW.replace("ORM^O01", "SIU^S12"), "AR", "200"),
        (messages.result(SENDER, PATIENT, ORDER, "x"), "AR", "207"),  # the EHR may not send results here
        (NEW.replace("|P9^^^PACSLAB^MR|", "||"), "AE", "101"),
        (NEW.replace("ORC|NW", "ORC|ZZ"), "AE", "103"),
        (messages.order(SENDER, PATIENT, ORDER, "CA"), "AE", "204"),
        (messages.order(SENDER, PATIENT, ORDER, "XO"), "AE", "204"),
        (messages.registration(SENDER, Patient("P404", "X^Y"), "A08"), "AE", "204"),
        (messages.order(SENDER, PATIENT, replace(ORDER, study_uid="../../etc")), "AE", "103"),
    ],
)
def test_what_is_not_accepted_is_answered_so_and_changes_nothing(
    clinic_with_two: Clinic, text: str, code: str, error: str
) -> None:
    before = clinic_with_two.ris.run("orders")[1].facts["orders"]
    answer = messages.parse(clinic_with_two.say(text))
    assert messages.kind(answer).startswith("ACK")
    assert messages.value(answer, "MSA", 1) == code
    assert messages.value(answer, "ERR", 3) == error
    assert clinic_with_two.ris.run("orders")[1].facts["orders"] == before


def test_an_order_is_placed_changed_and_cancelled(clinic: Clinic) -> None:
    assert place(clinic, "A1") == "AA"
    assert place(clinic, "A1") == "AE"  # the same accession number twice
    assert place(clinic, "A1", "--control", "XO", "--station-ae", "CT7") == "AA"
    assert [order["station_ae"] for order in clinic.ris.run("orders")[1].facts["orders"]] == ["CT7"]
    assert place(clinic, "A1", "--control", "CA") == "AA"
    assert place(clinic, "A1", "--control", "CA") == "AE"
    assert clinic.scanner.run("worklist", "ris")[1].facts["count"] == 0


def test_a_message_sent_again_is_accepted_again_and_counts_once(clinic: Clinic) -> None:
    text = messages.order(SENDER, PATIENT, ORDER)
    assert "MSA|AA|" in clinic.say(text)
    assert "MSA|AA|" in clinic.say(text)
    assert clinic.ris.run("orders")[1].facts["count"] == 1
    assert clinic.ris.run("messages")[1].facts["count"] == 1


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
