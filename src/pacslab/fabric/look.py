"""Plugs and names of sysctls -> all that the fabric's and the nodes' namespaces hold, for whoever compares it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pacslab.fabric import netlink, rtnetlink
from pacslab.fabric.netlink import Netlink
from pacslab.fabric.netns import inside, open_namespace
from pacslab.fabric.refusal import NotANode
from pacslab.fabric.rtnetlink import Snapshot
from pacslab.model.fabric import LookReport, LookRequest, Seen, Sight

_SYSCTLS = Path("/proc/sys")


def look(request: LookRequest) -> LookReport:
    """Say which links, addresses, routes and sysctls there are; changes nothing."""
    with Netlink(netlink.ROUTE) as fabric:
        seen = list(_seen("", rtnetlink.snapshot(fabric)))
    seen += _sysctls("", request.sysctls)
    for plug in request.plugs:
        node = plug.cable.node
        try:
            namespace = open_namespace(plug.pid)
        except NotANode as refusal:
            seen.append(Seen(node, Sight.GONE, refusal.message))
            continue
        try:
            with inside(namespace):
                with Netlink(netlink.ROUTE) as end:
                    seen += _seen(node, rtnetlink.snapshot(end))
                seen += _sysctls(node, request.node_sysctls)
        finally:
            os.close(namespace)
    return LookReport(tuple(seen))


def _seen(node: str, snapshot: Snapshot) -> Iterator[Seen]:
    names = {link.index: link.name for link in snapshot.links}
    for link in snapshot.links:
        if link.up and link.name != "lo":  # fallback devices of tunnel modules are always there, and always down
            yield Seen(node, Sight.LINK, link.name)
    for index, address, length in snapshot.addresses:
        if names.get(index) != "lo":
            yield Seen(node, Sight.ADDRESS, f"{address}/{length} dev {names.get(index, index)}")
    for route in snapshot.routes:
        if route.destination.is_loopback and names.get(route.index) == "lo":
            continue  # the kernel's own, of ::1
        via = f" via {route.gateway}" if route.gateway is not None else ""
        yield Seen(node, Sight.ROUTE, f"{route.destination}/{route.prefix_length}{via} dev {names.get(route.index)}")


def _sysctls(node: str, names: Iterable[str]) -> Iterator[Seen]:
    for name in names:
        try:
            value = " ".join((_SYSCTLS / name.replace(".", "/")).read_text(encoding="ascii").split())
        except OSError:
            value = "(not there)"
        yield Seen(node, Sight.SYSCTL, f"{name}={value}")
