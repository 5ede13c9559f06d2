"""A machine too old for TLS: clear DICOM in the place of DICOM-TLS, and its peers are told."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from pacslab.compiler.compile import compile_lab
from pacslab.labfile.load import load
from pacslab.model import codec
from pacslab.model.device import DEVICE_FILE, Device
from pacslab.model.dicom import Application
from pacslab.model.plan import Plan

WHY = "    clear_text: Scanners of this age speak no TLS.\n"


def _lab(folder: Path, root: Path, old: str) -> Plan:
    """The minimal lab with one node that listens in clear text only."""
    for path in ("lab/minimal.yaml", "zones/modality.yaml", "zones/pacs-core.yaml", "zones/vendor-remote.yaml"):
        (folder / path).parent.mkdir(exist_ok=True)
        text = (root / path).read_text(encoding="utf-8")
        if f"  {old}:\n    kind:" in text:
            text = text.replace(f"  {old}:\n", f"  {old}:\n    services: [{{name: dicom, port: 104}}]\n")
            text = text.replace("    service: dicom-tls\n", f"    service: dicom\n{WHY}")
        (folder / path).write_text(text, encoding="utf-8")
    zone = folder / "zones/modality.yaml"
    if old == "ct-1":  # `to: "*"` would want clear text of every scanner
        zone.write_text(zone.read_text(encoding="utf-8").replace('to: "*"', "to: ct-1"), encoding="utf-8")
    with contextlib.chdir(folder):
        return compile_lab(load(Path("lab/minimal.yaml")).lab)


def _file(plan: Plan, node: str, path: str) -> Any:
    (text,) = (f.text for c in plan.containers if c.node == node for f in c.files if f.path == path)
    return json.loads(text)


def _device(plan: Plan, node: str) -> Device:
    return codec.decode(Device, _file(plan, node, DEVICE_FILE))  # type: ignore[no-any-return]


def test_an_old_scanner_is_called_in_clear_text_and_calls_over_tls(tmp_path: Path, root: Path) -> None:
    plan = _lab(tmp_path, root, "ct-1")
    ways = {(f.source, f.destination): (f.application, f.port) for f in plan.flows}
    assert ways == {("pacs", "ct-1"): (Application.DICOM, 104), ("ct-1", "pacs"): (Application.DICOM_TLS, 2762)}
    ct = _device(plan, "ct-1")
    assert [(item.application, item.port) for item in ct.listeners] == [(Application.DICOM, 104)]
    pacs = _file(plan, "pacs", "/etc/pacslab/orthanc.json")
    assert pacs["DicomTlsEnabled"] is True
    assert (pacs["DicomModalities"]["ct-1"]["UseDicomTls"], pacs["DicomModalities"]["ct-1"]["Port"]) == (False, 104)


def test_an_old_archive_is_called_in_clear_text(tmp_path: Path, root: Path) -> None:
    plan = _lab(tmp_path, root, "pacs")
    pacs = _file(plan, "pacs", "/etc/pacslab/orthanc.json")
    assert (pacs["DicomTlsEnabled"], pacs["DicomPort"]) == (False, 104)
    assert pacs["DicomModalities"]["ct-1"]["UseDicomTls"] is True
    assert pacs["DicomTlsCertificate"]  # it still calls the scanner over TLS
    peers = {(peer.application, peer.port) for peer in _device(plan, "ct-1").peers}
    assert peers == {(Application.DICOM, 104), (Application.DICOM_TLS, None)}


@pytest.mark.parametrize("old", ["ct-1", "pacs"])
def test_clear_text_opens_no_port_of_its_tls_service(tmp_path: Path, root: Path, old: str) -> None:
    plan = _lab(tmp_path, root, old)
    assert [s.name for s in plan.node(old).services if s.application.value.startswith("dicom")] == ["dicom"]
