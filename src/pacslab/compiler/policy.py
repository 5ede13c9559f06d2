"""Conduits -> flows: which node may open what to whom, one address pair, protocol and port or range each."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from pacslab.model.dicom import Protocol
from pacslab.model.lab import Conduit, Lab, Node
from pacslab.model.plan import Flow


def flows(lab: Lab) -> tuple[Flow, ...]:
    """Every permitted conversation, in the order of the conduits; a node needs no conduit to itself."""
    nodes = {node.path: node for node in lab.nodes}
    return tuple(
        flow
        for conduit in lab.conduits
        for source in conduit.sources
        for destination in conduit.destinations
        if source != destination
        for flow in _flows(conduit, nodes[source], nodes[destination])
    )


def _flows(conduit: Conduit, source: Node, destination: Node) -> Iterator[Flow]:
    """The pair's flow over IPv4, and over IPv6 where both have an address there."""
    yield _flow(conduit, source, destination, source.address, destination.address)
    if source.address6 is not None and destination.address6 is not None:
        yield _flow(conduit, source, destination, source.address6, destination.address6)


def _flow(
    conduit: Conduit,
    source: Node,
    destination: Node,
    source_address: IPv4Address | IPv6Address,
    destination_address: IPv4Address | IPv6Address,
) -> Flow:
    service = destination.service(conduit.service)
    if service is None:
        raise ValueError(f"{destination.path} has no service {conduit.service!r}")
    return Flow(
        conduit=conduit.id,
        source=source.name,
        source_address=source_address,
        destination=destination.name,
        destination_address=destination_address,
        protocol=service.protocol,
        port=service.port,
        service=service.name,
        application=service.application,
        operations=conduit.operations,
        granted=conduit.granted,
        origin=conduit.origin,
        last_port=service.last_port,
        grant_limit_s=conduit.grant_limit_s,
    )


def probe_ports(lab: Lab) -> tuple[tuple[Protocol, int], ...]:
    """Every port that any service of the lab listens on, of a range its ends: what is probed between every pair."""
    services = {(service.protocol, *service.ports) for node in lab.nodes for service in node.services}
    return tuple(sorted({(protocol, port) for protocol, first, last in services for port in (first, last)}))
