"""Seat -> the device.json that our own devices (modality, workstation, ris, ehr) read."""

from __future__ import annotations

import json

from pacslab.kinds.kind import Seat, tls_files
from pacslab.model import codec
from pacslab.model.device import DEVICE_FILE, Device, Listener, Peer
from pacslab.model.dicom import Application, Operation
from pacslab.model.plan import File, Flow

_SPOKEN = frozenset({Application.DICOM, Application.DICOM_TLS, Application.HTTPS, Application.HL7, Application.HL7_TLS})


def device_files(seat: Seat) -> tuple[File, ...]:
    """The device's identity and peers, and its certificate where a flow of it speaks TLS."""
    text = json.dumps(codec.encode(device(seat)), indent=2, ensure_ascii=False) + "\n"
    return (File(DEVICE_FILE, text), *(tls_files(seat.node) if seat.speaks_tls else ()))


def device(seat: Seat) -> Device:
    """What a node's device is told about itself and its peers."""
    node = seat.node
    return Device(
        node=node.name,
        kind=node.kind,
        address=node.address,
        ae_title=node.ae_title,
        listeners=tuple(Listener(s.application, s.port) for s in node.services if s.application in _SPOKEN),
        peers=_peers(seat),
        modality="".join(node.setting("modality")),
        manufacturer=node.manufacturer,
        model=node.model,
        schedule_s=_seconds("".join(node.setting("schedule"))),
        forwards=tuple(peer.name for peer in seat.named("forward")),
    )


def _seconds(schedule: str) -> int | None:
    """`every 10m` as seconds."""
    if not schedule:
        return None
    count = schedule.removeprefix("every ")
    return int(count[:-1]) * {"s": 1, "m": 60, "h": 3600}[count[-1]]


def _peers(seat: Seat) -> tuple[Peer, ...]:
    """One entry for each peer and application, in the lab's order."""
    peers = []
    for node in seat.peers:
        out = [f for f in seat.outgoing if f.destination == node.name and f.application in _SPOKEN]
        into = [f for f in seat.incoming if f.source == node.name and f.application in _SPOKEN]
        for application in sorted({f.application for f in (*out, *into)}):
            asks = [f for f in out if f.application is application]
            asked = [f for f in into if f.application is application]
            peers.append(
                Peer(
                    node=node.name,
                    address=node.address,
                    application=application,
                    port=asks[0].port if asks else None,
                    ae_title=node.ae_title,
                    may_request=_operations(asks),
                    may_be_asked=_operations(asked),
                ),
            )
    return tuple(peers)


def _operations(flows: list[Flow]) -> tuple[Operation, ...]:
    wanted = {operation for flow in flows for operation in flow.operations}
    return tuple(operation for operation in Operation if operation in wanted)
