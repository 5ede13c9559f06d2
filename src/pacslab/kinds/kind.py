"""What a node kind is: its settings, its services, and a function from its seat in the lab to its container's parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Any

from pacslab.model.device import TLS_CA, TLS_CERTIFICATE, TLS_CRL, TLS_KEY
from pacslab.model.dicom import CERTIFICATE_APPLICATIONS, DIMSE_APPLICATIONS, Application, Operation
from pacslab.model.lab import Node, Service
from pacslab.model.plan import File, Flow, Material, MaterialKind

MIB = 2**20

DICOM_TLS = Service("dicom-tls", Application.DICOM_TLS, 2762)  # PS3.15 B.12
HL7_TLS = Service("hl7-tls", Application.HL7_TLS, 2576)
# What a zone file may ask for in place of each: machines too old for TLS.
CLEAR: Mapping[str, Service] = MappingProxyType(
    {DICOM_TLS.name: Service("dicom", Application.DICOM, 11112), HL7_TLS.name: Service("hl7", Application.HL7, 2575)}
)


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """A setting that a node of some kind may have."""

    name: str
    meaning: str
    required: bool = False
    many: bool = False
    pairs: bool = False  # a mapping of words; its values are kept as `name=value`
    choices: tuple[str, ...] = ()
    pattern: str = ""  # a regular expression that the whole word must match
    example: str = ""
    names_node: bool = False  # each value names a node, `node` or `zone/node`


@dataclass(frozen=True, slots=True)
class Seat:
    """A node as its kind sees it: itself, the lab's nodes by name, and their flows."""

    lab: str
    node: Node
    nodes: Mapping[str, Node]
    flows_into: Mapping[str, tuple[Flow, ...]]  # by responding node
    flows_out_of: Mapping[str, tuple[Flow, ...]]  # by initiating node

    @property
    def incoming(self) -> tuple[Flow, ...]:
        """Flows that others open to this node."""
        return self.flows_into.get(self.node.name, ())

    @property
    def outgoing(self) -> tuple[Flow, ...]:
        """Flows that this node opens."""
        return self.flows_out_of.get(self.node.name, ())

    @property
    def peers(self) -> tuple[Node, ...]:
        """Every node with a flow from or to this one, by address."""
        names = {flow.source for flow in self.incoming} | {flow.destination for flow in self.outgoing}
        return tuple(sorted((self.nodes[name] for name in names), key=lambda node: node.address))

    def named(self, setting: str) -> tuple[Node, ...]:
        """The nodes that a setting names and the lab has."""
        names = (value.rpartition("/")[2] for value in self.node.setting(setting))
        return tuple(self.nodes[name] for name in names if name in self.nodes)

    def asked_by(self, peer: Node) -> tuple[Operation, ...]:
        """The DIMSE operations that a peer may ask of this node."""
        return _operations(flow for flow in self.incoming if flow.source == peer.name)

    def asks_of(self, peer: Node) -> tuple[Operation, ...]:
        """The DIMSE operations that this node may ask of a peer."""
        return _operations(flow for flow in self.outgoing if flow.destination == peer.name)

    def reached_by(self, *applications: str) -> tuple[Flow, ...]:
        """Incoming flows of these applications."""
        return tuple(flow for flow in self.incoming if flow.application in applications)

    def reaches(self, *applications: str) -> tuple[Flow, ...]:
        """Outgoing flows of these applications."""
        return tuple(flow for flow in self.outgoing if flow.application in applications)

    def visitors(self, application: Application) -> tuple[Node, ...]:
        """Who comes to this node by an application, also by way of a node that forwards to it."""
        seen: dict[str, Node] = {}
        waiting = [flow.source for flow in self.reached_by(application)]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen[name] = self.nodes[name]
            waiting += [f.source for f in self.flows_into.get(name, ()) if f.application is application]
        return tuple(sorted(seen.values(), key=lambda node: node.address))

    @property
    def speaks_tls(self) -> bool:
        """Whether this node listens or calls with something that shows a certificate."""
        listens = any(service.application in CERTIFICATE_APPLICATIONS for service in self.node.services)
        return listens or bool(self.reaches(*CERTIFICATE_APPLICATIONS))

    def address(self, name: str) -> IPv4Address:
        """The address of a node of the lab."""
        return self.nodes[name].address

    def port(self, service: str) -> int:
        """The port of a service that this node's kind gives it; the zone file may have moved it.

        Raises:
            ValueError: The kind gives it no such service.
        """
        found = self.node.service(service)
        if found is None:
            raise ValueError(f"{self.node.path} has no service {service!r}")
        return found.port


@dataclass(frozen=True, slots=True)
class Parts:
    """What a kind decides of its container."""

    files: tuple[File, ...] = ()
    image: str = ""  # empty: the one that the kind names
    user: str = ""  # empty: the image's own
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    keeps_data: bool = False  # its data directory outlives the container, until `down`
    memory_bytes: int = 512 * MIB
    pids: int = 256


@dataclass(frozen=True, slots=True)
class Kind:
    """A node kind. To add one: a file here, a folder in `compose/images/`, a line in `KINDS`."""

    name: str
    title: str
    image: str  # a folder of compose/images/; empty: each node names its own image
    services: Callable[[Node], tuple[Service, ...]]
    parts: Callable[[Seat], Parts]
    settings: tuple[SettingSpec, ...] = ()
    needs_ae_title: bool = False
    takes_ae_title: bool = False
    attempts: frozenset[Operation] = frozenset()  # operations its `device` command can try
    fixed_ports: frozenset[str] = frozenset()  # services whose port its programs know by heart
    takes_up_tls: tuple[str, ...] = ()  # makes changed TLS files count in a running node; empty: it looks by itself
    checks_revocation: bool = True  # whether its programs read the CA's revocation list
    serves_anything: bool = False  # its program is the writer's own, and listens as the writer says

    def setting(self, name: str) -> SettingSpec | None:
        """The setting of that name, if the kind has it."""
        return next((spec for spec in self.settings if spec.name == name), None)


def port(node: Node, applications: Iterable[Application], otherwise: int) -> int:
    """The port of a node's first service of these applications, whatever it is called; `otherwise` if it has none."""
    spoken = frozenset(applications)
    return next((service.port for service in node.services if service.application in spoken), otherwise)


def json_file(path: str, value: Any, *, mode: int = 0o444) -> File:
    """A JSON file, readable by people, the same for the same value."""
    return File(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", mode)


def password(name: str) -> str:
    """The token of a generated password; filled in when the file is copied."""
    return Material(MaterialKind.PASSWORD, name).token


def tls_files(node: Node) -> tuple[File, ...]:
    """A node's certificate, its key, the lab's CA and what that has revoked, under `/etc/pacslab/tls/`."""
    return (
        File(TLS_CA, Material(MaterialKind.CA_CERTIFICATE, "lab").token),
        File(TLS_CRL, Material(MaterialKind.CRL, "lab").token),
        File(TLS_CERTIFICATE, Material(MaterialKind.CERTIFICATE, node.name).token),
        File(TLS_KEY, Material(MaterialKind.CERTIFICATE_KEY, node.name).token, 0o400),
    )


def _operations(flows: Iterable[Flow]) -> tuple[Operation, ...]:
    wanted = {op for flow in flows if flow.application in DIMSE_APPLICATIONS for op in flow.operations}
    return tuple(op for op in Operation if op in wanted)
