"""An entry of the firewall's log (its prefix, the packet's first bytes) -> who was denied what, by the lab's names."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from pacslab.model.packet import PROTOCOLS, TCP, UDP
from pacslab.model.plan import Plan, PlannedNode
from pacslab.model.ruleset import LOG_PREFIX

_IPV4_HEADER, _IPV6_HEADER = 20, 40


@dataclass(frozen=True, slots=True)
class Denied:
    """One denied packet; a node's full name is `zone/node`, an address that is nobody's stays one."""

    reason: str
    source: str
    destination: str
    service: str  # "dicom", "11112/tcp", "icmp"


def name_denial(plan: Plan, prefix: str, packet: bytes) -> Denied | None:
    """Name what a log entry is about.

    Args:
        plan: The lab.
        prefix: The entry's prefix, `pacslab:REASON`.
        packet: From the IP header on; the first 44 bytes are enough.

    Returns:
        None if it is no entry of a lab's ruleset, or cut too short.
    """
    version = packet[0] >> 4 if packet else 0
    if not prefix.startswith(LOG_PREFIX) or len(packet) < {4: _IPV4_HEADER, 6: _IPV6_HEADER}.get(version, 1 << 16):
        return None
    if version == 4:
        source, destination, protocol = packet[12:16], packet[16:20], packet[9]
        transport = packet[(packet[0] & 0xF) * 4 :]
    else:
        source, destination, protocol = packet[8:24], packet[24:40], packet[6]
        transport = packet[_IPV6_HEADER:]
    nodes = {str(address): node for node in plan.nodes for address in (node.address, node.address6) if address}
    ends = [str(ipaddress.ip_address(address)) for address in (source, destination)]
    service = _service(nodes.get(ends[1]), protocol, transport)
    sender, receiver = (nodes[end].path if end in nodes else end for end in ends)
    return Denied(prefix.removeprefix(LOG_PREFIX).strip(), sender, receiver, service)


def _service(node: PlannedNode | None, protocol: int, transport: bytes) -> str:
    name = PROTOCOLS.get(protocol, f"protocol {protocol}")
    if protocol not in {TCP, UDP} or len(transport) < 4:
        return name
    port = int.from_bytes(transport[2:4], "big")
    for service in node.services if node else ():
        if service.protocol.value == name and service.ports[0] <= port <= service.ports[1]:
            return service.name
    return f"{port}/{name}"
