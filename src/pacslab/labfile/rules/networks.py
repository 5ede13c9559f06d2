"""Networks of zones, and the addresses of nodes in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pacslab.errors import Diagnostic
from pacslab.labfile.rules.world import World, problem
from pacslab.model.lab import Node, Zone

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks_are_apart(world: World) -> Iterator[Diagnostic]:
    """Zones have networks of their own."""
    yield from _apart([(zone.network, zone) for zone in world.lab.zones], "give each zone its own /24")
    with_ipv6 = [(zone.network6, zone) for zone in world.lab.zones if zone.network6 is not None]
    yield from _apart(with_ipv6, "give each zone its own /64")


def _apart(networks: Sequence[tuple[Network, Zone]], hint: str) -> Iterator[Diagnostic]:
    """What overlaps among networks of one family."""
    ordered = sorted(networks, key=lambda pair: (int(pair[0].network_address), pair[0].prefixlen))
    for (left, zone), (right, other) in itertools.pairwise(ordered):
        if int(right.network_address) <= int(left.broadcast_address):
            message = f"the networks of {zone.name} ({left}) and {other.name} ({right}) overlap"
            yield problem("networks-overlap", message, hint, other.origin, zone.origin)


def addresses_are_right(world: World) -> Iterator[Diagnostic]:
    """Every node has an address of its own, in its zone's network, that is not the gateway's."""
    first: dict[Address, Node] = {}
    for zone in world.lab.zones:
        network = zone.network
        special = {zone.gateway, network.network_address, network.broadcast_address}
        for node in zone.nodes:
            if node.address not in network or node.address in special:
                yield _outside(node, node.address, network, zone.gateway)
            yield from _taken(first, node, node.address, "address")
            if node.address6 is not None and zone.network6 is not None and zone.gateway6 is not None:
                if node.address6 not in zone.network6 or int(node.address6) <= int(zone.gateway6):
                    yield _outside(node, node.address6, zone.network6, zone.gateway6)
                yield from _taken(first, node, node.address6, "address6")


def _outside(node: Node, address: Address, network: Network, gateway: Address) -> Diagnostic:
    hint = f"choose a host address of {network} other than the gateway {gateway}"
    return problem("address-outside-zone", f"{address} cannot be {node.path}'s address", hint, node.origin)


def _taken(first: dict[Address, Node], node: Node, address: Address, key: str) -> Iterator[Diagnostic]:
    other = first.setdefault(address, node)
    if other is not node:
        message = f"{node.path} and {other.path} have one address, {address}"
        yield problem("duplicate-address", message, f"write another `{key}:`, or none", node.origin, other.origin)
