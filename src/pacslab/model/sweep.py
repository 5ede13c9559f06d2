"""What the host and the fabric say to each other about a sweep: probes as packed columns, answers likewise."""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from pacslab.model.dicom import Protocol
from pacslab.model.packet import SYN
from pacslab.model.probe import Manner, ProbeClass

NOBODY = 0xFFFF  # in place of a target: the address is no node's
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """A node as the sweep sees it: a position to probe from and to."""

    node: str
    interface: str
    address: IPv4Address
    gateway: IPv4Address
    pid: int
    address6: IPv6Address | None = None
    gateway6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What many probes have in common."""

    kind: ProbeClass
    version: int  # 4 or 6
    protocol: int
    source_port: int = 0  # 0: the prober's own choice; of ICMP, type and code
    flags: int = SYN
    manner: Manner = Manner.WHOLE
    is_icmp: bool = False


@dataclass(frozen=True, slots=True)
class Talk:
    """A TCP conversation that ICMP errors are about."""

    initiator: int  # target
    source: Address
    destination: Address
    port: int
    is_open: bool = True  # begun before the first probe and held to the last; False: there never was one


@dataclass(frozen=True, slots=True)
class Door:
    """A port of a node to try past the firewall, so that what the firewall does there means something."""

    node: str
    port: int
    protocol: Protocol = Protocol.TCP
    version: int = 4
    is_own: bool = False  # one of the node's own services: tried from its own namespace, too


@dataclass(frozen=True, slots=True)
class Rows:
    """The probes' columns; a probe's place in them is its number."""

    source: array[int]  # target whose cable it leaves by
    claimed: array[int]  # its source address, a place in the request's addresses
    destination: array[int]  # likewise
    port: array[int]  # of an ICMP error: a place in the request's talks
    shape: array[int]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int, int, int]]) -> Rows:
        """Turn rows into columns."""
        columns = tuple(array("H") for _ in range(5))
        add = [column.append for column in columns]
        for row in rows:
            for append, value in zip(add, row, strict=True):
                append(value)
        return cls(*columns)

    def packed(self) -> str:
        """As text: numbers of 16 bits one column after the other, little end first, compressed."""
        return pack(
            b"".join(_little(c).tobytes() for c in (self.source, self.claimed, self.destination, self.port, self.shape))
        )

    @classmethod
    def unpacked(cls, text: str) -> Rows:
        """The columns that `packed` wrote.

        Raises:
            ValueError: The text is something else.
        """
        data = unpack(text)
        if len(data) % 10:
            raise ValueError("packed rows of another width")
        size = len(data) // 5
        return cls(*(_little(array("H", data[n * size : (n + 1) * size])) for n in range(5)))


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """Send every probe once, with controls, and say where each one ended."""

    targets: tuple[Target, ...]
    addresses: tuple[Address, ...]  # that probes come from and go to
    owners: tuple[int, ...]  # whose each address is: a place in the targets, or NOBODY
    shapes: tuple[Shape, ...]
    rows: str  # Rows, packed
    confirm: tuple[int, ...] = ()  # probes to repeat as full TCP connections (expected to be allowed)
    doors: tuple[Door, ...] = ()
    talks: tuple[Talk, ...] = ()
    rate_per_s: int = 40_000
    settle_s: float = 0.5  # how long to wait for stragglers after the last probe
    connect_timeout_s: float = 3.0


class Fate(StrEnum):
    """Where a probe's packet ended; of several attempts the last of these counts."""

    UNSENT = "unsent"  # never left the sender
    LOST = "lost"  # nothing accounts for it: nobody may conclude anything
    DISCARDED = "discarded"  # the fabric's kernel does not speak IPv6, and counted it
    REJECTED = "rejected"  # the source was told no, and not by the receiver
    DROPPED = "dropped"  # named by the firewall's own log
    ARRIVED = "arrived"  # seen at a receiver's end of its cable


class Reply(StrEnum):
    """What came back, seen on the wire."""

    NONE = "none"
    SYN_ACK = "syn-ack"
    RST = "rst"
    ICMP = "icmp"  # an error about it
    ECHO = "echo"


class Connect(StrEnum):
    """How a full connection ended."""

    CONNECTED = "connected"
    REFUSED = "refused"
    TIMED_OUT = "timed-out"
    UNREACHABLE = "unreachable"
    NOT_TRIED = "not-tried"


FATES, REPLIES = tuple(Fate), tuple(Reply)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a probe's full connection ended."""

    probe: int
    outcome: Connect
    attempts: int
    source_seen: Address | None  # by the receiver


@dataclass(frozen=True, slots=True)
class Sighting:
    """An arrival that is not as sent: from another source, or at a node that it was not meant for."""

    probe: int
    node: str
    source: Address


@dataclass(frozen=True, slots=True)
class Control:
    """Proof in the same run that a target is alive and its cable and capture work."""

    node: str
    port: int
    reached: bool  # the fabric's own control probe was captured at the node's end of the cable
    reply: Reply  # what the node's stack answered: SYN-ACK where it listens, RST where it does not
    protocol: Protocol = Protocol.TCP
    version: int = 4
    own: Connect = Connect.NOT_TRIED  # a connection to it from its own namespace


@dataclass(frozen=True, slots=True)
class Extra:
    """Something in a node's namespace that gives it another way out, or in the fabric's that should not be there."""

    node: str  # empty: the fabric
    what: str  # "link eth1", "address fe80::1"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """The answer to a SweepRequest. Sent = arrived + dropped + rejected + discarded + lost."""

    fates: str  # packed: of each probe one byte, its fate's place in FATES, and eight times its reply's in REPLIES
    words: str  # packed: of each probe one byte, a place in `prefixes`
    prefixes: tuple[str, ...]  # the firewall's words for drops, e.g. "pacslab:no-conduit"; the first is empty
    sent: int
    arrived: int
    dropped: int
    rejected: int
    discarded: int
    lost: int
    counted_drops: int  # how far the firewall's own deny counters advanced meanwhile
    elapsed_s: float
    sightings: tuple[Sighting, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    controls: tuple[Control, ...] = ()  # one for each door
    extras: tuple[Extra, ...] = ()
    foreign_drops: int = 0  # log entries meanwhile about packets that were not the sweep's
    notes: tuple[str, ...] = ()  # what makes the evidence weaker, in whole sentences; empty if nothing does


def pack(data: bytes) -> str:
    """Bytes as text, compressed: columns repeat themselves, so that little is left of them."""
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


def unpack(text: str) -> bytes:
    """The bytes that `pack` was given.

    Raises:
        ValueError: The text is something else.
    """
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(f"packed columns: {error}") from error


def _little(column: array[int]) -> array[int]:
    if sys.byteorder == "big":
        column = array("H", column)
        column.byteswap()
    return column
