"""`pacslab plan LAB`: what would be built, before anything is touched."""

from __future__ import annotations

from rich.table import Table

from pacslab.cli.output import print_json, stdout
from pacslab.cli.target import FileArgument, JsonOption, from_file
from pacslab.compiler.expectations import expected_pairs
from pacslab.model import codec
from pacslab.model.plan import Plan


def plan(lab: FileArgument, *, json: JsonOption = False) -> None:
    """Show what a lab file would build: nodes, addresses, services, flows."""
    planned = from_file(lab).plan
    if json:
        print_json({"digest": planned.digest, **codec.encode(planned)})
        return
    _print(planned)


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
        way = f"{flow.source} -> {flow.destination} {flow.service} {flow.port}/{flow.protocol.value}"
        operations = ", ".join(operation.value for operation in flow.operations)
        closed = " (closed until granted)" if flow.granted else ""
        flows.add_row(flow.conduit, way + closed, operations, str(flow.origin))
    console.print(flows)
    pairs = expected_pairs(planned)
    console.print(
        f"{len(planned.nodes)} nodes, {len(planned.cables)} cables, {len(planned.flows)} flows; of {pairs.total} "
        f"(pair, port) combinations {pairs.allowed} are allowed and {pairs.total - pairs.allowed} denied",
    )
