"""`pacslab verify LAB`: the conformance run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pacslab.checks import run as checks
from pacslab.checks.catalogue import CATALOGUE, SUITES
from pacslab.cli.output import progress, say, stdout
from pacslab.cli.target import LabArgument, Target, running
from pacslab.engine.docker import Docker
from pacslab.engine.state import saying
from pacslab.errors import Exit, PacslabError
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan
from pacslab.model.verdict import Run
from pacslab.report import console, json

REPORT = "verify.json"


def verify(
    lab: LabArgument,
    *,
    only: Annotated[str, typer.Option("--only", metavar="SUITE,...", help=f"Of: {', '.join(SUITES)}.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report there too; `-` is stdout.")
    ] = None,
) -> int:
    """Prove that the declared flows work and nothing else gets through; exit 0, 1 (no) or 4 (cannot tell)."""
    suites = _suites(only)
    docker = Docker.connect()
    target = running(docker, lab)
    live = _live(docker, target)
    copy = _Copy(json_file)

    def write(run: Run) -> None:
        text = json.render(run, CATALOGUE)
        target.state.make()
        target.state.write(f"reports/{REPORT}", text.encode())
        copy.write(text)

    with progress(f"verify {target.plan.lab}") as report:
        run = checks.verify(docker, target.plan, live, suites, write=write, progress=report)
    if copy.on_stdout:
        print(copy.text, end="")
    else:
        console.print_run(stdout(), run, target.plan, CATALOGUE)
    say(f"report: {target.state.reports / REPORT}")
    return checks.EXIT_OF[run.verdict]


class _Copy:
    """The user's own copy of the report: a file that is always current, or stdout once at the end."""

    def __init__(self, path: Path | None) -> None:
        self.on_stdout = path is not None and str(path) == "-"
        self.text = ""
        self._path = None if self.on_stdout else path

    def write(self, text: str) -> None:
        self.text = text
        if self._path is not None:
            with saying(f"write {self._path}"):
                self._path.write_text(text, encoding="utf-8")


def _suites(only: str) -> tuple[str, ...]:
    if not only:
        return SUITES
    chosen = tuple(name.strip() for name in only.split(","))
    for name in chosen:
        if name not in SUITES:
            raise PacslabError(f"there is no suite {name!r}", hint=f"one of {', '.join(SUITES)}", exit_code=Exit.USAGE)
    return tuple(suite for suite in SUITES if suite in chosen)


def _live(docker: Docker, target: Target) -> Plan:
    """The plan that was brought up; warns when it is not this lab file's, or not enforced in full."""
    found = {container.node: container for container in docker.list(lab=target.plan.lab)}
    fabric = found.get(target.plan.fabric.node)
    if fabric is None or not fabric.running:
        raise PacslabError(f"lab {target.plan.lab} is not running", hint="start it with: pacslab up LAB")
    live = target.state.read_plan() or target.plan
    if _as(live, live.posture).digest != _as(target.plan, live.posture).digest:
        say("warning: the lab was brought up from another plan; it is judged by the lab file as it is now")
    if live.posture is not Posture.SEGMENTED:
        say(f"warning: the posture is {live.posture.value}: the policy is not enforced in full")
    return live


def _as(plan: Plan, posture: Posture) -> Plan:
    """A plan with everything that follows from its posture set to be alike."""
    return replace(plan, posture=posture, ruleset="")
