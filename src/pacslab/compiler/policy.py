"""Conduits -> flows: which node may open what to whom, one address pair, protocol and port each."""

from __future__ import annotations

from pacslab.model.dicom import Protocol
from pacslab.model.lab import Conduit, Lab, Node
from pacslab.model.plan import Flow


def flows(lab: Lab) -> tuple[Flow, ...]:
    """Every permitted conversation, in the order of the conduits; a node needs no conduit to itself."""
    nodes = {node.path: node for node in lab.nodes}
    return tuple(
        _flow(conduit, nodes[source], nodes[destination])
        for conduit in lab.conduits
        for source in conduit.sources
        for destination in conduit.destinations
        if source != destination
    )


def _flow(conduit: Conduit, source: Node, destination: Node) -> Flow:
    service = destination.service(conduit.service)
    if service is None:
        raise ValueError(f"{destination.path} has no service {conduit.service!r}")
    return Flow(
        conduit=conduit.id,
        source=source.name,
        source_address=source.address,
        destination=destination.name,
        destination_address=destination.address,
        protocol=service.protocol,
        port=service.port,
        service=service.name,
        application=service.application,
        operations=conduit.operations,
        granted=conduit.granted,
        origin=conduit.origin,
    )


def probe_ports(lab: Lab) -> tuple[tuple[Protocol, int], ...]:
    """Every port that any service of the lab listens on: what is probed between every pair of nodes."""
    return tuple(sorted({(service.protocol, service.port) for node in lab.nodes for service in node.services}))
