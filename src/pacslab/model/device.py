"""What a device inside a node is told (`/etc/pacslab/device.json`) and what it says it saw (its one JSON answer)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Any

from pacslab.model import codec
from pacslab.model.dicom import Application, Operation

DEVICE_FILE = "/etc/pacslab/device.json"
TLS_FOLDER = "/etc/pacslab/tls"
TLS_CERTIFICATE = "/etc/pacslab/tls/certificate.pem"
TLS_KEY = "/etc/pacslab/tls/key.pem"
TLS_CA = "/etc/pacslab/tls/ca.pem"
TLS_CRL = "/etc/pacslab/tls/crl.pem"
REST_FILE = "/etc/pacslab/rest.json"  # the login of Orthanc's own REST: {"user": ..., "password": ...}
DATA_DIR = "/var/lib/pacslab"
ORTHANC_FILE = "/etc/pacslab/orthanc.json"
FORWARDED = "forwarded"  # an archive's metadata of a study: what has been delivered where


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
    schedule_s: int | None = None  # a scanner that works by itself: how often
    forwards: tuple[str, ...] = ()  # peers that get every complete study


class Layer(StrEnum):
    """Which layer answered or refused."""

    LOCAL = "local"  # nothing was sent: the device's own files
    TCP = "tcp"
    TLS = "tls"
    ASSOCIATION = "association"
    DIMSE = "dimse"
    HTTP = "http"
    HL7 = "hl7"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one operation of a device saw."""

    operation: str
    peer: str
    ok: bool  # the operation's own success status came back
    layer: Layer
    status: str  # "0x0000", "A-ASSOCIATE-RJ 1/1/3", "A-ABORT 2/0", "connection refused", "timed out", "AA"
    detail: str
    elapsed_s: float
    facts: dict[str, Any] = field(default_factory=dict)  # what only this operation says; JSON values


_COMMON = tuple(item.name for item in fields(Observation) if item.name != "facts")


def observation_text(observation: Observation) -> str:
    """Write an observation as the one JSON document a device prints; its facts stand beside the common fields."""
    common = {name: codec.encode(getattr(observation, name)) for name in _COMMON}
    return json.dumps({**common, **observation.facts, **common}, ensure_ascii=False)


def parse_observation(text: str | bytes) -> Observation:
    """Read the JSON document a device printed.

    Raises:
        ValueError: The text is not one.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("expected an object")
    common = {name: document.pop(name) for name in _COMMON if name in document}
    observation: Observation = codec.decode(Observation, {**common, "facts": document})
    return observation
