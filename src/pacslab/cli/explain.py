"""`pacslab explain LAB SRC DST:SERVICE`: allowed or denied, by which rule, from which line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from pacslab.cli.output import print_json, stdout
from pacslab.cli.target import JsonOption, LabArgument, from_file, is_file, running
from pacslab.engine.docker import Docker
from pacslab.engine.fabric import Fabric
from pacslab.errors import Exit, PacslabError
from pacslab.firewall.emit import emit
from pacslab.firewall.explain import Explanation, Question
from pacslab.firewall.explain import explain as explained
from pacslab.firewall.planned import planned
from pacslab.firewall.readback import read_back
from pacslab.labfile.load import load
from pacslab.model.dicom import Protocol
from pacslab.model.lab import Conduit
from pacslab.model.loaded import Loaded
from pacslab.model.plan import Plan, PlannedNode
from pacslab.model.policy import Policy

_TARGET = re.compile(r"(?P<node>[^:]+):(?P<service>[^/:]+)(/(?P<protocol>tcp|udp))?")


def explain(
    lab: LabArgument,
    source: Annotated[str, typer.Argument(metavar="SRC", help="The node that opens the conversation.")],
    target: Annotated[str, typer.Argument(metavar="DST:SERVICE", help="NODE:PORT, NODE:PORT/udp or NODE:SERVICE.")],
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Ask what the running fabric has loaded, with counters.")
    ] = False,
    ipv6: Annotated[bool, typer.Option("--ipv6", help="Between the nodes' IPv6 addresses.")] = False,
    json: JsonOption = False,
) -> int:
    """Say whether a node may open a service of another, and why; exit 0 allowed, 1 denied."""
    plan, loaded, conduits = _loaded(lab) if live else _planned(lab)
    question = _question(plan, source, target, ipv6=ipv6)
    try:
        found = explained(loaded, Policy.of(plan), question, conduits)
    except ValueError as error:
        raise PacslabError(str(error), hint="ask without --ipv6", exit_code=Exit.USAGE) from error
    if json:
        print_json(found)
    else:
        _print(found, question)
    return Exit.DONE if found.allowed else Exit.NO


def _planned(lab: str) -> tuple[Plan, Loaded, tuple[Conduit, ...]]:
    if not is_file(lab):
        raise PacslabError("a lab's name needs --live", hint="name a lab file, or add --live", exit_code=Exit.USAGE)
    plan = from_file(Path(lab)).plan
    return plan, planned(emit(plan.zones, plan.cables, plan.flows, plan.posture)), load(Path(lab)).lab.conduits


def _loaded(lab: str) -> tuple[Plan, Loaded, tuple[Conduit, ...]]:
    docker = Docker.connect()
    plan = running(docker, lab).plan
    conduits = load(Path(lab)).lab.conduits if is_file(lab) else ()
    return plan, read_back(Fabric(docker, plan.fabric.name).ruleset()), conduits


def _question(plan: Plan, source: str, target: str, *, ipv6: bool) -> Question:
    parts = _TARGET.fullmatch(target)
    if parts is None:
        hint = "write pacs:2762, pacs:53/udp or pacs:dicom-tls"
        raise PacslabError(f"{target!r} is not DST:SERVICE", hint=hint, exit_code=Exit.USAGE)
    asking, asked = _node(plan, source), _node(plan, parts["node"])
    if parts["service"].isdigit() and int(parts["service"]) <= 0xFFFF:
        protocol = Protocol(parts["protocol"] or "tcp")
        return Question(asking.name, asked.name, protocol, int(parts["service"]), ipv6)
    service = next((one for one in asked.services if one.name == parts["service"]), None)
    if service is None:
        known = ", ".join(f"{one.name} {one.port}" for one in asked.services) or "none"
        hint = f"its services: {known}; or give a port, 0 to 65535"
        raise PacslabError(f"{asked.name} has no service {parts['service']!r}", hint=hint, exit_code=Exit.USAGE)
    return Question(asking.name, asked.name, service.protocol, service.port, ipv6)


def _node(plan: Plan, name: str) -> PlannedNode:
    try:
        return plan.node(name)
    except KeyError:
        known = ", ".join(node.name for node in plan.nodes)
        raise PacslabError(
            f"lab {plan.lab} has no node {name!r}", hint=f"its nodes: {known}", exit_code=Exit.USAGE
        ) from None


def _print(found: Explanation, question: Question) -> None:
    console = stdout()
    way = f"{question.source} -> {question.destination}:{question.port}/{question.protocol.value}"
    word, style = ("ALLOWED", "bold green") if found.allowed else ("DENIED", "bold red")
    console.print(Text.assemble((word, style), f"  {way}"))
    for leg in found.legs:
        counted = f"  [{leg.packets} packets]" if leg.packets is not None else ""
        console.print(Text(f"  {leg.step:14} {leg.words}{counted}"))
        if leg.rule:
            console.print(Text(f"  {'':14} {leg.rule}", style="dim"))
    if found.conduit:
        why = f": {found.why}" if found.why else ""
        console.print(Text(f"  {'conduit':14} {found.conduit}{why}"))
        console.print(Text(f"  {'written at':14} {found.origin}"))
    for near in found.nearest:
        console.print(Text(f"  {'nearest':14} conduit {near.conduit} opens {near.opens}, but {near.differs}"))
        console.print(Text(f"  {'written at':14} {near.origin}"))
