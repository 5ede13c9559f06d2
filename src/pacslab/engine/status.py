"""What runs -> a lab's status: each node's container, cable and services, and its confinement."""

from __future__ import annotations

from dataclasses import dataclass

from pacslab.engine.converge import plugs
from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric
from pacslab.engine.queues import QueueStatus, queues
from pacslab.engine.ready import greeted, greetings
from pacslab.model.fabric import CableState, GreetRequest, WireRequest
from pacslab.model.plan import Plan, PlannedNode


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service and how it answered just now."""

    name: str
    port: int
    ready: bool
    detail: str


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as it is now."""

    name: str
    zone: str
    kind: str
    address: str
    state: str  # of the container: running, exited, missing ...
    healthy: bool  # runs, has its cable, and every service answers
    cable: bool
    services: tuple[ServiceStatus, ...]
    networks: tuple[str, ...]  # Docker networks: none, or something is wrong
    published_ports: tuple[str, ...]
    added_capabilities: tuple[str, ...]
    privileged: bool


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A lab as it is now."""

    lab: str
    posture: str
    plan: str  # digest
    fabric: str  # state of its container
    healthy: int
    nodes: tuple[NodeStatus, ...]
    queues: tuple[QueueStatus, ...]  # what archives have not delivered yet


def status(docker: Docker, plan: Plan, *, patience_s: float = 2.0) -> LabStatus:
    """Look at every node and greet every service once.

    Args:
        docker: The engine.
        plan: The lab's plan.
        patience_s: How long a service may take to answer, in seconds.
    """
    running = docker.list(lab=plan.lab)
    present = {container.node: container for container in running}
    fabric = present.get(plan.fabric.node)
    cables: set[str] = set()
    services: dict[tuple[str, str], tuple[bool, str]] = {}
    if fabric is not None and fabric.running:
        client = Fabric(docker, fabric.name)
        report = client.observe(WireRequest(plugs(plan, running)))
        cables = {cable.node for cable in report.cables if cable.state is CableState.KEPT}
        answers = client.greet(GreetRequest(greetings(plan, running), patience_s)).answers
        services = {(answer.node, answer.service): (answer.ready, answer.detail) for answer in answers}
    nodes = tuple(_node(node, present.get(node.name), node.name in cables, services) for node in plan.nodes)
    return LabStatus(
        lab=plan.lab,
        posture=plan.posture.value,
        plan=plan.digest,
        fabric=fabric.state if fabric else "missing",
        healthy=sum(node.healthy for node in nodes),
        nodes=nodes,
        queues=queues(docker, plan, (node for node, container in present.items() if container.running)),
    )


def _node(
    node: PlannedNode, container: Running | None, cable: bool, answers: dict[tuple[str, str], tuple[bool, str]]
) -> NodeStatus:
    unknown = (False, "not asked")
    services = tuple(
        ServiceStatus(service.name, service.port, *answers.get((node.name, service.name), unknown))
        for service in greeted(node)
    )
    running = container is not None and container.running
    return NodeStatus(
        name=node.name,
        zone=node.zone,
        kind=node.kind,
        address=str(node.address),
        state=container.state if container else "missing",
        healthy=running and cable and all(service.ready for service in services),
        cable=cable,
        services=services,
        networks=container.networks if container else (),
        published_ports=container.ports if container else (),
        added_capabilities=container.cap_add if container else (),
        privileged=container.privileged if container else False,
    )
