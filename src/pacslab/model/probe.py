"""What a sweep asks of the firewall: classes of probes, and one probe with all that decides its fate."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from pacslab.model.packet import EPHEMERAL, SYN, Packet, State


class ProbeClass(StrEnum):
    """What a probe asks."""

    SERVICE = "service"  # a port that some service of the lab listens on, in that service's protocol
    TRANSPORT = "other transport"  # the same port number in the other of TCP and UDP
    BOUNDARY = "boundary port"  # next to a service's port, or to an end of its range
    WATCH = "watched port"  # what intruders try first
    CANARY = "canary port"  # a port that nothing has to do with
    PROTOCOL = "other protocol"  # neither TCP nor UDP, with a flow's addresses and port
    ECHO = "icmp echo"
    NO_IPV6 = "ipv6"  # over IPv6 where a node has none: addresses made up, or put on by somebody
    SPOOFED = "spoofed source"  # another node's address from this cable
    ACK = "stray ack"  # of no conversation
    SYN_ACK = "stray syn-ack"  # of no conversation
    FLAGS = "stray flags"  # FIN, RST, none, SYN with FIN: of no conversation
    REPLY = "reply direction"  # the responder opens back from its service's port
    FRAGMENT = "fragment"  # a denied conversation's beginning in two pieces
    CHECKSUM = "wrong checksum"  # a permitted conversation's beginning, damaged
    ERROR = "icmp error"  # about an open conversation of others, or about none
    LAST_HOP = "last hop"  # a permitted conversation's beginning whose time to live ends in the fabric
    UNASSIGNED = "unassigned address"  # of a zone's network
    FABRIC = "fabric"  # a gateway's address
    BROADCAST = "broadcast"
    MULTICAST = "multicast"


class Manner(StrEnum):
    """How a packet is made."""

    WHOLE = "whole"
    FRAGMENTS = "fragments"  # put together again before any rule sees it (nf_defrag, priority -400)
    DAMAGED = "damaged"  # its transport checksum is wrong
    LAST_HOP = "last hop"  # its time to live is 1


class Probe(NamedTuple):
    """One packet from a node's own cable, and what the policy says of it."""

    kind: ProbeClass
    source: str  # the node whose cable it comes in on
    destination: str  # a node; `fabric`; a zone, where nobody has the address; EVERYBODY
    source_address: IPv4Address | IPv6Address  # as claimed
    destination_address: IPv4Address | IPv6Address
    protocol: int
    destination_port: int = 0  # ICMP: type and code are in the source port, as in `Packet`
    source_port: int = EPHEMERAL  # EPHEMERAL: any that the prober likes
    flags: int = SYN  # of TCP
    state: State = State.NEW  # what connection tracking will think
    manner: Manner = Manner.WHOLE
    flow: int = -1  # place, in the plan's flows, of the one that permits it; negative: denied
    about: int = -1  # of an ICMP error: place, in the plan's flows, of the one whose packet it quotes

    @property
    def allowed(self) -> bool:
        """Whether the policy permits it."""
        return self.flow >= 0

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.destination_address.version

    @property
    def packet(self) -> Packet:
        """As the firewall sees it; a cable's interface is called like its node."""
        return Packet(
            self.source,
            self.source_address,
            self.destination_address,
            self.protocol,
            self.source_port,
            self.destination_port,
            self.flags,
            self.state,
        )


EVERYBODY = "everybody"  # destination of broadcast and multicast
THE_FABRIC = "fabric"  # destination of what goes to a gateway's address
