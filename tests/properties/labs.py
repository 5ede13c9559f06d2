"""Small random policies, made by hand and not by the compiler, and the kernel that loads their rulesets."""

from __future__ import annotations

import json
import subprocess
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from hypothesis import strategies as st

from pacslab.firewall.emit import emit
from pacslab.firewall.text import render
from pacslab.model.dicom import Application, Protocol
from pacslab.model.fabric import Cable
from pacslab.model.lab import Origin, Posture
from pacslab.model.plan import Flow, PlannedZone
from pacslab.model.policy import Policy

PORTS = (0, 1, 22, 104, 105, 2762, 65534, 65535)


def zone(number: int, *, ipv6: bool) -> PlannedZone:
    network = IPv4Network(f"198.18.{number}.0/24")
    network6 = IPv6Network(f"fd00:{number:x}::/64") if ipv6 else None
    gateway6 = network6[1] if network6 else None
    return PlannedZone(f"z-{number}", network, network[1], "", Origin("z.yaml", number), network6, gateway6)


def cable(home: PlannedZone, number: int, name: str = "") -> Cable:
    name = name or f"n-{home.network[0].packed[2]}-{number}"
    address6 = home.network6[10 + number] if home.network6 else None
    return Cable(name, name, home.network[10 + number], home.gateway, address6, home.gateway6)


def flow(
    a: Cable,
    b: Cable,
    port: int,
    *,
    conduit: str = "c",
    last_port: int | None = None,
    protocol: Protocol = Protocol.TCP,
    granted: bool = False,
    ipv6: bool = False,
) -> Flow:
    source, destination = (a.address6, b.address6) if ipv6 else (a.address, b.address)
    assert source is not None
    assert destination is not None
    return Flow(
        conduit, a.node, source, b.node, destination, protocol, port, "dicom", Application.DICOM, (), granted,
        Origin("flows.yaml", 7), last_port,
    )  # fmt: skip


@st.composite
def policies(draw: st.DrawFn, most_nodes: int = 6) -> Policy:
    """Zones with and without IPv6, nodes, flows with ranges, duplicates, grants and nodes allowed to themselves."""
    zones = tuple(zone(n + 1, ipv6=draw(st.booleans())) for n in range(draw(st.integers(1, 3))))
    cables = [cable(draw(st.sampled_from(zones)), n) for n in range(draw(st.integers(1, most_nodes)))]
    flows = []
    for _ in range(draw(st.integers(0, 8))):
        a, b = draw(st.sampled_from(cables)), draw(st.sampled_from(cables))
        ipv6 = a.address6 is not None and b.address6 is not None and draw(st.booleans())
        port, last = sorted((draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))))
        flows.append(
            flow(
                a,
                b,
                port,
                conduit=draw(st.sampled_from(["read", "store", "9-odd"])),
                last_port=last if draw(st.booleans()) and last > port else None,
                protocol=draw(st.sampled_from(Protocol)),
                granted=draw(st.integers(0, 4)) == 0,
                ipv6=ipv6,
            )
        )
    return Policy(zones, tuple(cables), tuple(flows), draw(st.sampled_from(Posture)))


def text(policy: Policy) -> str:
    return render(emit(policy.zones, policy.cables, policy.flows, policy.posture))


def kernel(ruleset: str, *commands: str) -> dict[str, Any]:
    """Load a ruleset into a namespace of its own, change it by hand, list it."""
    script = "\n".join(["nft -f /dev/stdin || exit 9", *commands, "nft -j list ruleset"])
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], input=ruleset, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\n{script}\n{ruleset}"
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed
