"""A small world on the loopback: nodes with a device.json each, as real processes."""

import contextlib
import datetime as dt
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pynetdicom.transport import AssociationSocket

from pacslab.devices.association import Wire
from pacslab.devices.command import main
from pacslab.model import codec
from pacslab.model.device import Device, Listener, Observation, Peer, parse_observation
from pacslab.model.dicom import Application, Operation


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class World:
    """One node: its files, and its programs as processes."""

    folder: Path
    device: Device
    tls: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(codec.dumps(self.device), encoding="utf-8")

    @property
    def file(self) -> Path:
        return self.folder / "device.json"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PACSLAB_DEVICE": str(self.file),
            "PACSLAB_DATA": str(self.data),
            "PACSLAB_TLS": str(self.tls or self.folder / "tls"),
            "PACSLAB_REST": str(self.folder / "rest.json"),
            "PACSLAB_SSHD_CONFIG": str(self.folder / "sshd_config"),
        }

    def run(self, *arguments: str) -> tuple[int, Observation]:
        """Run a command of this node in this process; exit code and observation."""
        handler = signal.getsignal(signal.SIGTERM)
        output = io.StringIO()
        try:
            with environment_of(self.environment), contextlib.redirect_stdout(output):
                code = main(arguments)
        finally:
            signal.signal(signal.SIGTERM, handler)
        return code, parse_observation(output.getvalue())

    def raw(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pacslab.devices", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pacslab.devices", "serve"], env=self.environment, stdout=log, stderr=log
            )
        try:
            for listener in self.device.listeners:
                wait_for_port(listener.port, process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process.poll() is None, "serve died"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@contextlib.contextmanager
def environment_of(environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


LOOPBACK = IPv4Address("127.0.0.1")


def make_device(node: str, kind: str, **more: object) -> Device:
    device = Device(node=node, kind=kind, address=LOOPBACK, ae_title=None, listeners=(), peers=(), modality="")
    return replace(device, **more)  # type: ignore[arg-type]


def make_peer(node: str, ae_title: str | None, port: int | None, **more: object) -> Peer:
    peer = Peer(node=node, address=LOOPBACK, application=Application.DICOM, port=port, ae_title=ae_title)
    return replace(peer, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _sockets_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    # pynetdicom leaves a socket open that its peer has closed first; in these tests its servers are ours to tidy.
    monkeypatch.setattr(AssociationSocket, "_shutdown_socket", Wire._shutdown_socket)


@pytest.fixture
def world(tmp_path: Path) -> Callable[[Device], World]:
    return lambda device: World(tmp_path / device.node, device)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """A scanner that may C-ECHO and C-STORE, and a workstation that serves; for a whole module."""
    tmp_path = tmp_path_factory.mktemp("pair")
    port = free_port()
    scanner = make_device(
        "ct-1", "modality", ae_title="CT1", modality="CT", peers=(make_peer("reading-1", "READ1", port),)
    )
    workstation = make_device(
        "reading-1",
        "workstation",
        ae_title="READ1",
        listeners=(Listener(Application.DICOM, port),),
        peers=(
            make_peer("ct-1", "CT1", None, may_be_asked=(Operation.C_ECHO, Operation.C_STORE)),
            make_peer("us-1", "US1", None, may_be_asked=(Operation.C_STORE,)),
            make_peer("mr-1", "MR1", None, address=IPv4Address("127.0.0.9"), may_be_asked=(Operation.C_ECHO,)),
        ),
    )
    serving = World(tmp_path / "reading-1", workstation)
    with serving.serving():
        yield World(tmp_path / "ct-1", scanner), serving


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make TLS folders of nodes under one CA; another CA by another name."""
    root = tmp_path_factory.mktemp("pki")
    authorities: dict[str, tuple[x509.Certificate, ec.EllipticCurvePrivateKey]] = {}

    def make(node: str, ca: str = "lab") -> Path:
        if ca not in authorities:
            authorities[ca] = make_authority(ca)
        folder = root / f"{ca}-{node}"
        folder.mkdir(exist_ok=True)
        write_leaf(folder, node, *authorities[ca])
        return folder

    return make


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(subject))
        .issuer_name(name_of(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def usage(**allowed: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def make_authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def write_leaf(folder: Path, node: str, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = str(ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        builder(node, issuer, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(node)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
