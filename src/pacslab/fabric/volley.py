"""Probes -> packets on the wire, at a bounded rate, each entered in the ledger before it leaves."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import Attempt, Ledger
from pacslab.fabric.packets import PORT_BITS, PORT_MASK, TCP, UDP, tcp_packet, udp_packet
from pacslab.fabric.position import Seat
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Probe

PROTOCOL_NUMBERS = {Protocol.TCP: TCP, Protocol.UDP: UDP}

_BATCH = 32  # between two looks at the captures; each probe leaves up to six packets in them


class Ports:
    """Source ports nobody uses: a walk from a random start through 16384-32767, apart for each source."""

    def __init__(self) -> None:
        self._counts: dict[int, itertools.count[int]] = {}

    def take(self, source: int) -> int:
        """The source's next port."""
        if source not in self._counts:
            self._counts[source] = itertools.count(random.getrandbits(14))
        return next(self._counts[source]) & ~PORT_MASK & 0xFFFF | PORT_BITS


def attempt_packet(attempt: Attempt, number: int) -> bytes:
    """The IPv4 packet of an attempt."""
    make = tcp_packet if attempt.protocol == TCP else udp_packet
    return make(attempt.source, attempt.destination, attempt.ports, number=number, identification=number & 0xFFFF)


def fire(
    probes: Sequence[tuple[int, Probe]],
    seats: Mapping[str, Seat],
    *,
    ledger: Ledger,
    ears: Ears,
    ports: Ports,
    rate_per_s: float,
    progress: Callable[[int], None],
) -> None:
    """Send each (index, probe) once from its source's position; a source without one sends nothing."""
    started = time.monotonic()
    for place in range(0, len(probes), _BATCH):
        for index, probe in probes[place : place + _BATCH]:
            source, destination = seats[probe.source], seats[probe.destination]
            attempt = Attempt(
                index,
                source.address,
                destination.address,
                (ports.take(source.address), probe.port),
                PROTOCOL_NUMBERS[probe.protocol],
            )
            packet = attempt_packet(attempt, ledger.open(attempt))
            if source.position is not None:
                # Whether it left is for the capture at the source to say, not for this call.
                with suppress(OSError):
                    source.position.sender.sendto(packet, (destination.text, 0))
        ears.hear()
        progress(place)
        while (ahead_s := started + (place + _BATCH) / rate_per_s - time.monotonic()) > 0:
            ears.hear(ahead_s)
