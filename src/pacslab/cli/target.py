"""LAB (a lab file's path, or a running lab's name) -> its plan and its state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pacslab.cli.output import say
from pacslab.compiler.compile import compile_lab
from pacslab.engine.docker import Docker
from pacslab.engine.state import State
from pacslab.errors import Exit, PacslabError
from pacslab.labfile.load import Loaded, load, name_of
from pacslab.model.lab import Lab, Posture
from pacslab.model.plan import Plan

LabArgument = Annotated[str, typer.Argument(metavar="LAB", help="Path of a lab file, or name of a running lab.")]
FileArgument = Annotated[Path, typer.Argument(metavar="LAB", help="Path of a lab file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@dataclass(frozen=True, slots=True)
class Target:
    """A lab that a command works on."""

    plan: Plan
    state: State


def from_file(path: Path, posture: Posture | None = None) -> Target:
    """Load and compile a lab file; its warnings go to stderr.

    Raises:
        LabFileError: The lab's files have errors.
    """
    plan = compile_lab(lab_from_file(path), posture)
    return Target(plan, State.beside(path, plan.lab))


def lab_from_file(path: Path) -> Lab:
    """Load a lab file; its warnings go to stderr.

    Raises:
        LabFileError: The lab's files have errors.
    """
    loaded: Loaded = load(path)
    for warning in loaded.warnings:
        say(str(warning))
    return loaded.lab


def is_file(lab: str) -> bool:
    """Whether LAB means a file: by its folder, its ending, or because it is there; a folder may share a lab's name."""
    return "/" in lab or lab.endswith((".yaml", ".yml")) or Path(lab).is_file()


def lab_name(lab: str) -> str:
    """The name of the lab, from its file or as given; nothing else of the file needs to be right.

    Raises:
        LabFileError: The file cannot be read, or says no name.
    """
    return name_of(Path(lab)) if is_file(lab) else lab


def running(docker: Docker, lab: str) -> Target:
    """The plan of a lab that runs: from its file, or, by name, from the state it was started with.

    Raises:
        PacslabError: No lab of that name runs, or its state is not on this machine.
    """
    if is_file(lab):
        return from_file(Path(lab))
    found = docker.list(lab=lab)
    if not found:
        raise PacslabError(f"no lab called {lab!r} runs on this engine", hint=_others(docker), exit_code=Exit.REFUSED)
    state = State(Path(found[0].home))
    plan = state.read_plan()
    if plan is None:
        raise PacslabError(
            f"the plan of lab {lab!r} is not at {state.plan_file}",
            hint="name the lab by its file, or remove it with: pacslab down " + lab,
        )
    return Target(plan, state)


def require_node(plan: Plan, name: str) -> str:
    """The container of a node.

    Raises:
        PacslabError: The lab has no such node.
    """
    for container in (*plan.containers, plan.fabric):
        if name in {container.node, f"{container.zone}/{container.node}"}:
            return container.name
    known = ", ".join(container.node for container in plan.containers)
    raise PacslabError(f"lab {plan.lab} has no node {name!r}", hint=f"its nodes: {known}", exit_code=Exit.USAGE)


def _others(docker: Docker) -> str:
    names = sorted({container.lab for container in docker.list()})
    return f"running: {', '.join(names)}" if names else "start one with: pacslab up lab/reference.yaml"
