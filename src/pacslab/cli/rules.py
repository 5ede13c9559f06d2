"""`pacslab rules LAB`: the nftables ruleset of a lab."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from pacslab.cli.output import print_json
from pacslab.cli.target import JsonOption, LabArgument, from_file, is_file, running
from pacslab.engine.docker import Docker
from pacslab.engine.fabric import Fabric
from pacslab.errors import Exit, PacslabError


def rules(
    lab: LabArgument,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="What the running fabric has loaded, with its counters.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Print the nftables ruleset that a lab file generates, or the one that is loaded."""
    if live:
        docker = Docker.connect()
        plan = running(docker, lab).plan
        if json:
            print(jsonlib.dumps(Fabric(docker, plan.fabric.name).ruleset(), indent=2))
            return
        shown = docker.exec(plan.fabric.name, ("nft", "list", "ruleset"))
        print(shown.stdout.decode(), end="")
        return
    if not is_file(lab):
        raise PacslabError("a lab's name needs --live", hint="name a lab file, or add --live", exit_code=Exit.USAGE)
    plan = from_file(Path(lab)).plan
    if json:
        print_json({"digest": plan.digest, "ruleset": plan.ruleset})
        return
    print(plan.ruleset, end="")
