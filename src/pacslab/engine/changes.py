"""Plan and what runs -> the changes that make them agree, each with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pacslab.engine.docker_values import Running
from pacslab.model.plan import Container, Plan


class Action(StrEnum):
    """What is done to a container."""

    CREATE = "create"
    REPLACE = "replace"
    START = "start"
    RENEW = "renew"  # the container stays, and gets new TLS files
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Change:
    """One container, what is done to it, and why."""

    action: Action
    node: str
    name: str
    reason: str


def spec(container: Container, image_id: str, vault_id: str) -> str:
    """What a container was made from: its planned form, its image, and the secrets that fill its files."""
    return hashlib.sha256(f"{container.digest} {image_id} {vault_id}".encode()).hexdigest()


def decide(
    plan: Plan, running: tuple[Running, ...], specs: dict[str, str], due: Mapping[str, str]
) -> tuple[Change, ...]:
    """Compare the plan with what runs.

    Args:
        plan: What should run.
        running: The lab's containers, by labels.
        specs: Container name -> `spec` of what should run.
        due: Node -> why it needs new TLS files.
    """
    present = {container.name: container for container in running}
    wanted = (plan.fabric, *plan.containers)
    changes = [_change(c, present.get(c.name), specs[c.name], due.get(c.node)) for c in wanted]
    names = {container.name for container in wanted}
    extra = (container for container in running if container.name not in names)
    gone = [Change(Action.REMOVE, c.node, c.name, "not in the lab file any more") for c in extra]
    return (*gone, *changes)


def _change(container: Container, present: Running | None, wanted: str, due: str | None) -> Change:
    if present is None:
        return Change(Action.CREATE, container.node, container.name, "not there")
    if present.spec != wanted:
        return Change(
            Action.REPLACE, container.node, container.name, "its image, files or options differ from the plan"
        )
    if not present.running:
        reason = f"it is {present.state} (exit code {present.exit_code})"
        return Change(Action.START, container.node, container.name, reason)
    if due is not None:
        return Change(Action.RENEW, container.node, container.name, due)
    return Change(Action.KEEP, container.node, container.name, "as planned")
