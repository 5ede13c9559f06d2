"""Archives that forward -> what waits there for which destination, as each archive's own `device queue` says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pacslab.engine.docker import Docker
from pacslab.errors import PacslabError
from pacslab.model.plan import Plan, PlannedNode

WORKERS = 4


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The studies of one archive that wait for one destination."""

    archive: str
    destination: str
    waiting: int | None  # studies; None: the archive did not say
    oldest_since: str  # ISO 8601; empty: none waits
    last_error: str  # of the latest attempt, or why the archive did not say


def queues(docker: Docker, plan: Plan, running: Iterable[str]) -> tuple[QueueStatus, ...]:
    """Ask every archive that forwards, in the plan's order.

    Args:
        docker: The engine.
        plan: The lab's plan.
        running: The nodes whose containers run; the others cannot be asked.
    """
    alive = frozenset(running)
    archives = [node for node in plan.nodes if _destinations(node)]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="queue") as pool:
        found = pool.map(lambda node: _ask(docker, plan, node, runs=node.name in alive), archives)
    return tuple(queue for queues in found for queue in queues)


def _destinations(node: PlannedNode) -> tuple[str, ...]:
    names = next((setting.values for setting in node.settings if setting.name == "forward"), ())
    return tuple(name.rpartition("/")[2] for name in names)


def _ask(docker: Docker, plan: Plan, node: PlannedNode, *, runs: bool) -> tuple[QueueStatus, ...]:
    if not runs:
        return _unknown(node, "the archive does not run")
    try:
        done = docker.exec(f"pacslab-{plan.lab}-{node.name}", ("device", "queue"))
        answer = json.loads(done.stdout)
    except PacslabError as error:
        return _unknown(node, error.message)
    except ValueError:
        return _unknown(node, "".join(done.stderr.decode(errors="replace").strip().splitlines()[-1:]))
    if not answer["ok"]:
        return _unknown(node, answer["detail"] or answer["status"])
    return tuple(
        QueueStatus(node.name, item["destination"], item["waiting"], item["oldest_since"], item["last_error"])
        for item in answer["queues"]
    )


def _unknown(node: PlannedNode, why: str) -> tuple[QueueStatus, ...]:
    return tuple(QueueStatus(node.name, name, None, "", why) for name in _destinations(node))
