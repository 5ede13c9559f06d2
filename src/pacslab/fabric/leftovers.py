"""Conversations tracked before and after -> those that began meanwhile without the policy's leave, ended (ctnetlink).

Changing rules ends nothing that is open (FACTS 4): what a trial's rules let begin would go on under the planned ones.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

from pacslab.fabric.netlink import NETFILTER, Message, Netlink, attribute, attributes
from pacslab.model.trial import Lasting

_GET, _DELETE = (1 << 8) | 1, (1 << 8) | 2  # NFNL_SUBSYS_CTNETLINK: IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE
_NESTED = 0x8000
_TUPLE_ORIG, _TUPLE_IP, _TUPLE_PROTO = 1, 1, 2
_SOURCE = {1: 4, 3: 6}  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
_DESTINATION = frozenset({2, 4})
_PROTO_NUM, _DST_PORT = 1, 3


class Tracked(NamedTuple):
    """A conversation as the kernel names it."""

    family: int  # AF_INET or AF_INET6
    original: bytes  # CTA_TUPLE_ORIG, as it came


def tracked() -> frozenset[Tracked]:
    """Every conversation that connection tracking knows of now."""
    with Netlink(NETFILTER) as netlink:
        bodies = netlink.dump(Message(_GET, 0, struct.pack("!BBH", socket.AF_UNSPEC, 0, 0)))
    return frozenset(
        Tracked(body[0], payload) for body in bodies for kind, payload in attributes(body, 4) if kind == _TUPLE_ORIG
    )


def cut(conversations: Iterable[Tracked], lasting: Iterable[Lasting]) -> int:
    """End all of these conversations that none of the lasting ones covers; returns how many."""
    permitted = tuple(lasting)
    doomed = [one for one in conversations if not _is_permitted(one, permitted)]
    ended = 0
    with Netlink(NETFILTER) as netlink:
        for one in doomed:
            head = struct.pack("!BBH", one.family, 0, 0)
            (failure,) = netlink.attempt([Message(_DELETE, 0, head + attribute(_TUPLE_ORIG | _NESTED, one.original))])
            if failure is None:
                ended += 1
            elif failure.errno != errno.ENOENT:  # ended by itself
                raise failure
    return ended


def _is_permitted(one: Tracked, lasting: tuple[Lasting, ...]) -> bool:
    source = destination = b""
    protocol = port = 0
    for kind, payload in attributes(one.original):
        for inner, value in attributes(payload):
            if kind == _TUPLE_IP and inner in _SOURCE:
                source = value
            elif kind == _TUPLE_IP and inner in _DESTINATION:
                destination = value
            elif kind == _TUPLE_PROTO and inner == _PROTO_NUM:
                protocol = value[0]
            elif kind == _TUPLE_PROTO and inner == _DST_PORT:
                (port,) = struct.unpack("!H", value[:2])
    return any(
        flow.source.packed == source
        and flow.destination.packed == destination
        and flow.protocol == protocol
        and flow.first_port <= port <= flow.last_port
        for flow in lasting
    )
