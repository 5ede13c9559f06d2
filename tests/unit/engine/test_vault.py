"""Secrets and certificates: strict, stable, and nowhere but in the state and the containers' files."""

import base64
import contextlib
import datetime as dt
import json
import re
import socket
import ssl
import threading
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pacslab.engine.state import State
from pacslab.engine.vault import Vault
from pacslab.model import codec
from pacslab.model.plan import Material, MaterialKind, Plan

ALL = (
    Material(MaterialKind.PASSWORD, "rest/pacs"),
    Material(MaterialKind.BASIC_LOGIN, "gateway/pacs-web"),
    Material(MaterialKind.CA_CERTIFICATE, "lab"),
    Material(MaterialKind.CRL, "lab"),
    Material(MaterialKind.CERTIFICATE, "pacs"),
    Material(MaterialKind.CERTIFICATE_KEY, "pacs"),
    Material(MaterialKind.SSH_KEY, "host/bastion"),
    Material(MaterialKind.SSH_PUBLIC_KEY, "host/bastion"),
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "state")
    made.make()
    return made


@pytest.fixture
def vault(state: State, reference: Plan) -> Vault:
    return Vault(state, reference)


def _certificate(vault: Vault, node: str) -> x509.Certificate:
    text = vault.value(Material(MaterialKind.CERTIFICATE, node))
    return x509.load_pem_x509_certificates(text.encode())[0]


def test_values_are_the_same_when_the_vault_is_opened_again(vault: Vault, state: State, reference: Plan) -> None:
    values = [vault.value(material) for material in ALL]
    identity = vault.id
    vault.keep()
    again = Vault(state, reference)
    assert [again.value(material) for material in ALL] == values
    assert again.id == identity


def test_two_vaults_share_nothing(vault: Vault, tmp_path: Path, reference: Plan) -> None:
    other = State(tmp_path / "other")
    other.make()
    foreign = Vault(other, reference)
    assert vault.id != foreign.id
    for material in ALL:
        assert vault.value(material) != foreign.value(material)


def test_every_name_has_a_password_of_its_own_and_a_long_one(vault: Vault) -> None:
    names = ("rest/pacs", "rest/vna", "database/pacs", "gateway/pacs-web")
    values = [vault.value(Material(MaterialKind.PASSWORD, name)) for name in names]
    assert len(set(values)) == len(names)
    assert [value for value in values if not re.fullmatch(r"[A-Za-z0-9_-]{32}", value)] == []


def test_a_basic_login_is_the_gateways_name_and_its_password(vault: Vault) -> None:
    login = base64.b64decode(vault.value(Material(MaterialKind.BASIC_LOGIN, "gateway/pacs-web"))).decode()
    assert login == "pacs-web:" + vault.value(Material(MaterialKind.PASSWORD, "gateway/pacs-web"))


def test_every_token_of_every_container_is_filled(vault: Vault, reference: Plan) -> None:
    for container in reference.containers:
        for file, data in vault.fill(container):
            assert b"{{pacslab:" not in data, (container.node, file.path)
            assert (data != file.text.encode()) is ("{{pacslab:" in file.text)
            if file.path.endswith(".json"):
                json.loads(data)


def test_nothing_secret_is_in_the_plan_or_readable_by_others(vault: Vault, state: State, reference: Plan) -> None:
    for container in reference.containers:
        vault.fill(container)
    secrets = json.loads(state.read("secrets.json") or b"{}")
    assert len(secrets) > 4
    keys = [
        path.read_text(encoding="utf-8")
        for path in state.folder.rglob("*")
        if path.suffix in {".key", ""} and path.is_file()
    ]
    text = codec.dumps(reference)
    for secret in [*secrets.values(), *(line for key in keys for line in key.splitlines() if len(line) > 40)]:
        assert secret not in text
    readable = {path.suffix for path in state.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077}
    assert readable == {".pem"}


def test_a_node_certificate_names_its_node(vault: Vault, reference: Plan) -> None:
    certificate = _certificate(vault, "pacs")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pacs"]
    assert names.get_values_for_type(x509.IPAddress) == [IPv4Address("198.18.20.10")]
    subject = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert subject == {
        NameOID.ORGANIZATIONAL_UNIT_NAME: "pacs-core",
        NameOID.COMMON_NAME: "pacs",
        NameOID.TITLE: reference.node("pacs").ae_title,
    }


