"""Labels -> nothing left: a lab is removed by its labels alone, lab file or no lab file."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from pacslab.engine.docker import Docker
from pacslab.engine.state import State

WORKERS = 8


@dataclass(frozen=True, slots=True)
class DownReport:
    """What was removed."""

    labs: tuple[str, ...]
    containers: tuple[str, ...]
    volumes: tuple[str, ...]


def down(docker: Docker, lab: str | None, progress: Callable[[str, int, int], None]) -> DownReport:
    """Remove a lab's containers, or every lab's; their namespaces, cables and data go with them.

    The fabric goes first: from then on no packet passes between the nodes that are left. Secrets and plan in the
    lab's state are removed too, where the state is on this machine; reports stay.

    Args:
        docker: The engine.
        lab: A lab's name; None: every lab on this engine.
        progress: Told of each container.
    """
    found = docker.list(lab=lab)
    fabrics = [container for container in found if container.node == "fabric"]
    nodes = [container for container in found if container.node != "fabric"]
    done = 0
    for group in (fabrics, nodes):
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="remove") as pool:
            for future in as_completed([pool.submit(docker.remove, container.id) for container in group]):
                future.result()
                done += 1
                progress("containers", done, len(found))
    volumes = docker.volumes(lab=lab)
    for volume in volumes:
        docker.remove_volume(volume)
    for home in {container.home for container in found if container.home}:
        State(Path(home)).forget()
    return DownReport(tuple(sorted({c.lab for c in found})), tuple(c.name for c in found), volumes)
