"""Lab and flows -> containers: what each node's kind decides, and what holds for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from pacslab.kinds import KINDS, Seat
from pacslab.model.lab import Lab, Node
from pacslab.model.plan import Container, Flow

IMAGE_TAG = "trixie"

# A node binds low ports without being root. A connection that the firewall has forgotten (its fabric was replaced)
# is given up after some 10 s of retransmissions, not after the usual 15 minutes.
_NODE_SYSCTLS = (
    ("net.ipv4.tcp_retries2", "5"),
    ("net.ipv4.ip_unprivileged_port_start", "0"),
)
# No IPv6 where nobody watches it; where a zone has an IPv6 network, addresses come from the plan and nowhere else.
_WITHOUT_IPV6 = (
    ("net.ipv6.conf.all.disable_ipv6", "1"),
    ("net.ipv6.conf.default.disable_ipv6", "1"),
)
_WITH_IPV6 = (
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("net.ipv6.conf.all.accept_ra", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.default.autoconf", "0"),
)
# rp_filter is off because it drops without counting: the ruleset's own anti-spoofing counts and logs.
# icmp_ratemask is empty so that whether the fabric would answer does not depend on how often it was asked before.
# tcp_loose is off so that a stray ACK is invalid, not a new conversation.
_FABRIC_SYSCTLS = (
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    ("net.netfilter.nf_conntrack_tcp_loose", "0"),
    ("net.ipv4.icmp_ratemask", "0"),
)


def image_name(folder: str) -> str:
    """The tag of the image that a folder of `compose/images/` builds."""
    return f"pacslab/{folder}:{IMAGE_TAG}"


def containers(lab: Lab, flows: tuple[Flow, ...]) -> tuple[Container, ...]:
    """One container for each node, in the lab's order."""
    nodes = {node.name: node for node in lab.nodes}
    # Kinds configure their programs for IPv4; what IPv6 opens beside it is between firewall and kernel.
    flows = tuple(flow for flow in flows if isinstance(flow.source_address, IPv4Address))
    into = _by(flows, lambda flow: flow.destination)
    out_of = _by(flows, lambda flow: flow.source)
    hosts = tuple((node.name, str(node.address)) for node in lab.nodes)
    return tuple(_container(Seat(lab.name, node, nodes, into, out_of), hosts) for node in lab.nodes)


def fabric(lab: Lab) -> Container:
    """The container in which every cable ends; it forwards IPv6 only where some zone has an IPv6 network."""
    ipv6 = (*_WITH_IPV6, ("net.ipv6.conf.all.forwarding", "1")) if any(z.network6 for z in lab.zones) else _WITHOUT_IPV6
    return Container(
        name=f"pacslab-{lab.name}-fabric",
        node="fabric",
        zone="",
        kind="fabric",
        image=image_name("fabric"),
        sysctls=(*_FABRIC_SYSCTLS, *ipv6),
    )


def _container(seat: Seat, hosts: tuple[tuple[str, str], ...]) -> Container:
    node: Node = seat.node
    kind = KINDS[node.kind]
    parts = kind.parts(seat)
    return Container(
        name=f"pacslab-{seat.lab}-{node.name}",
        node=node.name,
        zone=node.zone,
        kind=node.kind,
        image=parts.image or image_name(kind.image),
        user=parts.user,
        command=parts.command,
        environment=parts.environment,
        sysctls=(*_NODE_SYSCTLS, *(_WITH_IPV6 if node.address6 else _WITHOUT_IPV6)),
        extra_hosts=hosts,
        files=parts.files,
        keeps_data=parts.keeps_data,
        memory_bytes=parts.memory_bytes,
        pids=parts.pids,
    )


def _by(flows: Iterable[Flow], key: Callable[[Flow], str]) -> dict[str, tuple[Flow, ...]]:
    grouped: defaultdict[str, list[Flow]] = defaultdict(list)
    for flow in flows:
        grouped[key(flow)].append(flow)
    return {name: tuple(members) for name, members in grouped.items()}
