"""What YAML makes of innocent text, and what hostile files try: a lab or a diagnostic, in under two seconds."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacslab.errors import Diagnostic, LabFileError
from pacslab.labfile.load import load
from pacslab.model.lab import Lab

LIMIT_S = 2.0
LAB = "lab: small\nzones: [zone.yaml]\n"
ZONE = """\
zone: scanners
network: 198.18.10.0/24
nodes:
  ct-1: {{kind: modality, modality: CT, ae_title: {title}, services: [{{name: dicom, port: {port}}}]}}
  ws: {{kind: workstation, ae_title: WS}}
accepts:
  - {{id: store, from: scanners/ws, to: ct-1, service: dicom, operations: [C-ECHO],
     why: They try each other., clear_text: Their own cables.}}
"""


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < LIMIT_S


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.yaml").write_text(LAB, encoding="utf-8")
    return tmp_path


def _zone(folder: Path, data: bytes | str) -> Lab | tuple[Diagnostic, ...]:
    (folder / "zone.yaml").write_bytes(data if isinstance(data, bytes) else data.encode())
    try:
        return load(Path("lab.yaml")).lab
    except LabFileError as error:
        return error.diagnostics


def _refused(folder: Path, data: bytes | str) -> tuple[str, int]:
    found = _zone(folder, data)
    assert isinstance(found, tuple)
    assert len(found) == 1
    assert found[0].hint
    return found[0].code, found[0].origin.line


@pytest.mark.parametrize(
    "title", ["NO", "ON", "y", "1E3", "0104", "22:22", "11:22:33:44", "null", "~", "0x1F", "1_000"]
)
def test_an_ae_title_is_what_is_written(title: str, folder: Path) -> None:
    lab = _zone(folder, ZONE.format(title=title, port=104))
    assert isinstance(lab, Lab)
    assert lab.nodes[0].ae_title == title


def test_a_hardware_address_is_too_long_for_an_ae_title(folder: Path) -> None:
    assert _refused(folder, ZONE.format(title="11:22:33:44:55:10", port=104)) == ("bad-ae-title", 4)


@pytest.mark.parametrize(("written", "port"), [("104", 104), ("0104", 104), ("065535", 65535), ("'1'", 1)])
def test_a_port_is_decimal(written: str, port: int, folder: Path) -> None:
    lab = _zone(folder, ZONE.format(title="CT1", port=written))
    assert isinstance(lab, Lab)
    assert lab.nodes[0].services[0].port == port


@pytest.mark.parametrize("port", ["22:22", "1E3", "0x68", "0o150", "0", "65536", "-1", "104.0", "1_04", "", "٤", "9-8"])
def test_what_is_no_port(port: str, folder: Path) -> None:
    assert _refused(folder, ZONE.format(title="CT1", port=f"'{port}'")) == ("wrong-value", 4)


def test_ten_thousand_levels(folder: Path) -> None:
    assert _refused(folder, "zone: " + "[" * 10_000 + "]" * 10_000) == ("too-deep", 1)
    assert _refused(folder, "".join(" " * n + "a:\n" for n in range(1_000)))[0] == "too-deep"


def test_a_billion_laughs(folder: Path) -> None:
    lines = ['a0: &a0 ["lol"]'] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert _refused(folder, "\n".join(lines)) == ("anchor", 1)


def test_fifty_megabytes(folder: Path) -> None:
    assert _refused(folder, b"zone: a\n" + b"# comment\n" * 5_000_000)[0] == "file-too-large"


def test_a_byte_order_mark_and_carriage_returns(folder: Path) -> None:
    text = ZONE.format(title="CT1", port=104)
    assert isinstance(_zone(folder, b"\xef\xbb\xbf" + text.encode()), Lab)
    assert isinstance(_zone(folder, text.replace("\n", "\r\n")), Lab)
    assert _refused(folder, text.replace("CT,", "XX,").replace("\n", "\r\n")) == ("wrong-setting", 4)


def test_latin_1(folder: Path) -> None:
    assert _refused(folder, "zone: scanners\ntitle: R\xf6ntgen\n".encode("latin-1")) == ("not-utf-8", 2)


def test_utf_16(folder: Path) -> None:
    assert _refused(folder, "zone: scanners\n".encode("utf-16"))[0] == "not-utf-8"


def test_an_empty_file(folder: Path) -> None:
    assert _refused(folder, "") == ("empty-file", 1)


def test_a_missing_file_is_said_where_it_is_named(folder: Path) -> None:
    with pytest.raises(LabFileError) as caught:
        load(Path("lab.yaml"))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, str(diagnostic.origin)) == ("file-missing", "lab.yaml:2:9")


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_directory(name: str, folder: Path) -> None:
    (folder / "lab.yaml").write_text(f"lab: small\nzones: [{name}]\n", encoding="utf-8")
    assert _refused(folder, "")[0] == "file-unreadable"


def test_a_lab_that_names_itself_or_another_lab(folder: Path) -> None:
    (folder / "lab.yaml").write_text("lab: small\nzones: [lab.yaml, zone.yaml]\n", encoding="utf-8")
    assert _refused(folder, ZONE.format(title="CT1", port=104))[0] == "wrong-file"


def test_a_zone_file_in_place_of_a_lab_file(folder: Path) -> None:
    _zone(folder, ZONE.format(title="CT1", port=104))
    with pytest.raises(LabFileError) as caught:
        load(Path("zone.yaml"))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "wrong-file"
    assert "zones: [zone.yaml]" in diagnostic.hint


def test_a_link_that_leads_to_itself(folder: Path) -> None:
    (folder / "zone.yaml").symlink_to("zone.yaml")
    with pytest.raises(LabFileError) as caught:
        load(Path("lab.yaml"))
    assert caught.value.diagnostics[0].code == "file-unreadable"
