"""`pacslab down LAB|--all`: remove a lab by its labels, lab file or no lab file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pacslab.cli.output import print_json, progress, say
from pacslab.cli.target import JsonOption, is_file, lab_name
from pacslab.engine import down as engine
from pacslab.engine.docker import Docker
from pacslab.errors import Exit, LabFileError, PacslabError


def down(
    lab: Annotated[str | None, typer.Argument(metavar="LAB", help="Path of a lab file, or name of a lab.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every lab on this engine.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove a lab: its containers, cables, rules, data and secrets. Reports stay."""
    if (lab is None) == (not everything):
        raise PacslabError("name one lab, or say --all", exit_code=Exit.USAGE)
    docker = Docker.connect()
    name = None if everything or lab is None else _name(docker, lab)
    with progress(f"down {name or 'all labs'}") as report:
        removed = engine.down(docker, name, report)
    if json:
        print_json(removed)
    elif removed.containers or removed.volumes:
        counts = f"{len(removed.containers)} containers, {len(removed.volumes)} volumes"
        say(f"removed {', '.join(removed.labs) or name or 'what was left'}: {counts}")
    else:
        say(f"nothing of {name or 'any lab'} is running")


def _name(docker: Docker, lab: str) -> str:
    """The lab's name; when its file is gone or broken, that of the one lab that was started from its folder."""
    if not is_file(lab):
        return lab
    try:
        return lab_name(lab)
    except LabFileError:
        folder = Path(lab).resolve().parent
        started = {c.lab for c in docker.list() if c.home and Path(c.home).parent.parent == folder}
        if Path(lab).stem in started:
            return Path(lab).stem
        if len(started) == 1:
            return started.pop()
        raise
