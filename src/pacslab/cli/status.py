"""`pacslab status LAB`: every node's container, cable and services."""

from __future__ import annotations

from rich.table import Table

from pacslab.cli.output import print_json, stdout
from pacslab.cli.target import JsonOption, LabArgument, running
from pacslab.engine import status as engine
from pacslab.engine.docker import Docker
from pacslab.engine.queues import QueueStatus
from pacslab.errors import Exit
from pacslab.model.lab import Posture


def status(lab: LabArgument, *, json: JsonOption = False) -> int:
    """Show how a lab's nodes are; exit 1 if any is not healthy."""
    docker = Docker.connect()
    target = running(docker, lab)
    found = engine.status(docker, target.state.read_plan() or target.plan)
    if json:
        print_json(found)
    else:
        _print(found)
    return Exit.DONE if found.healthy == len(found.nodes) else Exit.NO


def _print(found: engine.LabStatus) -> None:
    console = stdout()
    table = Table("zone", "node", "state", "cable", "services", box=None, pad_edge=False)
    for node in found.nodes:
        services = ", ".join(f"{s.name} {'ok' if s.ready else s.detail}" for s in node.services)
        state = "healthy" if node.healthy else node.state
        table.add_row(node.zone, node.name, state, "yes" if node.cable else "no", services)
    console.print(table)
    for queue in found.queues:
        console.print(_queue_line(queue))
    console.print(
        f"lab {found.lab}: {found.healthy} of {len(found.nodes)} nodes healthy, fabric {found.fabric}, "
        f"posture {found.posture}, plan {found.plan[:12]}",
    )
    if found.posture != Posture.SEGMENTED:
        console.print(f"warning: the posture is {found.posture}: the policy is not enforced in full")


def _queue_line(queue: QueueStatus) -> str:
    """One line for each archive and destination; the time is UTC, as in the nodes."""
    if queue.waiting is None:
        return f"{queue.archive} -> {queue.destination}: not known what waits: {queue.last_error}"
    if not queue.waiting:
        return f"{queue.archive} -> {queue.destination}: nothing waits"
    studies = "1 study waits" if queue.waiting == 1 else f"{queue.waiting} studies wait"
    since = queue.oldest_since.partition("T")[2].removesuffix("+00:00")
    error = f"; last error: {queue.last_error}" if queue.last_error else ""
    return f"{queue.archive} -> {queue.destination}: {studies}, the oldest since {since} UTC{error}"
