"""Nodes whose TLS files have changed -> the same nodes with the new ones in use, on their cables all the while."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pacslab.engine.certificates import Certificates
from pacslab.engine.docker import Docker
from pacslab.engine.state import State
from pacslab.engine.vault import Vault
from pacslab.errors import PacslabError
from pacslab.kinds import KINDS
from pacslab.model.device import TLS_FOLDER
from pacslab.model.plan import Container, File, Plan

Progress = Callable[[str, int, int], None]


class Uptake(StrEnum):
    """How a node takes up its new TLS files."""

    NEXT_CONNECTION = "from its next connection on"
    RELOADED = "reloaded"
    STOPPED = "not running"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A node, and how it has taken up its TLS files."""

    node: str
    uptake: Uptake


def deliver(
    docker: Docker, plan: Plan, state: State, nodes: Iterable[str], progress: Progress, *, certificate: bool = True
) -> tuple[Delivery, ...]:
    """Bring nodes their TLS files, and have each use them; nothing but its own TLS listener begins anew.

    Args:
        docker: The engine.
        plan: The lab's plan.
        state: The lab's state.
        nodes: To whom.
        progress: Told of each node.
        certificate: Whether certificates have changed; otherwise only the revocation list has, and nodes that do not
            read it need not begin anew.

    Raises:
        PacslabError: A node refused; what was not delivered stays noted, and `up` delivers it.
    """
    containers = {container.node: container for container in plan.containers}
    running = {container.node for container in docker.list(lab=plan.lab) if container.running}
    certificates, vault = Certificates(state, plan), Vault(state, plan)
    done = []
    wanted = tuple(node for node in nodes if node in containers)
    for count, node in enumerate(wanted, 1):
        if node in running:
            done.append(Delivery(node, _bring(docker, vault, containers[node], certificate=certificate)))
            certificates.settle((node,))
        else:
            done.append(Delivery(node, Uptake.STOPPED))
        progress("TLS files", count, len(wanted))
    return tuple(done)


def _bring(docker: Docker, vault: Vault, container: Container, *, certificate: bool) -> Uptake:
    files = tuple(file for file in container.files if _is_tls(file))
    docker.put_files(container.name, vault.filled(files))
    kind = KINDS[container.kind]
    command = kind.takes_up_tls if certificate or kind.checks_revocation else ()
    if not command:
        return Uptake.NEXT_CONNECTION
    executed = docker.exec(container.name, command)
    if executed.exit_code:
        said = (executed.stderr or executed.stdout).decode(errors="replace").strip().splitlines()[-1:]
        raise PacslabError(
            f"{container.node} has its new TLS files and does not use them: {''.join(said)}",
            hint=f"look at it with: pacslab logs LAB {container.node}; `pacslab up LAB` tries again",
        )
    return Uptake.RELOADED


def _is_tls(file: File) -> bool:
    return file.path.startswith(f"{TLS_FOLDER}/")
