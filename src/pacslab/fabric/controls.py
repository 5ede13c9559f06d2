"""Probed targets -> controls: proof in the same run that each is alive and its cable and capture work."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import Attempt, Ledger
from pacslab.fabric.packets import RST, TCP, ethernet, tcp_packet
from pacslab.fabric.position import Seat
from pacslab.fabric.volley import PROTOCOL_NUMBERS, Ports, attempt_packet
from pacslab.fabric.wiring import fabric_mac
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Control, Probe, Reply

_ROUNDS = 3
_BATCH = 32
_WAIT_S = 0.3
_ETH_P_IP = 0x0800
_NO_PROTOCOL = 0  # sends, hears nothing

Door = tuple[str, Protocol, int]  # node, protocol, port


def doors(probes: Sequence[Probe]) -> tuple[Door, ...]:
    """Every destination, protocol and port probed, once, in the order of the probes."""
    return tuple(dict.fromkeys((probe.destination, probe.protocol, probe.port) for probe in probes))


def control(
    wanted: Sequence[Door],
    seats: Mapping[str, Seat],
    *,
    ledger: Ledger,
    ears: Ears,
    ports: Ports,
) -> tuple[Control, ...]:
    """Send a probe from the gateway down each target's cable, past the firewall, and see what the node answers."""
    best: dict[Door, Attempt] = {}
    first = len(ledger.attempts)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NO_PROTOCOL) as injector:
        for _ in range(_ROUNDS):
            left = [door for door in wanted if seats[door[0]].position and not _is_over(best.get(door))]
            if not left:
                break
            _round(left, seats, best, injector=injector, ledger=ledger, ears=ears, ports=ports)
        _hang_up(ledger.since(first), {seat.address: seat for seat in seats.values()}, injector)
    return tuple(_report(door, best.get(door)) for door in wanted)


def _round(
    left: Sequence[Door],
    seats: Mapping[str, Seat],
    best: dict[Door, Attempt],
    *,
    injector: socket.socket,
    ledger: Ledger,
    ears: Ears,
    ports: Ports,
) -> None:
    sent = []
    for place, door in enumerate(left):
        node, protocol, port = door
        seat = seats[node]
        gateway = int(seat.target.gateway)
        attempt = Attempt(
            place, gateway, seat.address, (ports.take(gateway), port), PROTOCOL_NUMBERS[protocol], is_control=True
        )
        _inject(injector, seat, attempt_packet(attempt, ledger.open(attempt)))
        sent.append((door, attempt))
        if place % _BATCH == _BATCH - 1:
            ears.hear()
    ears.hear_until(lambda: all(_is_over(attempt) for _, attempt in sent), _WAIT_S)
    for door, attempt in sent:
        if door not in best or attempt.arrived:
            best[door] = attempt


def _is_over(attempt: Attempt | None) -> bool:
    """Whether there is nothing more to hear: a UDP service that listens need not answer."""
    if attempt is None or not attempt.arrived:
        return False
    return attempt.reply is not Reply.NONE or attempt.protocol != TCP


def _hang_up(entered: Sequence[tuple[int, Attempt]], seats: Mapping[int, Seat], injector: socket.socket) -> None:
    """Reset what a listening node has half opened, or it would repeat its SYN-ACK for a minute."""
    for number, attempt in entered:
        if attempt.reply is Reply.SYN_ACK:
            after_syn = (number + 1) & 0xFFFFFFFF
            packet = tcp_packet(attempt.source, attempt.destination, attempt.ports, number=after_syn, flags=RST)
            _inject(injector, seats[attempt.destination], packet)


def _report(door: Door, attempt: Attempt | None) -> Control:
    node, protocol, port = door
    if attempt is None:
        return Control(node, port, reached=False, reply=Reply.NONE, protocol=protocol)
    return Control(node, port, reached=attempt.arrived, reply=attempt.reply, protocol=protocol)


def _inject(injector: socket.socket, seat: Seat, packet: bytes) -> None:
    if seat.position is None:
        return
    frame = ethernet(seat.position.mac, fabric_mac(seat.address), packet)
    # A cable that is gone carries nothing; the capture at its other end will say so.
    with suppress(OSError):
        injector.sendto(frame, (seat.target.interface, _ETH_P_IP))
