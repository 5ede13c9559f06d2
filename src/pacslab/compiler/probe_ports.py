"""Plan -> the ports that a sweep tries between every two nodes, each with its reason."""

from __future__ import annotations

from pacslab.model.dicom import Protocol
from pacslab.model.plan import Plan
from pacslab.model.probe import ProbeClass

Port = tuple[Protocol, int]

# What an intruder in a hospital network tries first: remote control, files, databases, DICOM, HL7, syslog, web.
WATCHED_TCP = (
    *(21, 22, 23, 80, 104, 111, 139, 389, 443, 445, 1433, 2049, 2575, 2761, 2762, 3306, 3389, 4242, 5432, 5900, 6514),
    *(8042, 8080, 8443, 11112),
)
# DNS, TFTP, portmapper, NTP, NetBIOS, SNMP, LDAP, QUIC, syslog, SSDP, NFS, RDP, mDNS.
WATCHED_UDP = (53, 69, 111, 123, 137, 161, 389, 443, 514, 1900, 2049, 3389, 5353)
CANARIES = ((Protocol.TCP, 1), (Protocol.TCP, 65535), (Protocol.UDP, 1), (Protocol.UDP, 65535))
_OTHER = {Protocol.TCP: Protocol.UDP, Protocol.UDP: Protocol.TCP}
_HIGHEST = 65535


def twin_ports(plan: Plan) -> tuple[Port, ...]:
    """The ports of services in the protocol that no service uses there."""
    served = set(plan.ports)
    return tuple((_OTHER[protocol], port) for protocol, port in plan.ports if (_OTHER[protocol], port) not in served)


def other_ports(plan: Plan) -> tuple[tuple[ProbeClass, Port], ...]:
    """Ports that no service of the lab has: beside one, watched, canaries; each once."""
    taken = {*plan.ports, *twin_ports(plan)}
    found: dict[Port, ProbeClass] = {}
    candidates = (
        *((ProbeClass.BOUNDARY, port) for port in _beside(plan)),
        *((ProbeClass.WATCH, (Protocol.TCP, port)) for port in WATCHED_TCP),
        *((ProbeClass.WATCH, (Protocol.UDP, port)) for port in WATCHED_UDP),
        *((ProbeClass.CANARY, port) for port in CANARIES),
    )
    for kind, port in candidates:
        if port not in taken:
            found.setdefault(port, kind)
    return tuple((kind, port) for port, kind in found.items())


def _beside(plan: Plan) -> tuple[Port, ...]:
    services = sorted({(s.protocol, *s.ports) for node in plan.nodes for s in node.services})
    return tuple(
        (protocol, port) for protocol, first, last in services for port in (first - 1, last + 1) if 0 < port <= _HIGHEST
    )
