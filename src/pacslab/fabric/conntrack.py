"""Conversations the sweep opened -> forgotten by the firewall's connection tracking (ctnetlink)."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from pacslab.fabric.netlink import NETFILTER, Message, Netlink, attribute, nested

_DELETE = (1 << 8) | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
_TUPLE_ORIG, _TUPLE_IP, _TUPLE_PROTO = 1, 1, 2
_SRC, _DST = {4: 1, 6: 3}, {4: 2, 6: 4}  # CTA_IP_V4_SRC, CTA_IP_V6_SRC; DST likewise
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_BYTES = {4: 4, 6: 16}
_PROTO_NUM, _SRC_PORT, _DST_PORT = 1, 2, 3
_BATCH = 128


class Conversation(NamedTuple):
    """A tracked conversation, as its first packet was addressed."""

    source: int
    destination: int
    protocol: int
    ports: tuple[int, int]
    version: int = 4


def forget(conversations: Sequence[Conversation]) -> int:
    """Delete these conversations from this namespace's connection tracking; returns how many there were."""
    forgotten = 0
    with Netlink(NETFILTER) as netlink:
        for start in range(0, len(conversations), _BATCH):
            for failure in netlink.attempt([_delete(one) for one in conversations[start : start + _BATCH]]):
                if failure is None:
                    forgotten += 1
                elif failure.errno != errno.ENOENT:
                    raise failure
    return forgotten


def _delete(conversation: Conversation) -> Message:
    version = conversation.version
    ends = nested(
        _TUPLE_IP,
        attribute(_SRC[version], conversation.source.to_bytes(_BYTES[version], "big")),
        attribute(_DST[version], conversation.destination.to_bytes(_BYTES[version], "big")),
    )
    ports = nested(
        _TUPLE_PROTO,
        attribute(_PROTO_NUM, bytes([conversation.protocol])),
        attribute(_SRC_PORT, struct.pack("!H", conversation.ports[0])),
        attribute(_DST_PORT, struct.pack("!H", conversation.ports[1])),
    )
    head = struct.pack("!BBH", _FAMILY[version], 0, 0)  # nfgenmsg
    return Message(_DELETE, 0, head + nested(_TUPLE_ORIG, ends, ports))
