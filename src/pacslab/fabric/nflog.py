"""The firewall's own log (NFLOG group 1) -> entries: which words, which packet; and how many entries were lost."""

from __future__ import annotations

import errno
import socket
import struct
from typing import NamedTuple

from pacslab.fabric.netlink import NETFILTER, Message, Netlink, attribute, attributes, messages
from pacslab.fabric.refusal import Refusal

GROUP = 1

_ULOG = 4 << 8  # NFNL_SUBSYS_ULOG
_PACKET, _CONFIG = _ULOG | 0, _ULOG | 1
_CFG_CMD, _CFG_MODE, _CFG_NLBUFSIZ, _CFG_TIMEOUT, _CFG_QTHRESH, _CFG_FLAGS = 1, 2, 3, 4, 5, 6
_BIND, _COPY_PACKET, _FLAG_SEQUENCE = 1, 2, 1
_PAYLOAD, _PREFIX, _SEQUENCE = 9, 10, 12

_COPY_BYTES = 96
_KERNEL_BUFFER_BYTES = 1 << 14
_QUEUE_ENTRIES = 64
_QUEUE_HUNDREDTHS_S = 2
_RECEIVE_BUFFER_BYTES = 32 << 20
_RECEIVE_BYTES = 1 << 18


class Entry(NamedTuple):
    """One entry of the log."""

    prefix: str
    packet: bytes  # from the IP header on, cut short
    sequence: int  # counted by the kernel per group; -1 if it did not say


def parse(datagram: bytes) -> list[Entry]:
    """The log entries in a netlink datagram; messages of other kinds are passed over."""
    entries = []
    for kind, _, _, body in messages(datagram):
        if kind == _PACKET:
            found = dict(attributes(body, 4))  # after nfgenmsg
            sequence = found.get(_SEQUENCE)
            entries.append(
                Entry(
                    found.get(_PREFIX, b"").rstrip(b"\0").decode("utf-8", "replace"),
                    found.get(_PAYLOAD, b""),
                    int.from_bytes(sequence, "big") if sequence else -1,
                ),
            )
    return entries


class Log:
    """A reader of one group of the log of the namespace the thread is in when it is opened."""

    def __init__(self, group: int = GROUP, receive_buffer_bytes: int = _RECEIVE_BUFFER_BYTES) -> None:
        self._netlink = Netlink(NETFILTER, receive_buffer_bytes)
        self.socket = self._netlink.socket
        self.lost = 0  # entries the kernel could not hand over
        self._next = 0
        try:
            self._bind(group)
        except OSError as error:
            self.close()
            if error.errno in {errno.EBUSY, errno.EPERM}:  # a group has one reader; the kernel says either
                raise Refusal(
                    f"somebody else reads the firewall's log (NFLOG group {group})",
                    "wait for the other sweep of this lab to end",
                ) from None
            raise
        self.socket.setblocking(False)

    def entries(self) -> list[Entry]:
        """All entries waiting."""
        found: list[Entry] = []
        while True:
            try:
                datagram = self.socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1  # at least one; the gap in the sequence says how many, if an entry follows
                continue
            for entry in parse(datagram):
                if entry.sequence > self._next:
                    self.lost += entry.sequence - self._next
                self._next = entry.sequence + 1
                found.append(entry)

    def close(self) -> None:
        """Leave the group to others."""
        self._netlink.close()

    def _bind(self, group: int) -> None:
        head = struct.pack("!BBH", socket.AF_UNSPEC, 0, group)  # nfgenmsg
        settings = (
            attribute(_CFG_CMD, bytes([_BIND])),
            attribute(_CFG_MODE, struct.pack("!IBx", _COPY_BYTES, _COPY_PACKET)),
            attribute(_CFG_NLBUFSIZ, struct.pack("!I", _KERNEL_BUFFER_BYTES)),
            attribute(_CFG_TIMEOUT, struct.pack("!I", _QUEUE_HUNDREDTHS_S)),
            attribute(_CFG_QTHRESH, struct.pack("!I", _QUEUE_ENTRIES)),
            attribute(_CFG_FLAGS, struct.pack("!H", _FLAG_SEQUENCE)),
        )
        for setting in settings:  # one by one: entries may already come between
            self._netlink.request([Message(_CONFIG, 0, head + setting)])
