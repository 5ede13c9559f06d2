"""Probes -> packets on the wire, at a bounded rate, each entered in the ledger before it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import Ledger
from pacslab.fabric.packets import (
    PORT_BITS,
    PORT_MASK,
    SCTP,
    TCP,
    UDP,
    Ends,
    damaged,
    error_packet,
    fragments,
    icmp_packet,
    is_error,
    last_hop,
    other_packet,
    sctp_packet,
    tcp_packet,
    udp_packet,
)
from pacslab.fabric.position import Position, Seat
from pacslab.fabric.talks import Talks
from pacslab.fabric.wiring import NODE_INTERFACE, fabric_mac
from pacslab.model.probe import Manner
from pacslab.model.sweep import Address, Rows, Shape

_ETHER_TYPES = {4: 0x0800, 6: 0x86DD}
_ALL_ONES = 0xFFFFFFFF
_EVERYBODYS_MAC = b"\xff" * 6
_BATCH = 32  # between two looks at the captures; each probe leaves up to six packets in them
_IPV6_GROUP_MAC = b"\x33\x33"  # RFC 2464 7: before the last four bytes of the group's address


def source_port(number: int) -> int:
    """The prober's own source port of an attempt: a walk through 16384-32767 that begins where ids do."""
    return number & ~PORT_MASK & 0xFFFF | PORT_BITS


def packet_of(shape: Shape, ends: Ends, port: int, number: int) -> bytes:
    """The IP packet of an attempt."""
    if shape.is_icmp:
        return icmp_packet(ends, shape.protocol, shape.source_port, number=number)
    ports = shape.source_port or source_port(number), port
    if shape.protocol == TCP:
        return tcp_packet(ends, ports, number=number, flags=shape.flags)
    if shape.protocol == UDP:
        return udp_packet(ends, ports, number=number)
    if shape.protocol == SCTP:
        return sctp_packet(ends, ports, number=number)
    return other_packet(ends, shape.protocol, ports, number=number)


def _made(packet: bytes, shape: Shape) -> bytes:
    match shape.manner:
        case Manner.DAMAGED:
            return damaged(packet, shape.version)
        case Manner.LAST_HOP:
            return last_hop(packet, shape.version)
    return packet


@dataclass(frozen=True, slots=True)
class Volley:
    """All that sending needs to know."""

    rows: Rows
    shapes: Sequence[Shape]
    addresses: Sequence[Address]
    seats: Sequence[Seat]
    ledger: Ledger
    ears: Ears
    talks: Talks

    def fire(self, probes: Sequence[int], rate_per_s: float, progress: Callable[[int], None]) -> None:
        """Send each probe once from its source's position; a source without one sends nothing."""
        numbers = [(int(address), str(address)) for address in self.addresses]
        started = time.monotonic()
        for place in range(0, len(probes), _BATCH):
            for probe in probes[place : place + _BATCH]:
                self._send(probe, numbers)
            self.ears.hear()
            progress(place)
            while (ahead_s := started + (place + _BATCH) / rate_per_s - time.monotonic()) > 0:
                self.ears.hear(ahead_s)

    def _send(self, probe: int, numbers: Sequence[tuple[int, str]]) -> None:
        rows = self.rows
        number = self.ledger.open(probe)
        position = self.seats[rows.source[probe]].position
        if position is None:
            return
        shape = self.shapes[rows.shape[probe]]
        destination, text = numbers[rows.destination[probe]]
        ends = Ends(numbers[rows.claimed[probe]][0], destination, shape.version)
        if shape.is_icmp and is_error(shape.protocol, shape.source_port):
            about = self.talks.quote(rows.port[probe], number)
            if about is None:
                return  # there is no such conversation: nothing can be said of errors about it
            packet = error_packet(ends, shape.protocol, shape.source_port, about)
        else:
            packet = _made(packet_of(shape, ends, rows.port[probe], number), shape)
        # Whether it left is for the capture at the source to say, not for this call.
        with suppress(OSError):
            if shape.version == 6 or destination == _ALL_ONES:
                _send_frame(position, shape.version, destination, packet)
            elif shape.manner is Manner.FRAGMENTS:
                for piece in fragments(packet):
                    position.sender.sendto(piece, (text, 0))
            else:
                position.sender.sendto(packet, (text, 0))


def _send_frame(position: Position, version: int, destination: int, packet: bytes) -> None:
    """Put a packet on the cable as it is: a node without IPv6, or without ARP for a broadcast, would not."""
    mac = fabric_mac(position.address)
    if version == 4:
        mac = _EVERYBODYS_MAC
    elif destination >> 120 == 0xFF:
        mac = _IPV6_GROUP_MAC + (destination & 0xFFFFFFFF).to_bytes(4, "big")
    position.framer.sendto(packet, (NODE_INTERFACE, _ETHER_TYPES[version], 0, 0, mac))
