"""A lab as written: zones, nodes, services and conduits, each knowing where it was written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pacslab.model.dicom import Application, Operation, Protocol


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Criticality(StrEnum):
    """What its failure would cost (FIPS 199's three levels of impact)."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


class Posture(StrEnum):
    """How much of the policy the firewall enforces."""

    SEGMENTED = "segmented"  # flows only
    ZONED = "zoned"  # free inside a zone, flows between zones
    FLAT = "flat"  # all open


@dataclass(frozen=True, slots=True)
class Service:
    """Something a node listens with."""

    name: str
    application: Application
    port: int
    protocol: Protocol = Protocol.TCP
    last_port: int | None = None  # of a range of ports; None: only `port`

    @property
    def ports(self) -> tuple[int, int]:
        """The first and the last port, both inclusive."""
        return self.port, self.last_port or self.port


@dataclass(frozen=True, slots=True)
class Setting:
    """One kind-specific setting of a node, as written."""

    name: str
    values: tuple[str, ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the lab: one network identity, one address, one cable."""

    name: str
    zone: str
    kind: str
    address: IPv4Address
    origin: Origin
    title: str = ""
    ae_title: str | None = None
    address6: IPv6Address | None = None
    manufacturer: str = ""
    model: str = ""
    criticality: Criticality | None = None
    services: tuple[Service, ...] = ()
    settings: tuple[Setting, ...] = ()

    @property
    def path(self) -> str:
        """The node's full name, `zone/node`."""
        return f"{self.zone}/{self.name}"

    def service(self, name: str) -> Service | None:
        """The service of that name, if the node has it."""
        return next((service for service in self.services if service.name == name), None)

    def setting(self, name: str) -> tuple[str, ...]:
        """The values of a setting; empty if it was not written."""
        return next((setting.values for setting in self.settings if setting.name == name), ())


@dataclass(frozen=True, slots=True)
class Conduit:
    """A permitted passage, as written: from whom, to which service, which operations, why, by whose leave."""

    id: str
    zone: str  # the zone whose file accepts it
    sources: tuple[str, ...]  # node paths, resolved; empty when the other zone is absent from the lab
    destinations: tuple[str, ...]  # node paths, resolved
    service: str
    operations: tuple[Operation, ...]
    why: str
    origin: Origin
    references: tuple[str, ...] = ()
    owner: str = ""
    until: dt.date | None = None
    granted: bool = False  # closed until granted
    grant_limit_s: int | None = None  # how long one grant lasts at most; None: not limited so
    clear_text: str = ""  # why it is tolerated that this can be read on the way
    whole_zones: tuple[str, ...] = ()  # zones of the lab that `from` names as a whole
    to_all: bool = False  # `to` is every node of the zone


@dataclass(frozen=True, slots=True)
class Zone:
    """A group of nodes with one trust level (IEC 62443 sense)."""

    name: str
    network: IPv4Network
    nodes: tuple[Node, ...]
    conduits: tuple[Conduit, ...]
    origin: Origin
    title: str = ""
    purpose: str = ""
    trust: str = ""
    network6: IPv6Network | None = None
    security_level: int | None = None  # SL-T, IEC 62443-3-3: 0 to 4

    @property
    def gateway(self) -> IPv4Address:
        """The zone's first address, which the fabric answers."""
        return self.network.network_address + 1

    @property
    def gateway6(self) -> IPv6Address | None:
        """The zone's first IPv6 address, where it has an IPv6 network."""
        return self.network6.network_address + 1 if self.network6 else None


@dataclass(frozen=True, slots=True)
class Lab:
    """Everything started together, from one lab file."""

    name: str
    posture: Posture
    zones: tuple[Zone, ...]
    origin: Origin
    title: str = ""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, zone by zone, as written."""
        return tuple(node for zone in self.zones for node in zone.nodes)

    @property
    def conduits(self) -> tuple[Conduit, ...]:
        """All conduits, zone by zone, as written."""
        return tuple(conduit for zone in self.zones for conduit in zone.conduits)
