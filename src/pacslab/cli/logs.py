"""`pacslab logs LAB NODE`: what a node wrote."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pacslab.cli.target import LabArgument, require_node, running
from pacslab.engine.docker import Docker


def logs(
    lab: LabArgument,
    node: Annotated[str, typer.Argument(help="The node, or `fabric`.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")] = False,
    tail: Annotated[int, typer.Option("--tail", "-n", min=0, help="Begin with so many last lines.")] = 100,
) -> None:
    """Print what a node wrote to its log."""
    docker = Docker.connect()
    container = require_node(running(docker, lab).plan, node)
    for name, chunk in docker.stream_logs(container, follow=follow, tail=tail):
        out = sys.stderr.buffer if name == "stderr" else sys.stdout.buffer
        out.write(chunk)
        out.flush()
