"""Flows -> passages: who may open what to whom, both address families of one conduit counted once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pacslab.model.dicom import CLEAR_TEXT, TLS_APPLICATIONS, Application, Operation, Protocol
from pacslab.model.lab import Origin
from pacslab.model.plan import Flow


class Protection(StrEnum):
    """What protects a passage on its way."""

    TLS = "TLS"
    OWN = "own encryption"  # the application brings it along
    CLEAR = "clear text"
    UNKNOWN = "protection not stated"


_OWN = frozenset({Application.SSH, Application.POSTGRES})


@dataclass(frozen=True, slots=True)
class Passage:
    """One node may open one service of another, over IPv4, IPv6 or both."""

    conduit: str
    source: str
    destination: str
    service: str
    application: Application
    protocol: Protocol
    port: int
    operations: tuple[Operation, ...]
    granted: bool  # closed until granted
    families: tuple[int, ...]  # 4, 6 or both
    origin: Origin
    last_port: int | None = None  # of a range of ports; None: only `port`

    @property
    def ports(self) -> str:
        """The port or the range, with its protocol: `104/tcp`, `5000-5010/udp`."""
        return port_text(self.protocol, self.port, self.last_port)

    @property
    def protection(self) -> Protection:
        """What protects it on its way."""
        return protection(self.application)


def passages(flows: tuple[Flow, ...]) -> tuple[Passage, ...]:
    """Fold the flows that differ only in their address family, in the order of the flows."""
    found: dict[tuple[object, ...], Passage] = {}
    for flow in flows:
        key = (flow.conduit, flow.source, flow.destination, flow.service, flow.protocol, flow.port, flow.last_port)
        family = flow.destination_address.version
        known = found.get(key)
        if known is None:
            found[key] = _passage(flow, family)
        elif family not in known.families:
            found[key] = replace(known, families=tuple(sorted((*known.families, family))))
    return tuple(found.values())


def protection(application: Application) -> Protection:
    """What protects an application's conversations on their way."""
    if application in TLS_APPLICATIONS:
        return Protection.TLS
    if application in CLEAR_TEXT:
        return Protection.CLEAR
    return Protection.OWN if application in _OWN else Protection.UNKNOWN


def port_text(protocol: Protocol, first: int, last: int | None) -> str:
    """A port or a range of ports, with its protocol."""
    ports = str(first) if last in {None, first} else f"{first}-{last}"
    return f"{ports}/{protocol.value}"


def _passage(flow: Flow, family: int) -> Passage:
    return Passage(
        conduit=flow.conduit,
        source=flow.source,
        destination=flow.destination,
        service=flow.service,
        application=flow.application,
        protocol=flow.protocol,
        port=flow.port,
        operations=flow.operations,
        granted=flow.granted,
        families=(family,),
        origin=flow.origin,
        last_port=flow.last_port,
    )
