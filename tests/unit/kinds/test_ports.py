"""A kind's service on another port: its program listens there, and its peers are told."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.compiler.compile import compile_lab
from pacslab.labfile.load import load
from pacslab.model import codec
from pacslab.model.device import DEVICE_FILE, Device
from pacslab.model.plan import Plan

PORTS = {"dicom-tls": 104, "https": 8443, "postgres": 6432, "ssh": 2222, "hl7-tls": 6661}
SERVICES = {  # node -> service that it has elsewhere
    "zones/modality.yaml": [("ct-1", "dicom-tls"), ("ct-1", "ssh")],
    "zones/pacs-core.yaml": [("pacs", "dicom-tls"), ("pacs-web", "https"), ("pacs-db", "postgres")],
    "zones/clinical.yaml": [("ris", "hl7-tls")],
    "zones/vendor-remote.yaml": [("bastion", "ssh")],
}
FileText = Callable[[str, str], str]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Plan:
    """The reference lab with services on other ports."""
    folder = tmp_path_factory.mktemp("moved")
    for path in ("lab/reference.yaml", *(f"zones/{file.name}" for file in (root / "zones").glob("*.yaml"))):
        (folder / path).parent.mkdir(exist_ok=True)
        text = (root / path).read_text(encoding="utf-8")
        entries: dict[str, list[str]] = {}
        for node, service in SERVICES.get(path, ()):
            entries.setdefault(node, []).append(f"{{name: {service}, port: {PORTS[service]}}}")
        for node, written in entries.items():
            text = text.replace(f"  {node}:\n", f"  {node}:\n    services: [{', '.join(written)}]\n")
        (folder / path).write_text(text, encoding="utf-8")
    with contextlib.chdir(folder):
        return compile_lab(load(Path("lab/reference.yaml")).lab)


@pytest.fixture(scope="module")
def text(moved: Plan) -> FileText:
    texts = {(c.node, f.path): f.text for c in moved.containers for f in c.files}
    return lambda node, path: texts[node, path]


def test_flows_and_rules_follow(moved: Plan) -> None:
    ports = {(f.source, f.destination, f.service): f.port for f in moved.flows}
    assert ports["mr-1", "pacs", "dicom-tls"] == ports["pacs", "ct-1", "dicom-tls"] == 104
    assert ports["pacs", "mr-1", "dicom-tls"] == 2762
    assert ports["bastion", "ct-1", "ssh"] == 2222
    assert "198.18.10.11 . 198.18.20.10 . tcp . 104" in moved.ruleset
    assert "198.18.10.11 . 198.18.20.10 . tcp . 2762" not in moved.ruleset


def test_devices_listen_and_call_there(text: FileText) -> None:
    ct, mr = (codec.loads(Device, text(node, DEVICE_FILE)) for node in ("ct-1", "mr-1"))
    assert [listener.port for listener in ct.listeners] == [104]
    assert [listener.port for listener in mr.listeners] == [2762]
    assert {peer.node: peer.port for peer in mr.peers} == {"pacs": 104, "ris": 2762}
    ehr = codec.loads(Device, text("ehr", DEVICE_FILE))
    assert {peer.node: peer.port for peer in ehr.peers} == {"ris": 6661}


def test_orthanc_listens_and_calls_there(text: FileText) -> None:
    pacs = json.loads(text("pacs", "/etc/pacslab/orthanc.json"))
    assert pacs["DicomPort"] == 104
    assert {name: peer["Port"] for name, peer in pacs["DicomModalities"].items()} == {
        "ct-1": 104,
        "mr-1": 2762,
        "us-1": 2762,
        "vna": 2762,
        "reading-1": 2762,
    }
    assert pacs["PostgreSQL"]["Port"] == 6432
    assert "\nport = 6432\n" in text("pacs-db", "/etc/pacslab/postgresql.conf")


def test_the_web_front_listens_there(text: FileText) -> None:
    assert "listen 8443 ssl;" in text("pacs-web", "/etc/pacslab/nginx.conf")
    assert "listen 443 ssl;" in text("cloud-web", "/etc/pacslab/nginx.conf")


def test_ssh_listens_forwards_and_knows_there(text: FileText) -> None:
    for node in ("ct-1", "bastion"):
        assert text(node, "/etc/pacslab/sshd_config").startswith("Port 2222\n")
    assert "PermitOpen 198.18.10.10:2222\n" in text("bastion", "/etc/pacslab/sshd_config")
    assert text("vendor-1", "/var/lib/pacslab/.ssh/config").count("  Port 2222\n") == 2
    known = text("vendor-1", "/var/lib/pacslab/.ssh/known_hosts")
    assert known.startswith("[bastion]:2222,[198.18.60.10]:2222 ")
