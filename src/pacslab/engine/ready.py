"""A lab whose cables are laid -> its services answering, or the node that does not and its last words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric
from pacslab.errors import PacslabError
from pacslab.model.dicom import Protocol
from pacslab.model.fabric import Answer, Greeting, GreetRequest
from pacslab.model.lab import Service
from pacslab.model.plan import Plan, PlannedNode

READY_TIMEOUT_S = 60.0
LOOK_EVERY_S = 4.0  # how long to greet before looking whether a node has died

Progress = Callable[[str, int, int], None]
Answers = dict[tuple[str, str], Answer]  # by node and service


def greetings(plan: Plan, running: Iterable[Running]) -> tuple[Greeting, ...]:
    """One greeting for each service of each node that runs; of a range, its first port."""
    pids = {container.node: container.pid for container in running if container.running}
    return tuple(
        Greeting(node.name, pids[node.name], node.address, service.name, service.port, service.application)
        for node in plan.nodes
        if node.name in pids
        for service in greeted(node)
    )


def greeted(node: PlannedNode) -> tuple[Service, ...]:
    """The services that can be greeted: nothing says over UDP that it is there."""
    return tuple(service for service in node.services if service.protocol is Protocol.TCP)


def greet(fabric: Fabric, plan: Plan, running: Iterable[Running], known: Answers, progress: Progress) -> Answers:
    """Greet the services that have not answered yet, for a few seconds; what is known grows by those that do."""
    waiting = tuple(g for g in greetings(plan, running) if (g.node, g.service) not in known)
    total = sum(len(greeted(node)) for node in plan.nodes)
    report = fabric.greet(
        GreetRequest(waiting, timeout_s=LOOK_EVERY_S),
        lambda _, done, __: progress("services", len(known) + done, total),
    )
    return {**known, **{(answer.node, answer.service): answer for answer in report.answers}}


def await_services(
    docker: Docker, plan: Plan, fabric: Fabric, first: Answers, progress: Progress
) -> tuple[Answer, ...]:
    """Greet until all answer, but stop as soon as a node has died.

    Args:
        docker: The engine.
        plan: The lab's plan.
        fabric: The lab's fabric.
        first: What a first round of greetings heard.
        progress: Told of each answer.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    answers = first
    while late := next((answer for answer in answers.values() if not answer.ready), None):
        running = docker.list(lab=plan.lab)
        refuse_dead(docker, plan, running)
        if time.monotonic() > deadline:
            message = f"{late.node} does not answer on {late.service} after {READY_TIMEOUT_S:.0f} s: {late.detail}"
            raise PacslabError(f"{message}\n{_tail(docker, plan, late.node)}", hint=log_hint(plan, late.node))
        answers = greet(fabric, plan, running, {key: a for key, a in answers.items() if a.ready}, progress)
    refuse_dead(docker, plan, docker.list(lab=plan.lab))
    return tuple(answers.values())


def refuse_dead(docker: Docker, plan: Plan, running: tuple[Running, ...]) -> None:
    """Raise if a node's program has ended, with its last log lines."""
    alive = {container.node for container in running if container.running}
    for container in plan.containers:
        if container.node not in alive:
            found = docker.find(container.name)
            how = f"ended with exit code {found.exit_code}" if found else "is gone"
            message = f"node {container.node} {how} while starting"
            raise PacslabError(f"{message}\n{_tail(docker, plan, container.node)}", hint=log_hint(plan, container.node))


def _tail(docker: Docker, plan: Plan, node: str) -> str:
    """A node's last log lines, set off from the message."""
    try:
        text = docker.logs(f"pacslab-{plan.lab}-{node}", tail=15)
    except PacslabError as error:
        text = error.message
    return "\n".join(f"  {node} | {line}" for line in text.splitlines()) or f"  {node} | (it wrote nothing)"


def log_hint(plan: Plan, node: str) -> str:
    """How to look at a node whose start failed."""
    return f"to look at it, run `up` again with --keep-failed, then `pacslab logs {plan.lab} {node}`"
