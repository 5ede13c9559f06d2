"""`pacslab plan LAB`: what would be built, and what that changes: of a running lab, or of another lab file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pacslab.cli import difference as shown
from pacslab.cli.output import print_json, say, stdout
from pacslab.cli.target import FileArgument, JsonOption, Target, from_file
from pacslab.compiler.compile import compile_lab
from pacslab.compiler.difference import Difference, compare, container_parts
from pacslab.compiler.expectations import expectations, expected_pairs
from pacslab.engine import converge
from pacslab.engine.changes import Action, Change
from pacslab.engine.docker import Docker
from pacslab.errors import Exit, PacslabError
from pacslab.labfile.load import load
from pacslab.model import codec
from pacslab.model.plan import Plan

AgainstOption = Annotated[
    Path | None, typer.Option("--against", metavar="FILE", help="Only what differs in meaning from this lab file.")
]
ExitCodeOption = Annotated[bool, typer.Option("--exit-code", help="Exit 1 if there is a difference.")]


def plan(
    lab: FileArgument, *, against: AgainstOption = None, exit_code: ExitCodeOption = False, json: JsonOption = False
) -> int:
    """Show what a lab file would build; and if that lab runs, what would change and why."""
    target = from_file(lab)
    if against is not None:
        differs = _against(target.plan, against, json=json)
    else:
        running = _running(target)
        differs = running is not None and running.differs
        if json:
            document = {
                "digest": target.plan.digest,
                **codec.encode(target.plan),
                "expectations": _expected(target.plan),
            }
            print_json({**document, "running": running and running.document()})
        else:
            _print(target.plan)
            _print_running(running)
    return Exit.NO if differs and exit_code else Exit.DONE


@dataclass(frozen=True, slots=True)
class _Running:
    """A lab that runs, beside what its file says now."""

    difference: Difference
    changes: tuple[Change, ...] | None  # of containers; None: they cannot be told
    new_rules: bool  # whether `up` would load other rules, be it only for another name in them

    @property
    def differs(self) -> bool:
        return bool(self.difference) or any(change.action is not Action.KEEP for change in self.changes or ())

    def document(self) -> dict[str, object]:
        parts = {"difference": self.difference, "changes": self.changes, "new_rules": self.new_rules}
        return {"differs": self.differs, **parts}


def _against(after: Plan, file: Path, *, json: bool) -> bool:
    """Compare with another lab file, which is the past; whether they differ."""
    before = compile_lab(load(file).lab)
    difference = compare(before, after)
    if json:
        past = {"lab": before.lab, "file": str(file), "digest": before.digest}
        document = {"lab": after.lab, "digest": after.digest, "against": past}
        print_json({**document, "differs": bool(difference), "difference": difference})
    else:
        for line in shown.lines(difference):
            print(line)
    return bool(difference)


def _running(target: Target) -> _Running | None:
    """What would change in the running lab; nothing if none was started from here, or no engine answers."""
    before = target.state.read_plan()
    if before is None:
        return None
    try:
        docker = Docker.connect()
        if not docker.list(lab=target.plan.lab):
            return None
    except PacslabError as error:
        say(f"nothing is said of the running lab: {error.message}")
        return None
    difference = compare(before, target.plan)
    new_rules = before.ruleset != target.plan.ruleset
    try:
        changes = converge.changes(docker, target.plan, target.state)
    except PacslabError as error:
        say(f"nothing is said of the lab's containers: {error.message}")
        return _Running(difference, None, new_rules)
    return _Running(difference, tuple(_explained(change, before, target.plan) for change in changes), new_rules)


def _explained(change: Change, before: Plan, after: Plan) -> Change:
    """A replacement with what differs of its container, where the plans tell."""
    old = {container.name: container for container in (before.fabric, *before.containers)}.get(change.name)
    new = {container.name: container for container in (after.fabric, *after.containers)}.get(change.name)
    if change.action is not Action.REPLACE or old is None or new is None:
        return change
    parts = container_parts(old, new)
    return replace(change, reason=f"{change.reason}: {', '.join(parts)}") if parts else change


def _print_running(running: _Running | None) -> None:
    if running is None:
        return
    print("\nagainst the running lab:")
    for line in shown.lines(running.difference):
        print(line)
    for change in running.changes or ():
        if change.action is not Action.KEEP:
            print(f"{change.action.value:{shown.WIDTH}}container {change.name}: {change.reason}")
    if running.new_rules:
        print(f"{'load':{shown.WIDTH}}rules: they differ from those that were loaded")


def _expected(plan: Plan) -> dict[str, object]:
    """What `verify` will expect of every pair and port: those that are allowed; every other one is denied."""
    allowed = [one for one in expectations(plan) if one.flow is not None]
    return {
        "total": expected_pairs(plan).total,
        "allowed": [
            {
                "source": one.source,
                "destination": one.destination,
                "protocol": one.protocol,
                "port": one.port,
                "conduit": one.flow and one.flow.conduit,
            }
            for one in allowed
        ],
    }


def _print(planned: Plan) -> None:
    console = stdout()
    console.print(f"lab {planned.lab} ({planned.title}), posture {planned.posture.value}, plan {planned.digest[:12]}")
    nodes = Table("zone", "node", "kind", "address", "AE title", "services", box=None, pad_edge=False)
    for node in planned.nodes:
        services = ", ".join(f"{service.name} {service.port}" for service in node.services)
        nodes.add_row(node.zone, node.name, node.kind, str(node.address), node.ae_title or "", services)
    console.print(nodes)
    flows = Table("conduit", "flow", "operations", "written at", box=None, pad_edge=False)
    for flow in planned.flows:
        first, last = flow.ports
        ports = str(first) if first == last else f"{first}-{last}"
        family = " over IPv6" if flow.source_address.version == 6 else ""
        way = f"{flow.source} -> {flow.destination} {flow.service} {ports}/{flow.protocol.value}{family}"
        operations = ", ".join(operation.value for operation in flow.operations)
        closed = " (closed until granted)" if flow.granted else ""
        flows.add_row(flow.conduit, way + closed, operations, str(flow.origin))
    console.print(flows)
    pairs = expected_pairs(planned)
    console.print(
        f"{len(planned.nodes)} nodes, {len(planned.cables)} cables, {len(planned.flows)} flows; of {pairs.total} "
        f"(pair, port) combinations {pairs.allowed} are allowed and {pairs.total - pairs.allowed} denied",
    )
