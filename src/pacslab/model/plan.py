"""Everything decided before Docker is touched: containers, cables, flows, expectations."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from pacslab.model import codec
from pacslab.model.dicom import Application, Operation, Protocol
from pacslab.model.fabric import Cable
from pacslab.model.lab import Origin, Posture, Service, Setting


class MaterialKind(StrEnum):
    """Secrets and certificates that exist only in the lab's state, never in the plan."""

    PASSWORD = "password"  # noqa: S105 - a kind of material, not one
    BASIC_LOGIN = "basic-login"  # base64 of "user:password", the name's last part being the user
    CERTIFICATE = "certificate"  # PEM chain of the named node
    CERTIFICATE_KEY = "certificate-key"
    CA_CERTIFICATE = "ca-certificate"
    CRL = "crl"  # which certificates the CA has taken back
    SSH_KEY = "ssh-key"  # OpenSSH private key
    SSH_PUBLIC_KEY = "ssh-public-key"


@dataclass(frozen=True, slots=True)
class Material:
    """A named secret or certificate, filled in when a file is copied into its container."""

    kind: MaterialKind
    name: str

    @property
    def token(self) -> str:
        """How a file's text refers to it."""
        return f"{{{{pacslab:{self.kind.value}:{self.name}}}}}"


@dataclass(frozen=True, slots=True)
class File:
    """A file copied into a created container before it starts; its material tokens are filled in then."""

    path: str
    text: str
    mode: int = 0o444
    uid: int = 1000


@dataclass(frozen=True, slots=True)
class Container:
    """One container, as it is to be created: always `network_mode: none`, always without capabilities."""

    name: str
    node: str
    zone: str
    kind: str
    image: str
    command: tuple[str, ...] = ()  # empty: the image's own
    user: str = ""  # empty: the image's own
    environment: tuple[tuple[str, str], ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    files: tuple[File, ...] = ()
    keeps_data: bool = False  # `/var/lib/pacslab` is a volume of the container's name, until `down`
    memory_bytes: int = 0  # 0: no limit
    pids: int = 0  # 0: no limit

    @property
    def digest(self) -> str:
        """SHA-256 over all that is copied into or asked of the engine."""
        return digest(self)


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node with its address, services and place of writing."""

    name: str
    zone: str
    kind: str
    address: IPv4Address
    services: tuple[Service, ...]
    origin: Origin
    ae_title: str | None = None
    address6: IPv6Address | None = None
    settings: tuple[Setting, ...] = ()  # by name

    @property
    def path(self) -> str:
        """The node's full name, `zone/node`."""
        return f"{self.zone}/{self.name}"


@dataclass(frozen=True, slots=True)
class PlannedZone:
    """A zone with its network and gateway."""

    name: str
    network: IPv4Network
    gateway: IPv4Address
    title: str
    origin: Origin
    network6: IPv6Network | None = None
    gateway6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """One permitted conversation: initiating node, responding node, one address family, protocol, port or range."""

    conduit: str
    source: str
    source_address: IPv4Address | IPv6Address
    destination: str
    destination_address: IPv4Address | IPv6Address
    protocol: Protocol
    port: int
    service: str
    application: Application
    operations: tuple[Operation, ...]
    granted: bool  # closed until granted
    origin: Origin
    last_port: int | None = None  # of a range of ports; None: only `port`
    grant_limit_s: int | None = None  # how long one grant lasts at most; None: not limited so

    @property
    def ports(self) -> tuple[int, int]:
        """The first and the last port, both inclusive."""
        return self.port, self.last_port or self.port


@dataclass(frozen=True, slots=True)
class Plan:
    """A lab, decided: a value that says all that `up` will do and all that `verify` will expect."""

    lab: str
    title: str
    posture: Posture
    zones: tuple[PlannedZone, ...]
    nodes: tuple[PlannedNode, ...]
    fabric: Container
    containers: tuple[Container, ...]
    cables: tuple[Cable, ...]
    flows: tuple[Flow, ...]
    ports: tuple[tuple[Protocol, int], ...]  # every port any service of the lab uses
    ruleset: str  # nftables text

    @property
    def digest(self) -> str:
        """SHA-256 over the whole plan."""
        return digest(self)

    def node(self, name: str) -> PlannedNode:
        """The node of that name.

        Raises:
            KeyError: The plan has no such node.
        """
        for node in self.nodes:
            if name in {node.name, node.path}:
                return node
        raise KeyError(name)


def digest(value: object) -> str:
    """SHA-256, in hexadecimal, over a value's meaning: where it was written does not count."""
    text = json.dumps(_without_origins(codec.encode(value)), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_origins(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_origins(item) for key, item in value.items() if key != "origin"}
        case list():
            return [_without_origins(item) for item in value]
    return value
