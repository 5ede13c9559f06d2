"""Wanted cables and what the namespaces hold -> cables laid, kept and taken away."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

from pacslab.fabric import netlink, rtnetlink, ruleset, supervise
from pacslab.fabric.netlink import Message, Netlink
from pacslab.fabric.netns import inside, open_namespace
from pacslab.fabric.refusal import NotANode, Refusal
from pacslab.fabric.rtnetlink import Route, Snapshot
from pacslab.model.fabric import Cable, CableReport, CableState, Plug, WireReport, WireRequest

NODE_INTERFACE = "eth0"
_LOOPBACK = 1  # the first link of every namespace
_ANY = IPv4Address(0)
_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


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
    if _IP_FORWARD.read_text(encoding="ascii").strip() != "1":
        raise Refusal("the fabric does not forward", "create its container with the sysctl net.ipv4.ip_forward=1")
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
    wanted = (
        (here.up and there.up, "an end is down"),
        ((there.index, cable.address, 32) in node.addresses, f"the node lacks its address {cable.address}"),
        ((here.index, cable.gateway, 32) in fabric.addresses, f"the fabric lacks the address {cable.gateway}"),
        (Route(cable.gateway, 32, there.index) in node.routes, "the node lacks the route to its gateway"),
        (Route(_ANY, 0, there.index, cable.gateway) in node.routes, "the node lacks its default route"),
        (Route(cable.address, 32, here.index) in fabric.routes, "the fabric lacks the route to the node"),
        ((there.index, cable.gateway, gateway_mac) in node.neighbours, "the node lacks its neighbour entry"),
        ((here.index, cable.address, mac) in fabric.neighbours, "the fabric lacks the node's neighbour entry"),
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
    fabric.request(_fabric_end(cable, here))


def _node_end(cable: Cable, index: int) -> list[Message]:
    return [
        rtnetlink.add_address(index, cable.address),
        rtnetlink.set_up(index),
        rtnetlink.add_neighbour(index, cable.gateway, fabric_mac(int(cable.address))),
        rtnetlink.add_route(index, cable.address, to=cable.gateway),
        rtnetlink.add_route(index, cable.address, via=cable.gateway),
    ]


def _fabric_end(cable: Cable, index: int) -> list[Message]:
    return [
        rtnetlink.add_address(index, cable.gateway),
        rtnetlink.set_up(index),
        rtnetlink.add_neighbour(index, cable.address, node_mac(int(cable.address))),
        rtnetlink.add_route(index, cable.gateway, to=cable.address),
    ]


def _quiet(end: Netlink, index: int) -> None:
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
