"""Wanted cables and what the namespaces hold -> cables laid, kept and taken away."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

from pacslab.fabric import netlink, rtnetlink, ruleset, supervise
from pacslab.fabric.netlink import Message, Netlink
from pacslab.fabric.netns import inside, open_namespace
from pacslab.fabric.refusal import NotANode, Refusal
from pacslab.fabric.rtnetlink import Address, Link, Route, Snapshot
from pacslab.model.fabric import Cable, CableReport, CableState, Plug, WireReport, WireRequest

NODE_INTERFACE = "eth0"
_LOOPBACK = 1  # the first link of every namespace
_ANY: dict[int, Address] = {4: IPv4Address(0), 6: IPv6Address(0)}
_FORWARDS = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
_MTU_BYTES, _TOO_SMALL_FOR_IPV6_BYTES = 1500, 1279  # RFC 8200 5: IPv6 asks for 1280


class _Half(NamedTuple):
    """What one family of addresses needs of a cable."""

    version: int
    address: Address  # the node's
    gateway: Address


def wire(request: WireRequest) -> WireReport:
    """Lay every wanted cable that is not complete and right, keep the others, take away all unknown ones.

    Raises:
        Refusal: No default-deny ruleset is loaded, or the fabric does not forward; nothing was changed.
    """
    supervise.await_ready()
    if not ruleset.denies_forwarding():
        raise Refusal(
            "no cable is laid while the firewall is open: table inet pacslab has no forward chain of policy drop",
            "load a ruleset first",
        )
    for version in {version for plug in request.plugs for version, _, _ in _halves(plug.cable)} | {4}:
        _refuse_unless_forwarding(version)
    with Netlink(netlink.ROUTE) as fabric:
        removed = tuple(_remove_unknown(request, fabric))
        seen = rtnetlink.snapshot(fabric)
        cables = (*(_settle(plug, fabric, seen, lay=True) for plug in request.plugs), *removed)
    return WireReport(cables, ruleset.as_loaded())


def observe(request: WireRequest) -> WireReport:
    """Say of every cable whether it is complete and right (KEPT) or what it lacks (MISSING); changes nothing."""
    with Netlink(netlink.ROUTE) as fabric:
        seen = rtnetlink.snapshot(fabric)
        cables = tuple(_settle(plug, fabric, seen, lay=False) for plug in request.plugs)
    return WireReport(cables, ruleset.as_loaded())


def _refuse_unless_forwarding(version: int) -> None:
    name = _FORWARDS[version]
    file = Path("/proc/sys", *name.split("."))
    if not file.exists() or file.read_text(encoding="ascii").strip() != "1":
        raise Refusal(f"the fabric does not forward IPv{version}", f"create its container with the sysctl {name}=1")


def node_mac(address: int) -> bytes:
    """The Ethernet address of a node's end, made from its address: locally administered, 02:50 (IEEE 802c)."""
    return b"\x02\x50" + address.to_bytes(4, "big")


def fabric_mac(address: int) -> bytes:
    """The Ethernet address of the fabric's end of the cable to the node with that address."""
    return b"\x02\x51" + address.to_bytes(4, "big")


def lacks(cable: Cable, fabric: Snapshot, node: Snapshot) -> str:
    """What a cable lacks to be complete and right, in words; empty if nothing."""
    here, there = fabric.link(cable.interface), node.link(NODE_INTERFACE)
    if here is None:
        return "no link on the fabric's side"
    if there is None:
        return f"no {NODE_INTERFACE} in the node"
    if here.kind != "veth" or here.peer != there.index or there.peer != here.index:
        return "the two ends do not belong together"
    mac, gateway_mac = node_mac(int(cable.address)), fabric_mac(int(cable.address))
    if (there.mac, here.mac) != (mac, gateway_mac):
        return "an end has another Ethernet address"
    if not (here.up and there.up):
        return "an end is down"
    if not (here.silent and there.silent):
        return "an end speaks unasked"
    halves = _halves(cable)
    return next((lack for half in halves if (lack := _half_lacks(half, (fabric, here), (node, there)))), "")


def _halves(cable: Cable) -> tuple[_Half, ...]:
    v4 = _Half(4, cable.address, cable.gateway)
    if cable.address6 is None or cable.gateway6 is None:
        return (v4,)
    return v4, _Half(6, cable.address6, cable.gateway6)


def _half_lacks(half: _Half, fabric_end: tuple[Snapshot, Link], node_end: tuple[Snapshot, Link]) -> str:
    version, address, gateway = half
    (fabric, here), (node, there) = fabric_end, node_end
    length = address.max_prefixlen
    of = "" if version == 4 else "IPv6 "
    wanted = (
        ((there.index, address, length) in node.addresses, f"the node lacks its {of}address {address}"),
        ((here.index, gateway, length) in fabric.addresses, f"the fabric lacks the {of}address {gateway}"),
        (Route(gateway, length, there.index) in node.routes, f"the node lacks the {of}route to its gateway"),
        (Route(_ANY[version], 0, there.index, gateway) in node.routes, f"the node lacks its {of}default route"),
        (Route(address, length, here.index) in fabric.routes, f"the fabric lacks the {of}route to the node"),
        ((there.index, gateway, here.mac) in node.neighbours, f"the node lacks its {of}neighbour entry"),
        ((here.index, address, there.mac) in fabric.neighbours, f"the fabric lacks the node's {of}neighbour entry"),
    )
    return next((words for right, words in wanted if not right), "")


