"""Doors -> controls: proof in the same run that each target is alive and its cable and capture work."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pacslab.fabric.connects import OUTCOMES
from pacslab.fabric.ears import Ears
from pacslab.fabric.ledger import Knock, Ledger
from pacslab.fabric.packets import RST, TCP, UDP, Ends, ethernet, tcp_packet, udp_packet
from pacslab.fabric.position import RESET_ON_CLOSE, Seat
from pacslab.fabric.volley import source_port
from pacslab.fabric.wiring import fabric_mac
from pacslab.model.dicom import Protocol
from pacslab.model.sweep import Connect, Control, Door, Reply

PROTOCOL_NUMBERS = {Protocol.TCP: TCP, Protocol.UDP: UDP}

_ROUNDS = 3
_BATCH = 32
_WAIT_S = 0.3
_OWN_WAIT_S = 1.0
_NO_PROTOCOL = 0  # sends, hears nothing


@dataclass(slots=True)
class Controls:
    """The doors of a sweep, tried one after the other."""

    doors: Sequence[Door]
    seats: Sequence[Seat]
    places: Mapping[str, int]  # of the nodes in the seats
    ledger: Ledger
    ears: Ears
    _best: dict[Door, tuple[int, Knock]] = field(default_factory=dict)

    def make(self) -> tuple[Control, ...]:
        """Knock from the gateway down each target's cable, past the firewall; at its own doors from inside, too."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NO_PROTOCOL) as injector:
            for _ in range(_ROUNDS):
                left = [door for door in self.doors if self._seat(door).position and not self._is_over(door)]
                if not left:
                    break
                self._round(left, injector)
        inside = self._from_inside()
        return tuple(replace(self._report(door), own=inside.get(door, Connect.NOT_TRIED)) for door in self.doors)

    def _round(self, left: Sequence[Door], injector: socket.socket) -> None:
        sent: list[tuple[Door, int, Knock]] = []
        for place, door in enumerate(left):
            # Its source port follows from its id, which the ledger is about to give.
            number = self.ledger.number(len(self.ledger.probe))
            ports = source_port(number), door.port
            knock = Knock(self.places[door.node], PROTOCOL_NUMBERS[door.protocol], ports)
            assert self.ledger.open_control(knock) == number
            make = tcp_packet if door.protocol is Protocol.TCP else udp_packet
            self._inject(injector, door, make(self._ends(door), ports, number=number))
            sent.append((door, number, knock))
            if place % _BATCH == _BATCH - 1:
                self.ears.hear()
        self.ears.hear_until(lambda: all(_is_answered(knock) for _, _, knock in sent), _WAIT_S)
        for door, number, knock in sent:
            if door not in self._best or knock.arrived:
                self._best[door] = number, knock
            if knock.reply is Reply.SYN_ACK:
                # Reset what a listening node has half opened, or it would repeat its SYN-ACK for a minute.
                after_syn = (number + 1) & 0xFFFFFFFF
                self._inject(injector, door, tcp_packet(self._ends(door), knock.ports, number=after_syn, flags=RST))

    def _from_inside(self) -> dict[Door, Connect]:
        """Connect to each node's own TCP services from its own namespace: the wire plays no part."""
        found: dict[Door, Connect] = {}
        flying: dict[int, tuple[Door, socket.socket]] = {}
        with select.epoll() as poll:
            for door in self.doors:
                position = self._seat(door).position
                if not door.is_own or door.protocol is not Protocol.TCP or position is None:
                    continue
                stream = position.stream(door.version, by_cable=False)
                error = stream.connect_ex((str(self._address(door)), door.port))
                if error == errno.EINPROGRESS:
                    flying[stream.fileno()] = door, stream
                    poll.register(stream.fileno(), select.EPOLLOUT)
                else:
                    found[door] = _close(stream, error)
            while flying and (ready := poll.poll(_OWN_WAIT_S)):
                for number, _ in ready:
                    door, stream = flying.pop(number)
                    found[door] = _close(stream, stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        for door, stream in flying.values():
            found[door] = _close(stream, errno.ETIMEDOUT)
        return found

    def _is_over(self, door: Door) -> bool:
        return door in self._best and _is_answered(self._best[door][1])

    def _report(self, door: Door) -> Control:
        _, knock = self._best.get(door, (0, Knock(0, 0, (0, 0))))
        return Control(door.node, door.port, knock.arrived, knock.reply, door.protocol, door.version)

    def _seat(self, door: Door) -> Seat:
        return self.seats[self.places[door.node]]

    def _address(self, door: Door) -> object:
        target = self._seat(door).target
        return target.address if door.version == 4 else target.address6

    def _ends(self, door: Door) -> Ends:
        target = self._seat(door).target
        if door.version == 6 and target.address6 is not None and target.gateway6 is not None:
            return Ends(int(target.gateway6), int(target.address6), 6)
        return Ends(int(target.gateway), int(target.address))

    def _inject(self, injector: socket.socket, door: Door, packet: bytes) -> None:
        seat = self._seat(door)
        if seat.position is None:
            return
        frame = ethernet(seat.position.mac, fabric_mac(seat.address), packet)
        # A cable that is gone carries nothing; the capture at its other end will say so.
        with suppress(OSError):
            injector.sendto(frame, (seat.target.interface, 0))


def _is_answered(knock: Knock) -> bool:
    """Whether there is nothing more to hear: a UDP service that listens need not answer."""
    return knock.arrived and (knock.reply is not Reply.NONE or knock.protocol != TCP)


def _close(stream: socket.socket, error: int) -> Connect:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    stream.close()
    return OUTCOMES.get(error, Connect.UNREACHABLE)
