"""A scanner's own listener: storage commitment comes back on a second connection; its service login must live."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import CTImageStorage, StorageCommitmentPushModel, Verification

from pacslab.devices import home, modality
from pacslab.devices.command import find_operation
from pacslab.devices.files import wait_until
from pacslab.model.device import Layer, Listener, parse_observation
from pacslab.model.dicom import Application, Operation

from .conftest import World, free_port, make_device, make_peer

INSTANCE = "1.2.840.10008.1.20.1.1"


@dataclass
class Archive:
    """A PACS that stores, and reports commitment on a connection of its own (FACTS 1.12)."""

    scanner_port: int
    lose: int = 0  # how many instances it says it has not got
    outcome: list[str] = field(default_factory=list)

    def reported(self) -> list[str]:
        """What the scanner answered, once it has: the report's thread may still be on the line."""
        assert wait_until(lambda: bool(self.outcome), 5)
        return self.outcome

    def commit(self, event: evt.Event) -> tuple[int, None]:
        request = event.action_information
        threading.Thread(target=self.report, args=(request,), daemon=True).start()
        return 0, None

    def report(self, request: Dataset) -> None:
        items = list(request.ReferencedSOPSequence)
        for item in items[: self.lose]:
            item.FailureReason = 0x0112
        answer = Dataset()
        answer.TransactionUID = request.TransactionUID
        answer.ReferencedSOPSequence = items[self.lose :]
        answer.FailedSOPSequence = items[: self.lose]
        ae = AE(ae_title="PACS")
        ae.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        line = ae.associate("127.0.0.1", self.scanner_port, ae_title="CT1", ext_neg=[role])
        if not line.is_established:
            self.outcome.append("refused")
            return
        event_type = 2 if self.lose else 1
        status, _ = line.send_n_event_report(answer, event_type, StorageCommitmentPushModel, INSTANCE)
        self.outcome.append(f"0x{status.Status:04X}")
        line.release()


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[tuple[World, Archive]]:
    port = free_port()
    archive = Archive(port)
    ae = AE(ae_title="PACS")
    ae.add_supported_context(Verification)
    ae.add_supported_context(CTImageStorage)
    ae.add_supported_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_C_STORE, lambda _: 0), (evt.EVT_N_ACTION, archive.commit)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    pacs = make_peer(
        "pacs",
        "PACS",
        server.server_address[1],
        may_request=(Operation.C_ECHO,),
        may_be_asked=(Operation.N_EVENT_REPORT_STGCMT,),
    )
    device = make_device(
        "ct-1", "modality", ae_title="CT1", modality="CT", peers=(pacs,), listeners=(Listener(Application.DICOM, port),)
    )
    scanner = World(tmp_path / "ct-1", device)
    with scanner.serving():
        yield scanner, archive
    server.shutdown()


def acquire(scanner: World) -> str:
    _, sent = scanner.run("acquire", "--slices", "3", "--rows", "64", "--columns", "64", "--send", "pacs")
    assert sent.ok
    return str(sent.facts["study_uid"])


def test_commitment_is_asked_and_reported_back(hospital: tuple[World, Archive]) -> None:
    scanner, archive = hospital
    code, seen = scanner.run("commit", "pacs", "--study-uid", acquire(scanner), "--wait", "10")
    assert (code, seen.status, seen.facts["committed"], seen.facts["reported_by"]) == (0, "0x0000", 3, "PACS")
    assert archive.reported() == ["0x0000"]


def test_what_the_archive_lost_is_a_failure(hospital: tuple[World, Archive]) -> None:
    scanner, archive = hospital
    archive.lose = 1
    code, seen = scanner.run("commit", "pacs", "--study-uid", acquire(scanner), "--wait", "10")
    assert (code, seen.status, seen.facts["committed"]) == (1, "0x0112", 2)
    assert list(seen.facts["failed"].values()) == ["0x0112"]
    assert archive.reported() == ["0x0000"]