def _settle(plug: Plug, fabric: Netlink, seen: Snapshot, *, lay: bool) -> CableReport:
    cable = plug.cable
    try:
        namespace = open_namespace(plug.pid)
    except NotANode as refusal:
        return _report(cable, CableState.MISSING, refusal.message)
    try:
        with inside(namespace):
            node = Netlink(netlink.ROUTE)
        with node:
            there = rtnetlink.snapshot(node)
            lack = lacks(cable, seen, there)
            if not lack:
                return _report(cable, CableState.KEPT, _extras(there))
            if not lay:
                return _report(cable, CableState.MISSING, lack)
            if foreign := _extras(there):  # a node's namespace has no other way out; the host's would
                return _report(cable, CableState.MISSING, f"not laid: {foreign}")
            return _lay(cable, namespace, fabric, node)
    except OSError as error:
        return _report(cable, CableState.MISSING, f"could not be laid: {error.strerror}")
    finally:
        os.close(namespace)


def _lay(cable: Cable, namespace: int, fabric: Netlink, node: Netlink) -> CableReport:
    old = _own_index(cable.interface)
    if old is not None:
        fabric.request([rtnetlink.delete_link(old)])
    if _link_index(node, NODE_INTERFACE) is not None:
        # A veth dies with its other end, so one that is still there ends in something else than this fabric.
        return _report(cable, CableState.MISSING, f"the node has an {NODE_INTERFACE} that is not its cable")
    mac, gateway_mac = node_mac(int(cable.address)), fabric_mac(int(cable.address))
    fabric.request([rtnetlink.add_veth(cable.interface, gateway_mac, NODE_INTERFACE, mac, namespace)])
    here, there = _own_index(cable.interface), _link_index(node, NODE_INTERFACE)
    if here is None or there is None:
        return _report(cable, CableState.MISSING, "an end vanished while it was laid")
    try:
        _set_ends(cable, (fabric, here), (node, there))
    except OSError:
        fabric.attempt([rtnetlink.delete_link(here)])  # never half a cable
        raise
    return _report(cable, CableState.LAID, "laid anew" if old is not None else "")


def _set_ends(cable: Cable, fabric_end: tuple[Netlink, int], node_end: tuple[Netlink, int]) -> None:
    (fabric, here), (node, there) = fabric_end, node_end
    _quiet(fabric, here)
    _quiet(node, there)
    node.request([rtnetlink.set_up(_LOOPBACK), *_node_end(cable, there)])
    fabric.request([*_fabric_end(cable, here)])


def _node_end(cable: Cable, index: int) -> Iterator[Message]:
    mac = fabric_mac(int(cable.address))
    yield rtnetlink.set_up(index)
    for _, address, gateway in _halves(cable):
        yield rtnetlink.add_address(index, address)
        yield rtnetlink.add_neighbour(index, gateway, mac)
        yield rtnetlink.add_route(index, address, to=gateway)
        yield rtnetlink.add_route(index, address, via=gateway)


def _fabric_end(cable: Cable, index: int) -> Iterator[Message]:
    mac = node_mac(int(cable.address))
    yield rtnetlink.set_up(index)
    for _, address, gateway in _halves(cable):
        yield rtnetlink.add_address(index, gateway)
        yield rtnetlink.add_neighbour(index, address, mac)
        yield rtnetlink.add_route(index, gateway, to=address)


def _quiet(end: Netlink, index: int) -> None:
    # A link is born a member of the groups of routers where its namespace forwards IPv6, and would say so (RFC 3810).
    # Its IPv6 is taken away and given anew, now that it is silent: then it is a member of none.
    sizes = (_TOO_SMALL_FOR_IPV6_BYTES, _MTU_BYTES)
    end.request([rtnetlink.silence(index), *(rtnetlink.set_mtu(index, size) for size in sizes)])
    for failure in end.attempt([rtnetlink.no_link_local(index)]):
        # A kernel without IPv6 has nothing to silence.
        if failure is not None and failure.errno not in {errno.EAFNOSUPPORT, errno.EOPNOTSUPP}:
            raise failure


def _remove_unknown(request: WireRequest, fabric: Netlink) -> Iterator[CableReport]:
    links = rtnetlink.links(fabric)
    for name, index in _unknown(request, links).items():
        fabric.request([rtnetlink.delete_link(index)])
        yield CableReport("", name, CableState.REMOVED)


def _unknown(request: WireRequest, links: tuple[rtnetlink.Link, ...]) -> dict[str, int]:
    wanted = {plug.cable.interface for plug in request.plugs}
    return {link.name: link.index for link in links if link.kind == "veth" and link.name not in wanted}


def _own_index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def _link_index(end: Netlink, name: str) -> int | None:
    return next((link.index for link in rtnetlink.links(end) if link.name == name), None)


def _extras(node: Snapshot) -> str:
    """Links a node should not have; the fallback devices of tunnel modules, always down, do not count."""
    others = [link.name for link in node.links if link.up and link.name not in {"lo", NODE_INTERFACE}]
    return f"the node also has {', '.join(others)}" if others else ""


def _report(cable: Cable, state: CableState, detail: str = "") -> CableReport:
    return CableReport(cable.node, cable.interface, state, detail)
