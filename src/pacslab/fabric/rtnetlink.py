"""Links, addresses, routes and neighbours of a namespace <-> rtnetlink messages (linux/rtnetlink.h)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from pacslab.fabric.netlink import CREATE_NEW, REPLACE, Message, Netlink, attribute, attributes, nested

Address = IPv4Address | IPv6Address

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _GETROUTE = 24, 26
_NEWNEIGH, _GETNEIGH = 28, 30

_IFINFO = struct.Struct("=BxHiII")  # family, device type, index, flags, change
_IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, lengths, tos, table, protocol, scope, type, flags
_NDMSG = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK = 1, 3, 4, 5
_IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 18, 26, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_INET6_ADDR_GEN_MODE, _GEN_MODE_NONE = 8, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_NO_DAD, _NO_PREFIX_ROUTE = 0x02, 0x200
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 4, 5, 7
_NDA_DST, _NDA_LLADDR = 1, 2
_IFF_UP, _IFF_NOARP, _IFF_MULTICAST = 0x1, 0x80, 0x1000
_TABLE_MAIN, _PROTOCOL_STATIC, _UNICAST = 254, 4, 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_NUD_PERMANENT = 0x80
_U32 = struct.Struct("=I")
_FAMILIES: dict[int, type[IPv4Address | IPv6Address]] = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}


@dataclass(frozen=True, slots=True)
class Link:
    """A network device; `peer` is the index of a veth's other end in that end's namespace."""

    index: int
    name: str
    kind: str
    mac: bytes
    up: bool
    peer: int
    silent: bool  # asks for no neighbour and joins no group


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the main table."""

    destination: Address
    prefix_length: int
    index: int
    gateway: Address | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a namespace holds; addresses and neighbours are given with the index of their link."""

    links: tuple[Link, ...]
    addresses: frozenset[tuple[int, Address, int]]  # index, address, prefix length
    routes: frozenset[Route]
    neighbours: frozenset[tuple[int, Address, bytes]]  # permanent ones only

    def link(self, name: str) -> Link | None:
        """The link of that name."""
        return next((link for link in self.links if link.name == name), None)


def add_veth(name: str, mac: bytes, peer_name: str, peer_mac: bytes, peer_namespace: int) -> Message:
    """Make a veth pair whose other end is born in the namespace of the file descriptor `peer_namespace`."""
    peer = (
        _IFINFO.pack(0, 0, 0, 0, 0)
        + attribute(_IFLA_IFNAME, peer_name.encode() + b"\0")
        + attribute(_IFLA_ADDRESS, peer_mac)
        + attribute(_IFLA_NET_NS_FD, _U32.pack(peer_namespace))
    )
    body = (
        _IFINFO.pack(0, 0, 0, 0, 0)
        + attribute(_IFLA_IFNAME, name.encode() + b"\0")
        + attribute(_IFLA_ADDRESS, mac)
        + nested(
            _IFLA_LINKINFO,
            attribute(_INFO_KIND, b"veth"),
            nested(_INFO_DATA, attribute(_VETH_PEER, peer)),
        )
    )
    return Message(_NEWLINK, CREATE_NEW, body)


def delete_link(index: int) -> Message:
    """Take a link away, and with a veth its other end."""
    return Message(_DELLINK, 0, _IFINFO.pack(0, 0, index, 0, 0))


def set_up(index: int) -> Message:
    """Switch a link on."""
    return Message(_NEWLINK, 0, _IFINFO.pack(0, 0, index, _IFF_UP, _IFF_UP))


def no_link_local(index: int) -> Message:
    """Keep the kernel from giving a link an IPv6 link-local address, and so from announcing itself."""
    mode = attribute(_INET6_ADDR_GEN_MODE, bytes([_GEN_MODE_NONE]))
    specification = nested(_IFLA_AF_SPEC, nested(socket.AF_INET6, mode))
    return Message(_NEWLINK, 0, _IFINFO.pack(0, 0, index, 0, 0) + specification)


def silence(index: int) -> Message:
    """Take from a link what the kernel would talk with unasked: ARP, neighbour discovery, multicast groups."""
    return Message(_NEWLINK, 0, _IFINFO.pack(0, 0, index, _IFF_NOARP, _IFF_NOARP | _IFF_MULTICAST))


def set_mtu(index: int, mtu_bytes: int) -> Message:
    """Set the largest packet that a link takes; below 1280 bytes it has no IPv6 at all (RFC 8200 5)."""
    return Message(_NEWLINK, 0, _IFINFO.pack(0, 0, index, 0, 0) + attribute(_IFLA_MTU, _U32.pack(mtu_bytes)))


def add_address(index: int, address: Address) -> Message:
    """Give a link an address for itself alone, a /32 or /128; nobody is asked whether it is free."""
    body = _IFADDR.pack(_family(address), address.max_prefixlen, 0, _SCOPE_UNIVERSE, index)
    body += attribute(_IFA_LOCAL, address.packed) + attribute(_IFA_ADDRESS, address.packed)
    if address.version == 6:
        body += attribute(_IFA_FLAGS, _U32.pack(_NO_DAD | _NO_PREFIX_ROUTE))
    return Message(_NEWADDR, REPLACE, body)


def add_route(index: int, source: Address, *, to: Address | None = None, via: Address | None = None) -> Message:
    """Send traffic for `to` (None: everything) over a link, from `source`, straight or through `via`."""
    scope = _SCOPE_LINK if via is None else _SCOPE_UNIVERSE  # IPv6 knows no scopes of routes and reads none
    length = 0 if to is None else to.max_prefixlen
    body = _RTMSG.pack(_family(source), length, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, scope, _UNICAST, 0)
    body += attribute(_RTA_OIF, _U32.pack(index)) + attribute(_RTA_PREFSRC, source.packed)
    body += attribute(_RTA_DST, to.packed) if to is not None else b""
    body += attribute(_RTA_GATEWAY, via.packed) if via is not None else b""
    return Message(_NEWROUTE, REPLACE, body)


def add_neighbour(index: int, address: Address, mac: bytes) -> Message:
    """State for good which Ethernet address a neighbour has, so that nobody asks."""
    body = _NDMSG.pack(_family(address), index, _NUD_PERMANENT, 0, 0)
    return Message(
        _NEWNEIGH,
        REPLACE,
        body + attribute(_NDA_DST, address.packed) + attribute(_NDA_LLADDR, mac),
    )


def links(netlink: Netlink) -> tuple[Link, ...]:
    """Read the links of the socket's namespace."""
    return tuple(_link(body) for body in netlink.dump(Message(_GETLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0))))


