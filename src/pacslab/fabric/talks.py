"""Conversations that ICMP errors are about: begun before the first probe, held to the last -> what errors quote."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from pacslab.fabric.conntrack import Conversation
from pacslab.fabric.packets import ACK, TCP, Ends, tcp_packet
from pacslab.fabric.position import RESET_ON_CLOSE, Seat
from pacslab.model.sweep import Talk

_WAIT_S = 0.5
_NEVER_USED = 32_001  # a source port for conversations that there never were


@dataclass(slots=True)
class Talks:
    """The conversations of a sweep."""

    talks: Sequence[Talk]
    seats: Sequence[Seat]
    _streams: dict[int, socket.socket] = field(default_factory=dict)
    _ports: dict[int, int] = field(default_factory=dict)  # by place: the initiator's, of those that came about

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Begin all that are to be open; one that does not come about has no quote."""
        with select.epoll() as poll:
            flying: dict[int, int] = {}
            for place, talk in enumerate(self.talks):
                if not talk.is_open:
                    self._ports[place] = _NEVER_USED
                elif (stream := self._begin(place, talk)) is not None:
                    flying[stream.fileno()] = place
                    poll.register(stream.fileno(), select.EPOLLOUT)
            while flying and (ready := poll.poll(_WAIT_S)):
                for number, _ in ready:
                    place = flying.pop(number)
                    stream = self._streams[place]
                    poll.unregister(number)
                    if not stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        self._ports[place] = stream.getsockname()[1]

    def quote(self, place: int, number: int) -> bytes | None:
        """The packet of the initiator that an error is about, with a probe id for its sequence number."""
        port = self._ports.get(place)
        if port is None:
            return None
        talk = self.talks[place]
        ends = Ends(int(talk.source), int(talk.destination), talk.destination.version)
        return tcp_packet(ends, (port, talk.port), number=number, flags=ACK)

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """Those that came about, for the firewall to forget."""
        return tuple(
            Conversation(int(talk.source), int(talk.destination), TCP, (port, talk.port), talk.destination.version)
            for place, talk in enumerate(self.talks)
            if talk.is_open and (port := self._ports.get(place)) is not None
        )

    def close(self) -> None:
        """End all; neither end keeps anything."""
        while self._streams:
            _, stream = self._streams.popitem()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            stream.close()

    def _begin(self, place: int, talk: Talk) -> socket.socket | None:
        position = self.seats[talk.initiator].position
        if position is None:
            return None
        stream = self._streams[place] = position.stream(talk.destination.version)
        try:
            stream.bind((str(talk.source), 0))
            error = stream.connect_ex((str(talk.destination), talk.port))
        except OSError:  # the address is not the node's any more
            return None
        return stream if error in {0, errno.EINPROGRESS} else None
