"""Environment and device.json -> who this node is, and where its data, TLS files and login lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pacslab.model import codec
from pacslab.model.device import (
    DATA_DIR,
    DEVICE_FILE,
    REST_FILE,
    TLS_CA,
    TLS_CERTIFICATE,
    TLS_CRL,
    TLS_KEY,
    Device,
    Peer,
)
from pacslab.model.dicom import Application, Operation

SSHD_CONFIG = "/etc/pacslab/sshd_config"


class UsageError(ValueError):
    """The command line asks for something this node cannot even try."""


@dataclass(frozen=True, slots=True)
class Home:
    """A node as its own programs see it."""

    device: Device
    data: Path
    certificate: Path
    key: Path
    ca: Path
    crl: Path
    rest: Path
    sshd_config: Path

    def folder(self, name: str) -> Path:
        """A folder below the data directory, made if it is not there."""
        path = self.data / name
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to call, and under which names."""

    node: str
    address: str
    port: int
    application: Application
    called_ae: str = ""
    calling_ae: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """What the command line says instead of the peer's entry; an attacker's choices."""

    address: str | None = None
    port: int | None = None
    called_ae: str | None = None
    calling_ae: str | None = None
    application: Application | None = None


def read_home(environment: Mapping[str, str]) -> Home:
    """Read this node's identity; the paths may be moved with PACSLAB_DEVICE, _DATA, _TLS, _REST and _SSHD_CONFIG.

    Raises:
        UsageError: There is no readable device.json.
    """
    path = Path(environment.get("PACSLAB_DEVICE", DEVICE_FILE))
    try:
        device = codec.loads(Device, path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read who this node is: {path}: {error}") from error
    tls = Path(environment.get("PACSLAB_TLS", str(Path(TLS_KEY).parent)))
    return Home(
        device=device,
        data=Path(environment.get("PACSLAB_DATA", DATA_DIR)),
        certificate=tls / Path(TLS_CERTIFICATE).name,
        key=tls / Path(TLS_KEY).name,
        ca=tls / Path(TLS_CA).name,
        crl=tls / Path(TLS_CRL).name,
        rest=Path(environment.get("PACSLAB_REST", REST_FILE)),
        sshd_config=Path(environment.get("PACSLAB_SSHD_CONFIG", SSHD_CONFIG)),
    )


def choose_target(device: Device, node: str, speaks: frozenset[Application], override: Override) -> Target:
    """Find the peer of that name that speaks one of the applications, as far as it is not overridden.

    Raises:
        UsageError: Address or port are neither in the peer's entry nor given.
    """
    peer = _entry(device, node, speaks, override.application)
    address = override.address or (str(peer.address) if peer else None)
    port = override.port or (peer.port if peer else None)
    if address is None or port is None:
        missing = "no address" if address is None else "no port"
        raise UsageError(f"{missing} known for {node}: its peers are {_names(device)}; or give --address and --port")
    return Target(
        node=node,
        address=address,
        port=port,
        application=override.application or (peer.application if peer else min(speaks)),
        called_ae=override.called_ae or (peer.ae_title if peer else None) or "ANY-SCP",
        calling_ae=override.calling_ae or device.ae_title or device.node.upper()[:16],
    )


def peer_for(device: Device, operation: Operation, named: str | None = None) -> str:
    """Name the peer of which this device may ask an operation; the first by address if there are several.

    Raises:
        UsageError: There is none, or not the one that is named.
    """
    offering = [peer.node for peer in device.peers if operation in peer.may_request and peer.port is not None]
    if named in {None, ""}:
        if offering:
            return offering[0]
        raise UsageError(f"{device.node} may ask {operation.value} of nobody: no conduit of its lab says so")
    if named not in offering:
        allowed = ", ".join(offering) or "nobody"
        raise UsageError(f"{device.node} may not ask {operation.value} of {named}: only of {allowed}")
    return str(named)


def _entry(device: Device, node: str, speaks: frozenset[Application], application: Application | None) -> Peer | None:
    wanted = frozenset({application}) if application else speaks
    entries = [peer for peer in device.peers if peer.node == node]
    speaking = [peer for peer in entries if peer.application in wanted]
    return next((peer for peer in speaking if peer.port is not None), next(iter(speaking or entries), None))


def _names(device: Device) -> str:
    return ", ".join(sorted({peer.node for peer in device.peers})) or "none"
