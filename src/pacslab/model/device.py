"""What a device inside a node is told about itself and its peers: `/etc/pacslab/device.json`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from pacslab.model.dicom import Application, Operation

DEVICE_FILE = "/etc/pacslab/device.json"
TLS_CERTIFICATE = "/etc/pacslab/tls/certificate.pem"
TLS_KEY = "/etc/pacslab/tls/key.pem"
TLS_CA = "/etc/pacslab/tls/ca.pem"
DATA_DIR = "/var/lib/pacslab"


@dataclass(frozen=True, slots=True)
class Listener:
    """A service this device listens with."""

    application: Application
    port: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node this device has a flow with, in either direction."""

    node: str
    address: IPv4Address
    application: Application
    port: int | None  # where the peer listens; None: this device never opens a connection to it
    ae_title: str | None = None
    may_request: tuple[Operation, ...] = ()  # what this device may ask of the peer
    may_be_asked: tuple[Operation, ...] = ()  # what the peer may ask of this device


@dataclass(frozen=True, slots=True)
class Device:
    """A device's identity, its listeners and its peers."""

    node: str
    kind: str  # modality, workstation, ris, ehr
    address: IPv4Address
    ae_title: str | None
    listeners: tuple[Listener, ...]
    peers: tuple[Peer, ...]
    modality: str = ""  # CT, MR, US
    manufacturer: str = ""
    model: str = ""