def test_a_report_that_never_comes_is_a_time_out(hospital: tuple[World, Archive]) -> None:
    scanner, archive = hospital
    study = acquire(scanner)
    archive.scanner_port = free_port()
    code, seen = scanner.run("commit", "pacs", "--study-uid", study, "--wait", "0.5")
    assert (code, seen.layer, seen.status) == (1, Layer.DIMSE, "timed out")
    assert "N-EVENT-REPORT" in seen.detail
    assert archive.reported() == ["refused"]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_transaction_uid_that_is_a_path_is_refused(hospital: tuple[World, Archive]) -> None:
    scanner, archive = hospital
    request = Dataset()
    request.TransactionUID = "1.2.3"
    request.ReferencedSOPSequence = []
    archive.report(request)
    assert (scanner.data / "commitments" / "1.2.3.json").exists()
    request["TransactionUID"]._value = "../../evil"
    archive.report(request)
    assert archive.outcome == ["0x0000", "0x0115"]
    assert not list(scanner.folder.rglob("evil*"))


def test_a_scanner_greets_its_peers_at_boot_and_is_asked_nothing_else(hospital: tuple[World, Archive]) -> None:
    scanner, _ = hospital
    port = str(scanner.device.listeners[0].port)
    for _ in range(100):
        if "C-ECHO to pacs: dimse: 0x0000" in scanner.log.read_text():
            break
        time.sleep(0.05)
    assert "C-ECHO to pacs: dimse: 0x0000" in scanner.log.read_text()
    options = ("--address", "127.0.0.1", "--port", port, "--called-ae", "CT1", "--calling-ae", "PACS")
    assert scanner.run("echo", "pacs", *options)[1].status == "presentation context rejected 3"


def test_serve_ends_when_sshd_dies(world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = world(make_device("ct-1", "modality", ae_title="CT1"))
    (scanner.folder / "sshd_config").write_text("Port 2222\n")
    monkeypatch.setattr(modality, "SSHD", ("sh", "-c", "exit 7"))
    seen = modality.serve(home.read_home(scanner.environment), None)  # type: ignore[arg-type]
    assert (seen.ok, seen.status) == (False, "sshd exit 7")


def test_commands_belong_to_kinds(world: Callable[..., World]) -> None:
    done = world(make_device("ehr", "ehr")).raw("echo", "pacs")
    assert (done.returncode, done.stdout) == (2, "")
    assert "messages, order, patient, queue, results, serve" in done.stderr
    nobody = subprocess.run(
        [sys.executable, "-m", "pacslab.devices", "serve"],
        env={"PACSLAB_DEVICE": "/nonexistent"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert nobody.returncode == 2
    assert "/nonexistent" in nobody.stderr


def test_one_json_document_and_nothing_else(world: Callable[..., World]) -> None:
    done = world(make_device("ct-1", "modality", ae_title="CT1")).raw(
        "echo", "pacs", "--address", "127.0.0.1", "--port", str(free_port())
    )
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert parse_observation(done.stdout).status == "connection refused"


def test_a_peer_without_an_address_is_a_usage_error(world: Callable[..., World]) -> None:
    done = world(make_device("ct-1", "modality", ae_title="CT1")).raw("echo", "pacs")
    assert done.returncode == 2
    assert "--address" in done.stderr


def test_the_orthanc_node_needs_the_standard_library_only(world: Callable[..., World]) -> None:
    """The Orthanc image has no pydicom, pynetdicom, numpy or hl7."""
    orthanc = world(make_device("pacs", "orthanc", ae_title="PACS"))
    (orthanc.folder / "rest.json").write_text('{"user": "u", "password": "p"}')
    block = "import sys; sys.modules.update(dict.fromkeys(('pydicom', 'pynetdicom', 'numpy', 'hl7')));"
    code = f"{block} from pacslab.devices.command import main; sys.exit(main(['studies']))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=orthanc.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert parse_observation(done.stdout).layer is Layer.HTTP


def test_every_command_has_its_function() -> None:
    from pacslab.devices.command import COMMANDS

    for name, table in COMMANDS.items():
        for kinds in table:
            assert all(callable(find_operation(kind, name)) for kind in kinds)
