"""A small world on the loopback: nodes with a device.json each, as real processes."""

import contextlib
import datetime as dt
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from pynetdicom.transport import AssociationSocket

from pacslab.devices.association import Wire
from pacslab.devices.command import main
from pacslab.engine import pki
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


class Authorities:
    """TLS folders of nodes under one CA, or another one by another name; all nodes live on the loopback."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: dict[str, pki.Authority] = {}
        self.lists: dict[str, x509.CertificateRevocationList] = {}

    def __call__(
        self, node: str, ca: str = "lab", *, ae_title: str | None = None, address: str = "127.0.0.1", **validity: Any
    ) -> Path:
        """Make a node's folder; `begins` and `days` say when its certificate is valid."""
        authority = self.made.setdefault(ca, pki.new_authority(ca))
        folder = Path(tempfile.mkdtemp(prefix=f"{ca}-{node}-", dir=self.root))
        profile = pki.Profile(node, "loopback", IPv4Address(address), ae_title, listens=True, calls=True)
        key = pki.new_key()
        (folder / "key.pem").write_bytes(pki.key_pem(key))
        (folder / "certificate.pem").write_bytes(pki.pem(authority.issue(profile, key, **validity)))
        (folder / "ca.pem").write_bytes(pki.pem(authority.certificate))
        self.lists.setdefault(ca, authority.revocations((), None))
        self.publish(folder, ca)
        return folder

    def publish(self, folder: Path, ca: str = "lab") -> None:
        """Bring the CA's latest list to a folder."""
        fresh = folder / "crl.new"
        fresh.write_bytes(pki.pem(self.lists[ca]))
        fresh.replace(folder / "crl.pem")

    def revoke(self, folder: Path, ca: str = "lab") -> None:
        """Put the certificate of a folder on the CA's list."""
        serial = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes()).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(dt.datetime.now(dt.UTC)).build()
        before = self.lists[ca]
        self.lists[ca] = self.made[ca].revocations((*before, entry), before)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("pki"))
