"""Databases, devices, ssh and what holds for every kind."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.kinds import KINDS
from pacslab.model import codec
from pacslab.model.device import DEVICE_FILE, Device
from pacslab.model.plan import Plan

FileText = Callable[[str, str], str]
Permitted = dict[tuple[str, str, str], set[str]]
SPOKEN = {"dicom", "dicom-tls", "https", "hl7", "hl7-tls"}


def test_a_kind_is_found_by_its_own_name(root: Path) -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert [kind.image for kind in KINDS.values() if not (root / "compose/images" / kind.image).is_dir()] == []


def test_nobody_enters_the_database_but_the_archive_with_its_own_role(file: FileText) -> None:
    assert file("pacs-db", "/etc/pacslab/pg_hba.conf").splitlines() == [
        "hostssl pacs pacs 198.18.20.10/32 scram-sha-256 clientcert=verify-full",
        "host all all all reject",
    ]
    sql = file("pacs-db", "/etc/pacslab/init.sql")
    assert set(re.findall(r'(?:CREATE|ALTER) ROLE ("\w+")', sql)) == {'"pacs"'}
    assert re.findall(r"PASSWORD '(.*)';", sql) == ["{{pacslab:password:database/pacs}}"]
    assert re.findall(r"CREATE DATABASE (\S+) OWNER ([^\s']+)", sql) == [('"pacs"', '"pacs"')]
    assert "NOSUPERUSER NOCREATEDB NOCREATEROLE" in sql


def test_the_archive_and_the_database_agree_on_the_password(file: FileText) -> None:
    configuration = json.loads(file("pacs", "/etc/pacslab/orthanc.json"))["PostgreSQL"]
    (secret,) = re.findall(r"^postgresql://pacs:(.*)@198", configuration["ConnectionUri"])
    assert f"PASSWORD '{secret}'" in file("pacs-db", "/etc/pacslab/init.sql")


@pytest.mark.parametrize("node", ["ct-1", "mr-1", "us-1", "reading-1", "ris", "ehr", "pacs", "vna"])
def test_a_device_knows_exactly_what_its_conduits_permit(
    node: str, file: FileText, permitted: Permitted, reference: Plan
) -> None:
    device = codec.loads(Device, file(node, DEVICE_FILE))
    said = {}
    for peer in device.peers:
        assert peer.address == reference.node(peer.node).address
        if peer.may_request:
            assert peer.port is not None
            said[node, peer.node, peer.application.value] = {operation.value for operation in peer.may_request}
        if peer.may_be_asked:
            said[peer.node, node, peer.application.value] = {operation.value for operation in peer.may_be_asked}
    meant = {key: value for key, value in permitted.items() if node in key[:2] and key[2] in SPOKEN}
    assert said == meant


@pytest.mark.parametrize(("node", "kind", "modality"), [("ct-1", "modality", "CT"), ("reading-1", "workstation", "")])
def test_a_device_knows_itself(node: str, kind: str, modality: str, file: FileText, reference: Plan) -> None:
    device = codec.loads(Device, file(node, DEVICE_FILE))
    planned = reference.node(node)
    assert (device.node, device.kind, device.address, device.ae_title, device.modality) == (
        node,
        kind,
        planned.address,
        planned.ae_title,
        modality,
    )


def test_ssh_leads_from_the_vendor_over_the_bastion_to_the_one_device(file: FileText) -> None:
    vendor = "{{pacslab:ssh-public-key:login/vendor-1}}\n"
    assert file("bastion", "/etc/pacslab/ssh/authorized_keys") == vendor
    assert file("ct-1", "/etc/pacslab/ssh/authorized_keys") == vendor
    assert "\nAllowTcpForwarding local\nPermitOpen 198.18.10.10:22\n" in file("bastion", "/etc/pacslab/sshd_config")
    assert "\nAllowTcpForwarding no\n" in file("ct-1", "/etc/pacslab/sshd_config")
    client = file("vendor-1", "/var/lib/pacslab/.ssh/config")
    assert re.findall(r"Host (\S+)\n  HostName (\S+)", client) == [
        ("bastion", "198.18.60.10"),
        ("ct-1", "198.18.10.10"),
    ]
    assert client.count("ProxyJump bastion") == 1
    assert client.count("StrictHostKeyChecking yes") == 2


@pytest.mark.parametrize("node", ["bastion", "ct-1"])
def test_sshd_lets_nobody_in_without_a_key(node: str, file: FileText) -> None:
    lines = file(node, "/etc/pacslab/sshd_config").splitlines()
    keys = [line.split()[0] for line in lines]
    assert len(keys) == len(set(keys))  # sshd takes the first of two and says nothing
    for line in ("PasswordAuthentication no", "PermitRootLogin no", "AuthenticationMethods publickey"):
        assert line in lines


def test_only_a_node_that_was_given_a_console_has_sshd(reference: Plan) -> None:
    with_sshd = {c.node for c in reference.containers for f in c.files if f.path == "/etc/pacslab/sshd_config"}
    assert with_sshd == {"bastion", "ct-1"}


def test_files_with_secrets_are_for_their_owner_only(reference: Plan) -> None:
    secret = re.compile(r"\{\{pacslab:(password|basic-login|certificate-key|ssh-key):")
    files = [(c.node, f.path, f.mode) for c in reference.containers for f in c.files if secret.search(f.text)]
    assert files
    assert [entry for entry in files if entry[2] & 0o077] == []


def test_who_speaks_tls_has_a_certificate(reference: Plan) -> None:
    tls = {"https", "hl7-tls", "dicom-tls"}
    speakers = {name for f in reference.flows if f.application.value in tls for name in (f.source, f.destination)}
    holders = {c.node for c in reference.containers for f in c.files if f.path == "/etc/pacslab/tls/key.pem"}
    assert holders == speakers | {"pacs-db"}  # PostgreSQL begins TLS inside its own protocol