def test_a_node_certificate_can_do_both_ends_and_sign_nothing(vault: Vault) -> None:
    extensions = _certificate(vault, "vna").extensions
    assert set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.digital_signature, usage.value.key_cert_sign) == (True, True, False)
    extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_certificates_are_for_now_and_not_for_ever(vault: Vault) -> None:
    certificate = _certificate(vault, "ris")
    now = dt.datetime.now(dt.UTC)
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
    assert certificate.not_valid_after_utc < now + dt.timedelta(days=100)


def test_certificate_and_key_belong_together(vault: Vault) -> None:
    text = vault.value(Material(MaterialKind.CERTIFICATE_KEY, "pacs"))
    key = serialization.load_pem_private_key(text.encode(), None)
    assert key.public_key() == _certificate(vault, "pacs").public_key()


def test_ssh_keys_belong_together(vault: Vault) -> None:
    private = vault.value(Material(MaterialKind.SSH_KEY, "login/vendor-1"))
    public = vault.value(Material(MaterialKind.SSH_PUBLIC_KEY, "login/vendor-1"))
    assert public.startswith("ssh-ed25519 ")
    key = serialization.load_ssh_private_key(private.encode(), None)
    assert key.public_key() == serialization.load_ssh_public_key(public.encode())


# ---------------------------------------------------------------- handshakes


def _context(vault: Vault, folder: Path, node: str | None, purpose: ssl.Purpose, trust: Vault) -> ssl.SSLContext:
    """A context as strict as Python 3.13's default, with a node's certificate."""
    ca = trust.value(Material(MaterialKind.CA_CERTIFICATE, "lab"))
    context = ssl.create_default_context(purpose, cadata=ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_CRL_CHECK_LEAF
    revocations = folder / "crl.pem"
    revocations.write_text(trust.value(Material(MaterialKind.CRL, "lab")), encoding="utf-8")
    context.load_verify_locations(revocations)
    if node:
        pair = folder / f"{node}.pair"
        pair.write_text(
            vault.value(Material(MaterialKind.CERTIFICATE_KEY, node))
            + vault.value(Material(MaterialKind.CERTIFICATE, node)),
            encoding="utf-8",
        )
        context.load_cert_chain(pair)
    return context


def _meet(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Shake hands over the loopback; what the server learnt of the client, or why it did not come to that."""
    learnt: list[str] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, server.wrap_socket(connection, server_side=True) as stream:
                subject = dict(item[0] for item in stream.getpeercert()["subject"])  # type: ignore[index,misc]
                learnt.append(str(subject["commonName"]))
                stream.sendall(b"!")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=5) as plain,
                client.wrap_socket(plain, server_hostname=name) as stream,
            ):
                # FACTS 1.8: with TLS 1.3 the client learns of a refusal only when it reads.
                assert stream.recv(1) == b"!"
        except (OSError, AssertionError) as error:
            return f"refused: {type(error).__name__}"
        finally:
            thread.join(5)
    return learnt[0]


@pytest.mark.parametrize("name", ["pacs", "198.18.20.10"])
def test_two_nodes_know_each_other_by_name_and_by_address(name: str, vault: Vault, tmp_path: Path) -> None:
    server = _context(vault, tmp_path, "pacs", ssl.Purpose.CLIENT_AUTH, vault)
    client = _context(vault, tmp_path, "vna", ssl.Purpose.SERVER_AUTH, vault)
    assert _meet(server, client, name) == "vna"


def test_a_node_under_another_name_is_refused(vault: Vault, tmp_path: Path) -> None:
    server = _context(vault, tmp_path, "pacs", ssl.Purpose.CLIENT_AUTH, vault)
    client = _context(vault, tmp_path, "vna", ssl.Purpose.SERVER_AUTH, vault)
    assert _meet(server, client, "ris") == "refused: SSLCertVerificationError"


def test_a_visitor_without_certificate_is_refused(vault: Vault, tmp_path: Path) -> None:
    server = _context(vault, tmp_path, "pacs", ssl.Purpose.CLIENT_AUTH, vault)
    client = _context(vault, tmp_path, None, ssl.Purpose.SERVER_AUTH, vault)
    assert _meet(server, client, "pacs").startswith("refused")


def test_a_visitor_from_another_lab_is_refused(vault: Vault, tmp_path: Path, reference: Plan) -> None:
    elsewhere = State(tmp_path / "other")
    elsewhere.make()
    foreign = Vault(elsewhere, reference)
    server = _context(vault, tmp_path, "pacs", ssl.Purpose.CLIENT_AUTH, vault)
    client = _context(foreign, tmp_path, "vna", ssl.Purpose.SERVER_AUTH, vault)
    assert _meet(server, client, "pacs").startswith("refused")
