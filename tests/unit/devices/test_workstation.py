"""What a workstation takes in, and what it must not: UIDs are file names."""

import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import AE

from pacslab.devices.files import uid_path
from pacslab.model.device import Layer, Listener, parse_observation
from pacslab.model.dicom import Application

from .conftest import World, free_port

CT = "1.2.840.10008.5.1.4.1.1.2"
Pair = tuple[World, World]


def send(port: int, dataset: Dataset) -> int:
    ae = AE(ae_title="CT1")
    ae.add_requested_context(CT)
    line = ae.associate("127.0.0.1", port, ae_title="READ1")
    assert line.is_established
    status = line.send_c_store(dataset)
    line.release()
    return int(status.Status)


def ct_small() -> Dataset:
    return pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))


@pytest.mark.filterwarnings("ignore:.* for VR UI")
@pytest.mark.parametrize("evil", ["../../../escaped", "..", "/tmp/escaped", "1.2.3/../../x", "", "1" * 65])
def test_a_uid_that_is_a_path_is_refused(pair: Pair, evil: str) -> None:
    workstation = pair[1]
    dataset = ct_small()
    dataset.StudyInstanceUID = evil
    before = sorted(path for path in workstation.folder.rglob("*") if path != workstation.log)
    assert send(workstation.device.listeners[0].port, dataset) == 0xC000
    assert sorted(path for path in workstation.folder.rglob("*") if path != workstation.log) == before
    dataset.StudyInstanceUID = "1.2.3"
    assert send(workstation.device.listeners[0].port, dataset) == 0x0000
    assert (workstation.data / "received" / "1.2.3" / f"{dataset.SOPInstanceUID}.dcm").exists()


@pytest.mark.parametrize("evil", ["../x", "a", "", ".", "1..2", "1.2\n", "1" * 65])
def test_uid_path_takes_uids_only(tmp_path: Path, evil: str) -> None:
    with pytest.raises(ValueError, match="is not a UID"):
        uid_path(tmp_path, "1.2.3", evil)
    assert uid_path(tmp_path, "1.2.3", "4.5", suffix=".dcm") == tmp_path / "1.2.3" / "4.5.dcm"


def test_the_stored_file_is_what_was_sent(pair: Pair) -> None:
    workstation = pair[1]
    dataset = ct_small()
    assert send(workstation.device.listeners[0].port, dataset) == 0
    path = workstation.data / "received" / dataset.StudyInstanceUID / f"{dataset.SOPInstanceUID}.dcm"
    assert pydicom.dcmread(path) == dataset
    assert not list(path.parent.glob("*.part"))


def test_a_full_disk_is_said(pair: Pair) -> None:
    workstation = pair[1]
    dataset = ct_small()
    dataset.StudyInstanceUID = "1.2.3.4.5"
    (workstation.data / "received" / dataset.StudyInstanceUID).write_text("a file where the folder should be")
    assert send(workstation.device.listeners[0].port, dataset) == 0xA700


def test_a_port_that_is_taken_is_said(pair: Pair) -> None:
    done = pair[1].raw("serve")
    assert done.returncode == 1
    seen = parse_observation(done.stdout)
    assert (seen.operation, seen.layer, seen.status) == ("serve", Layer.LOCAL, "address already in use")


def test_serve_stops_at_once_also_with_callers_on_the_line(pair: Pair, tmp_path: Path) -> None:
    port = free_port()
    device = replace(pair[1].device, listeners=(Listener(Application.DICOM, port),))
    elsewhere = World(tmp_path / "elsewhere", device)
    with elsewhere.serving() as serving, socket.create_connection(("127.0.0.1", port)):
        ae = AE(ae_title="CT1")
        ae.add_requested_context(CT)
        line = ae.associate("127.0.0.1", port, ae_title="READ1")
        assert line.is_established
        started = time.monotonic()
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(5) == 0
        assert time.monotonic() - started < 1
        line.abort()
