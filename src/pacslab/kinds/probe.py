"""A position to probe from: a laptop with tools, on which nothing listens."""

from __future__ import annotations

from pacslab.kinds.kind import MIB, Kind, Parts, Seat
from pacslab.kinds.ssh import client_files
from pacslab.model.dicom import Application
from pacslab.model.lab import Node


def _parts(seat: Seat) -> Parts:
    bastions = tuple(seat.nodes[flow.destination] for flow in seat.reaches(Application.SSH))
    if not bastions:
        return Parts(memory_bytes=256 * MIB)
    return Parts(files=client_files(seat.node, (*bastions, *_behind(seat)), bastions[0]), memory_bytes=256 * MIB)


def _behind(seat: Seat) -> tuple[Node, ...]:
    """Nodes with a service console: what a bastion may be granted to reach."""
    return tuple(node for node in seat.nodes.values() if node.kind == "modality" and node.service("ssh") is not None)


KIND = Kind(name="probe", title="a laptop with tools", image="probe", services=lambda _: (), parts=_parts)
