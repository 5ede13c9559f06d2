"""`pacslab status LAB`: every node's container, cable and services."""

from __future__ import annotations

from rich.table import Table

from pacslab.cli.output import print_json, stdout
from pacslab.cli.target import JsonOption, LabArgument, running
from pacslab.engine import status as engine
from pacslab.engine.docker import Docker
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
    console.print(
        f"lab {found.lab}: {found.healthy} of {len(found.nodes)} nodes healthy, fabric {found.fabric}, "
        f"posture {found.posture}, plan {found.plan[:12]}",
    )
    if found.posture != Posture.SEGMENTED:
        console.print(f"warning: the posture is {found.posture}: the policy is not enforced in full")