def snapshot(netlink: Netlink) -> Snapshot:
    """Read links, addresses, main-table routes and permanent neighbours of the socket's namespace."""
    addresses, routes, neighbours = [], [], []
    for family in _FAMILIES:
        addresses += netlink.dump(Message(_GETADDR, 0, _IFADDR.pack(family, 0, 0, 0, 0)))
        routes += netlink.dump(Message(_GETROUTE, 0, _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)))
        neighbours += netlink.dump(Message(_GETNEIGH, 0, _NDMSG.pack(family, 0, 0, 0, 0)))
    return Snapshot(
        links(netlink),
        frozenset(address for body in addresses if (address := _address(body))),
        frozenset(route for body in routes if (route := _route(body))),
        frozenset(neighbour for body in neighbours if (neighbour := _neighbour(body))),
    )


def _family(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    found = dict(attributes(body, _IFINFO.size))
    kind = dict(attributes(found.get(_IFLA_LINKINFO, b""))).get(_INFO_KIND, b"")
    return Link(
        index,
        found[_IFLA_IFNAME].rstrip(b"\0").decode(),
        kind.rstrip(b"\0").decode(),
        found.get(_IFLA_ADDRESS, b""),
        bool(flags & _IFF_UP),
        _U32.unpack(found[_IFLA_LINK])[0] if _IFLA_LINK in found else 0,
        flags & (_IFF_NOARP | _IFF_MULTICAST) == _IFF_NOARP,
    )


def _address(body: bytes) -> tuple[int, Address, int] | None:
    family, length, _, _, index = _IFADDR.unpack_from(body)
    found = dict(attributes(body, _IFADDR.size))
    if family not in _FAMILIES:  # a kernel without IPv6 answers with every family it has
        return None
    return index, _FAMILIES[family](found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]), length


def _route(body: bytes) -> Route | None:
    family, length, _, _, table, _, _, kind, _ = _RTMSG.unpack_from(body)
    found = dict(attributes(body, _RTMSG.size))
    if family not in _FAMILIES or table != _TABLE_MAIN or kind != _UNICAST or _RTA_OIF not in found:
        return None
    address, gateway = _FAMILIES[family], found.get(_RTA_GATEWAY)
    return Route(
        address(found[_RTA_DST]) if _RTA_DST in found else address(0),
        length,
        _U32.unpack(found[_RTA_OIF])[0],
        address(gateway) if gateway else None,
    )


def _neighbour(body: bytes) -> tuple[int, Address, bytes] | None:
    family, index, state, _, _ = _NDMSG.unpack_from(body)
    found = dict(attributes(body, _NDMSG.size))
    if family not in _FAMILIES or not state & _NUD_PERMANENT or _NDA_LLADDR not in found:
        return None
    return index, _FAMILIES[family](found[_NDA_DST]), found[_NDA_LLADDR]
