"""A procedure from worklist to its final MPPS, with a real RIS and scanner and an archive that can be made to fail."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import CTImageStorage, StorageCommitmentPushModel, Verification

from pacslab.devices.files import wait_until
from pacslab.devices.orders import Store
from pacslab.model.device import Layer, Listener, Observation
from pacslab.model.dicom import Application, Operation

from .conftest import World, free_port, make_device, make_peer

ORDERS = (Operation.ADT_A01, Operation.ORM_O01)
WORKLIST = (Operation.C_FIND_MWL, Operation.N_CREATE_MPPS, Operation.N_SET_MPPS)
SMALL = ("--rows", "64", "--columns", "64", "--slices", "3", "--seed", "1")
STEPS = ["worklist", "mpps-in-progress", "acquire", "store", "commit", "mpps-final"]
COMMITMENT = "1.2.840.10008.1.20.1.1"


@dataclass
class Archive:
    """A PACS that stores and commits, as far as it is let."""

    scanner_port: int
    stored: dict[str, Dataset] = field(default_factory=dict)
    full: int = 0  # so many C-STOREs are answered with "out of resources"
    abort_at: int = 0  # counted down: the association ends in the middle of that image
    lose: int = 0  # so many instances are gone when commitment is asked
    report_after_s: float = 0.0
    asked: int = 0
    associations: int = 0

    def store(self, event: evt.Event) -> int:
        if self.full:
            self.full -= 1
            return 0xA700
        if self.abort_at:
            self.abort_at -= 1
            if not self.abort_at:
                event.assoc.abort()
                return 0x0110
        dataset = event.dataset
        self.stored[str(dataset.SOPInstanceUID)] = dataset
        return 0

    def count(self, event: evt.Event) -> None:
        del event
        self.associations += 1

    def commit(self, event: evt.Event) -> tuple[int, None]:
        self.asked += 1
        for uid in list(self.stored)[: self.lose]:
            del self.stored[uid]
        self.lose = 0
        threading.Thread(target=self.report, args=(event.action_information,), daemon=True).start()
        return 0, None

    def report(self, request: Dataset) -> None:
        time.sleep(self.report_after_s)
        items = list(request.ReferencedSOPSequence)
        missing = [item for item in items if item.ReferencedSOPInstanceUID not in self.stored]
        for item in missing:
            item.FailureReason = 0x0112
        answer = Dataset()
        answer.TransactionUID = request.TransactionUID
        answer.ReferencedSOPSequence = [item for item in items if item not in missing]
        answer.FailedSOPSequence = missing
        ae = AE(ae_title="PACS")
        ae.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        line = ae.associate("127.0.0.1", self.scanner_port, ae_title="CT1", ext_neg=[role])
        line.send_n_event_report(answer, 2 if missing else 1, StorageCommitmentPushModel, COMMITMENT)
        line.release()


@dataclass
class Department:
    ehr: World
    ris: World
    scanner: World
    archive: Archive

    def order(self, accession: str, station_ae: str = "CT1") -> None:
        words = ("--patient-id", "P1", "--patient-name", "SYNTHETIC^ANNA", "--sex", "F", "--modality", "CT")
        code, seen = self.ehr.run("order", "ris", "--accession", accession, "--station-ae", station_ae, *words)
        assert code == 0, seen

    def status(self, accession: str) -> str:
        _, seen = self.ris.run("orders")
        return str(next(item["status"] for item in seen.facts["orders"] if item["accession"] == accession))

    def perform(self, *more: str) -> tuple[int, Observation]:
        return self.scanner.run("perform", *SMALL, "--wait", "10", *more)

    def ended(self, accession: str) -> Observation:
        code, seen = self.scanner.run("procedure", "--accession", accession, "--wait", "40")
        assert code == 0, seen
        return seen


@pytest.fixture
def department(tmp_path: Path) -> Iterator[Department]:
    dicom, port, hl7 = free_port(), free_port(), free_port()
    archive = Archive(port)
    ae = AE(ae_title="PACS")
    for sop_class in (Verification, CTImageStorage, StorageCommitmentPushModel):
        ae.add_supported_context(sop_class)
    handlers = [
        (evt.EVT_C_STORE, archive.store), (evt.EVT_N_ACTION, archive.commit), (evt.EVT_ACCEPTED, archive.count),
    ]  # fmt: skip
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    ris = make_device(
        "ris",
        "ris",
        ae_title="RIS",
        listeners=(Listener(Application.DICOM, dicom), Listener(Application.HL7, hl7)),
        peers=(
            make_peer("ct-1", "CT1", None, may_be_asked=WORKLIST),
            make_peer("ct-2", "CT2", None, may_be_asked=(Operation.C_FIND_MWL,)),
            make_peer("ehr", None, None, application=Application.HL7, may_be_asked=ORDERS),
        ),
    )
    ehr_peers = (make_peer("ris", None, hl7, application=Application.HL7, may_request=ORDERS),)
    ehr = make_device("ehr", "ehr", peers=ehr_peers)
    pacs = make_peer(
        "pacs",
        "PACS",
        server.server_address[1],
        may_request=(Operation.C_STORE, Operation.N_ACTION_STGCMT),
        may_be_asked=(Operation.N_EVENT_REPORT_STGCMT,),
    )
    scanner = make_device(
        "ct-1",
        "modality",
        ae_title="CT1",
        modality="CT",
        peers=(pacs, make_peer("ris", "RIS", dicom, may_request=WORKLIST)),
        listeners=(Listener(Application.DICOM, port),),
    )
    made = Department(
        World(tmp_path / "ehr", ehr), World(tmp_path / "ris", ris), World(tmp_path / "ct-1", scanner), archive
    )
    with made.ris.serving(), made.scanner.serving():
        yield made
    server.shutdown()


def test_a_procedure_from_worklist_to_completed(department: Department) -> None:
    department.order("A1")
    code, seen = department.perform()
    facts = seen.facts
    assert (code, seen.status, facts["accession"], facts["mpps_status"]) == (0, "COMPLETED", "A1", "COMPLETED")
    assert [moment["step"] for moment in facts["timeline"]] == STEPS
    assert all(moment["at"][-6] in "+-" for moment in facts["timeline"])
    assert [series["instances"] for series in facts["series"]] == [1, 3, 6]
    assert department.archive.associations == 4  # one for each series, one for the commitment
    assert set(department.archive.stored) == set(facts["pixel_sha256"])
    image = next(iter(department.archive.stored.values()))
    assert (image.PatientName, image.PatientSex, image.StudyID) == ("SYNTHETIC^ANNA", "F", "A1")
    assert image.RequestAttributesSequence[0].ScheduledProcedureStepID == "A1"
    assert image.ReferencedPerformedProcedureStepSequence[0].ReferencedSOPInstanceUID == facts["mpps_uid"]
    assert department.status("A1") == "COMPLETED"
    assert not list((department.scanner.data / "queue").iterdir())


def test_the_next_entry_is_the_one_nobody_has_begun(department: Department) -> None:
    department.order("A1", station_ae="CT9")
    department.order("A2")
    _, seen = department.perform()
    assert seen.facts["accession"] == "A2"
    code, seen = department.perform()
    assert (code, seen.layer, seen.status) == (1, Layer.DIMSE, "no match")


def test_an_archive_that_is_full_is_asked_again_later(department: Department) -> None:
    department.order("A1")
    department.archive.full = 2
    code, seen = department.perform("--patience", "0")
    assert (code, seen.layer, seen.status) == (1, Layer.DIMSE, "0xA700")
    assert "store: " in seen.detail
    assert (seen.facts["next_step"], seen.facts["mpps_status"]) == ("store", "IN PROGRESS")
    assert department.ended("A1").facts["commitment"]["ok"]
    assert len(department.archive.stored) == 10


def test_an_association_aborted_in_the_middle_is_made_good(department: Department) -> None:
    department.order("A1")
    department.archive.abort_at = 4
    code, seen = department.perform("--patience", "10")
    failed = [moment for moment in seen.facts["timeline"] if not moment["ok"]]
    assert (code, [m["step"] for m in failed]) == (0, ["store"])
    assert failed[0]["status"].startswith("A-ABORT")
    assert len(department.archive.stored) == 10


def test_what_the_archive_lost_is_stored_again(department: Department) -> None:
    department.order("A1")
    department.archive.lose = 2
    code, seen = department.perform()
    assert (code, seen.status, seen.detail) == (1, "0x0112", "commit: 8 of 10 instances committed")
    seen = department.ended("A1")
    assert (department.archive.asked, len(department.archive.stored)) == (2, 10)
    assert [m["step"] for m in seen.facts["timeline"]] == [*STEPS[:5], "store", "commit", "mpps-final"]


def test_a_report_that_comes_late_is_matched_by_its_transaction(department: Department) -> None:
    department.order("A1")
    department.archive.report_after_s = 1.5
    code, seen = department.perform("--wait", "0.2", "--patience", "0")
    assert (code, seen.status) == (1, "timed out")
    seen = department.ended("A1")
    assert (department.archive.asked, seen.facts["commitment"]["reported_by"]) == (1, "PACS")


def test_a_scanner_that_dies_while_it_acquires_begins_the_series_again(department: Department) -> None:
    department.order("A1")
    words = ("perform", "--slices", "30", "--rows", "256", "--columns", "256", "--seed", "5")
    process = subprocess.Popen(
        [sys.executable, "-m", "pacslab.devices", *words],
        env=department.scanner.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    studies = department.scanner.data / "studies"
    assert wait_until(lambda: len(list(studies.rglob("*.part/*.dcm"))) > 3, 30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = department.ended("A1")
    assert seen.facts["instances"] == len(department.archive.stored) == 91
    assert not list(studies.rglob("*.part"))


def test_a_step_that_the_ris_refuses_leaves_nothing_behind(department: Department, tmp_path: Path) -> None:
    department.order("A1", station_ae="CT2")
    other = replace(department.scanner.device, node="ct-2", ae_title="CT2")
    code, seen = World(tmp_path / "ct-2", other).run("perform", *SMALL)
    assert (code, seen.facts["closed"]) == (1, f"not begun: {seen.layer.value}: {seen.status}")
    assert (seen.facts["mpps_status"], seen.facts["instances"]) == ("", 0)
    assert not list((tmp_path / "ct-2" / "data" / "queue").iterdir())
    assert department.status("A1") == "SCHEDULED"


def test_a_procedure_in_progress_is_not_begun_twice(department: Department) -> None:
    department.order("A1")
    department.archive.full = 1
    department.perform("--patience", "0")
    code, seen = department.perform("--accession", "A1")
    assert (code, seen.layer, seen.status) == (1, Layer.LOCAL, "in progress")
    department.ended("A1")


def test_a_discontinued_procedure_says_why(department: Department) -> None:
    department.order("A1")
    code, seen = department.perform("--discontinue", "equipment-failure")
    assert (code, seen.status, len(seen.facts["series"])) == (0, "DISCONTINUED", 1)
    store = Store(department.ris.data / "ris" / "orders.sqlite")
    step = store.step(seen.facts["mpps_uid"])
    store.close()
    assert step is not None
    code_item = step.body["00400281"]["Value"][0]
    assert (code_item["00080100"]["Value"], code_item["00080102"]["Value"]) == (["110501"], ["DCM"])


def test_a_scanner_without_a_ris_works_by_its_schedule(department: Department, tmp_path: Path) -> None:
    port = free_port()
    archive = replace(department.scanner.device.peers[0], may_request=(Operation.C_STORE,))
    alone = replace(
        department.scanner.device, node="ct-3", peers=(archive,), listeners=(Listener(Application.DICOM, port),),
        schedule_s=1,
    )  # fmt: skip
    with World(tmp_path / "ct-3", alone).serving():
        assert wait_until(lambda: len(department.archive.stored) >= 31, 30)
    image = next(iter(department.archive.stored.values()))
    assert image.PatientName == "SYNTHETIC^UNSCHEDULED"
