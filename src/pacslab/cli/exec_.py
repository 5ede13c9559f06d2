"""`pacslab exec LAB NODE -- CMD`: run a command in a node."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pacslab.cli.target import LabArgument, require_node, running
from pacslab.engine.docker import Docker


def exec_(
    lab: LabArgument,
    node: Annotated[str, typer.Argument(help="The node.")],
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after `--`.")],
) -> int:
    """Run a command in a node, from its own seat; its output and exit code are passed on."""
    docker = Docker.connect()
    container = require_node(running(docker, lab).plan, node)
    if command[0] == "--":
        command = command[1:]
    stream = docker.exec_stream(container, tuple(command))
    for name, chunk in stream:
        out = sys.stderr.buffer if name == "stderr" else sys.stdout.buffer
        out.write(chunk)
        out.flush()
    return stream.exit_code
