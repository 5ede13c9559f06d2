"""Files of any origin: each is judged by itself, and what is good is stored and committed."""

import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE, AllStoragePresentationContexts, evt

from pacslab.devices.pixels import read_instance
from pacslab.model.dicom import Operation, is_uid

from .conftest import World, make_device, make_peer

CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))


@pytest.fixture
def scanner(world: Callable[..., World]) -> Iterator[tuple[World, dict[str, pydicom.Dataset]]]:
    stored: dict[str, pydicom.Dataset] = {}

    def take(event: evt.Event) -> int:
        stored[str(event.request.AffectedSOPInstanceUID)] = event.dataset
        return 0

    ae = AE(ae_title="PACS")
    ae.supported_contexts = AllStoragePresentationContexts
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    assert server is not None
    pacs = make_peer("pacs", "PACS", server.server_address[1], may_request=(Operation.C_STORE,))
    yield world(make_device("ct-1", "modality", ae_title="CT1", modality="CT", peers=(pacs,))), stored
    server.shutdown()


def made_folder(place: Path) -> Path:
    (place / "in").mkdir()
    return place / "in"


def changed(folder: Path, name: str, **values: str) -> Path:
    image = pydicom.dcmread(CT)
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.save_as(folder / name)
    return folder / name


def bad_files(folder: Path) -> dict[str, str]:
    """Write one file of each kind of bad; name -> a word of the reason."""
    folder.mkdir()
    content = CT.read_bytes()
    (folder / "cut.dcm").write_bytes(content[:-500])
    (folder / "letter.dcm").write_text("Dear colleague,\n" * 20)
    (folder / "empty.dcm").write_bytes(b"")
    changed(folder, "class.dcm", SOPClassUID="1.2.3.4")
    study = str(pydicom.dcmread(CT).StudyInstanceUID)
    (folder / "path.dcm").write_bytes(content.replace(study.encode(), ("../" * 30)[: len(study)].encode()))
    pixels = read_instance(CT).pixels
    assert pixels is not None
    head = content[: pixels[0] - 4] + struct.pack("<I", 2**31)
    with (folder / "huge.dcm").open("wb") as out:
        out.write(head)
        out.truncate(len(head) + 2**31)
    return {
        "cut.dcm": "cut short",
        "letter.dcm": "not a DICOM file",
        "empty.dcm": "not a DICOM file",
        "class.dcm": "not a storage class",
        "path.dcm": "not a UID",
        "huge.dcm": "above the limit",
    }


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_each_bad_file_has_its_own_reason_and_the_rest_goes_on(
    scanner: tuple[World, dict[str, pydicom.Dataset]], tmp_path: Path
) -> None:
    device, stored = scanner
    reasons = bad_files(tmp_path / "in")
    changed(tmp_path / "in", "good.dcm", SOPInstanceUID="1.2.3.5")
    code, seen = device.run("replay", str(tmp_path / "in"), "--patience", "0")
    problems = {Path(item["file"]).name: item["error"] for item in seen.facts["problems"]}
    assert problems.keys() == reasons.keys()
    for name, word in reasons.items():
        assert word in problems[name]
    assert (code, seen.status, list(stored)) == (1, "refused", ["1.2.3.5"])


def test_a_folder_without_fault_is_done(scanner: tuple[World, dict[str, pydicom.Dataset]], tmp_path: Path) -> None:
    device, stored = scanner
    tmp_path = made_folder(tmp_path)
    for number in (1, 2, 3):
        changed(tmp_path, f"{number}.dcm", SOPInstanceUID=f"1.2.3.{number}", StudyInstanceUID=f"1.9.{number % 2}")
    code, seen = device.run("replay", str(tmp_path), "--interval", "0.1")
    assert (code, seen.status, seen.detail) == (0, "done", "3 instances of 2 studies")
    assert len(stored) == 3
    assert seen.elapsed_s >= 0.1


def test_new_uids_are_consistent_and_pixels_the_same(
    scanner: tuple[World, dict[str, pydicom.Dataset]], tmp_path: Path
) -> None:
    device, stored = scanner
    tmp_path = made_folder(tmp_path)
    for number in (1, 2):
        changed(
            tmp_path, f"{number}.dcm", SOPInstanceUID=f"1.2.3.{number}", StudyInstanceUID="1.9", SeriesInstanceUID="1.8"
        )
    code, _ = device.run("replay", str(tmp_path), "--new-uids")
    images = list(stored.values())
    assert code == 0
    assert len({image.SOPInstanceUID for image in images} | {"1.2.3.1", "1.2.3.2"}) == 4
    assert len({image.StudyInstanceUID for image in images}) == 1
    assert images[0].StudyInstanceUID != "1.9"
    assert all(is_uid(str(image.SeriesInstanceUID)) for image in images)
    assert all(image.PixelData == pydicom.dcmread(CT).PixelData for image in images)


def test_real_files_are_replayed_in_the_syntax_they_have(
    scanner: tuple[World, dict[str, pydicom.Dataset]], tmp_path: Path
) -> None:
    device, stored = scanner
    tmp_path = made_folder(tmp_path)
    for name in ("MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm"):
        (tmp_path / name).write_bytes(Path(str(get_testdata_file(name, download=False))).read_bytes())
    with warnings.catch_warnings(action="ignore"):
        code, seen = device.run("replay", str(tmp_path), "--new-uids")
    problem = seen.facts["problems"][0]["error"]  # two of these files are one image in two syntaxes
    assert (code, len(stored)) == (1, 2), seen
    assert "has the SOP Instance UID of" in problem


def test_what_an_archive_does_not_take_waits(scanner: tuple[World, dict[str, pydicom.Dataset]], tmp_path: Path) -> None:
    device, _ = scanner
    tmp_path = made_folder(tmp_path)
    changed(tmp_path, "good.dcm", SOPInstanceUID="1.2.3.5")
    nobody = World(
        device.folder, make_device("ct-1", "modality", ae_title="CT1", modality="CT", peers=(
            make_peer("pacs", "PACS", 1, may_request=(Operation.C_STORE,)),
        )),
    )  # fmt: skip
    code, seen = nobody.run("replay", str(tmp_path), "--patience", "0")
    assert (code, seen.status) == (1, "connection refused")
    (tmp_path / "good.dcm").unlink()
    _, queue = nobody.run("queue")
    assert [(item["next_step"], item["instances"]) for item in queue.facts["waiting"]] == [("store", 1)]
    kept = list((device.data / "replay").rglob("*.dcm"))
    assert [read_instance(path).sop_instance for path in kept] == ["1.2.3.5"]
