"""`pacslab copy LAB NODE FILE...`: hand files to a node, such as images for a scanner to send."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from pacslab.cli.output import say
from pacslab.cli.target import LabArgument, require_node, running
from pacslab.engine.docker import Docker
from pacslab.engine.state import saying
from pacslab.errors import Exit, PacslabError
from pacslab.model.device import DATA_DIR
from pacslab.model.plan import File

INBOX = f"{DATA_DIR}/inbox"


def copy(
    lab: LabArgument,
    node: Annotated[str, typer.Argument(help="The node.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of this machine.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help="The folder in the node.")] = INBOX,
) -> None:
    """Copy files into a node, readable by its program; an existing file of that name is replaced."""
    if not PurePosixPath(to).is_absolute():
        raise PacslabError(f"{to!r} is not an absolute path", hint=f"for example {INBOX}", exit_code=Exit.USAGE)
    docker = Docker.connect()
    container = require_node(running(docker, lab).plan, node)
    docker.put_files(container, tuple((File(f"{to}/{path.name}", "", 0o444), _read(path)) for path in files))
    say(f"{len(files)} files are in {node}:{to}")


def _read(path: Path) -> bytes:
    with saying(f"read {path}"):
        return path.read_bytes()
