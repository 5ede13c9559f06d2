"""What the host and the fabric say to each other: cables to lay, services to greet, what to look at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from pacslab.model.dicom import Application, Protocol


@dataclass(frozen=True, slots=True)
class Cable:
    """The veth pair between a node and the fabric."""

    node: str
    interface: str  # name of the fabric's end, at most 15 characters
    address: IPv4Address  # the node's, a /32
    gateway: IPv4Address  # the zone's, answered by the fabric on this cable
    address6: IPv6Address | None = None  # a /128, where the zone has an IPv6 network
    gateway6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Plug:
    """A cable and the running container it ends in."""

    cable: Cable
    pid: int  # of the container's first process, as the engine's host sees it


@dataclass(frozen=True, slots=True)
class WireRequest:
    """Lay these cables and take away every other one."""

    plugs: tuple[Plug, ...]


class CableState(StrEnum):
    """What was done, or is the matter, with one cable."""

    LAID = "laid"
    KEPT = "kept"
    REMOVED = "removed"
    MISSING = "missing"  # observed: not there or not complete


@dataclass(frozen=True, slots=True)
class CableReport:
    """What the fabric did with, or sees of, one cable."""

    node: str
    interface: str
    state: CableState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WireReport:
    """The answer to a WireRequest."""

    cables: tuple[CableReport, ...]
    rules_as_loaded: bool = True  # False: somebody changed the loaded rules since


class Sight(StrEnum):
    """What a namespace can hold."""

    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"
    SYSCTL = "sysctl"
    GONE = "gone"  # the namespace itself


@dataclass(frozen=True, slots=True)
class LookRequest:
    """Look at the fabric's namespace, at those the plugs end in, and at these sysctls of each."""

    plugs: tuple[Plug, ...]
    sysctls: tuple[str, ...]  # of the fabric
    node_sysctls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing a namespace holds."""

    node: str  # empty: the fabric
    sight: Sight
    what: str  # "pacs", "198.18.20.10/32 dev eth0", "0.0.0.0/0 via 198.18.20.1 dev eth0", "net.ipv4.ip_forward=1"


@dataclass(frozen=True, slots=True)
class LookReport:
    """The answer to a LookRequest."""

    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Greeting:
    """A service to greet from inside its own node, in its own protocol."""

    node: str
    pid: int
    address: IPv4Address
    service: str
    port: int
    application: Application


@dataclass(frozen=True, slots=True)
class GreetRequest:
    """Greet every service until it answers or the time is up."""

    greetings: tuple[Greeting, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """How a service answered its greeting."""

    node: str
    service: str
    ready: bool
    detail: str  # "A-ASSOCIATE-RJ 1/1/3", "SSH-2.0-OpenSSH_10.0", "connection refused"
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class GreetReport:
    """The answer to a GreetRequest."""

    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """Say what listens in the namespaces that these plugs end in."""

    plugs: tuple[Plug, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits for whoever comes: TCP that listens, UDP that is bound and has no peer."""

    node: str
    protocol: Protocol
    address: IPv4Address | IPv6Address  # 0.0.0.0 and :: are every address of the node
    port: int
    program: str  # as the kernel calls it, at most 15 characters; empty: it cannot be told


@dataclass(frozen=True, slots=True)
class Unseen:
    """A node that could not be looked into."""

    node: str
    why: str


@dataclass(frozen=True, slots=True)
class ListenReport:
    """The answer to a ListenRequest."""

    listeners: tuple[Listener, ...]
    unseen: tuple[Unseen, ...] = ()
