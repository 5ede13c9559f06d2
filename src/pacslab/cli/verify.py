"""`pacslab verify LAB`: the conformance run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from pacslab.checks import run as checks
from pacslab.checks.catalogue import CATALOGUE, SUITES
from pacslab.cli.output import progress, say, stdout
from pacslab.cli.reports import STDOUT, Reports, Wanted
from pacslab.cli.target import LabArgument, Target, running
from pacslab.engine.docker import Docker
from pacslab.errors import Exit, PacslabError
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan
from pacslab.model.verdict import Run
from pacslab.report import console
from pacslab.report.json import render as render_json
from pacslab.report.seats import Seats

REPORT = "verify.json"


def _file(style: str, meaning: str) -> Any:
    return typer.Option(f"--{style}", metavar="FILE", help=f"{meaning}; `-` is stdout.")


def verify(
    lab: LabArgument,
    *,
    only: Annotated[
        str, typer.Option("--only", metavar="SUITE,...", help=f"Some suites only, of: {', '.join(SUITES)}.")
    ] = "",
    json: Annotated[Path | None, _file("json", "Every result, for programs")] = None,
    junit: Annotated[Path | None, _file("junit", "JUnit XML, for CI")] = None,
    html: Annotated[Path | None, _file("html", "One page to read, filter and print")] = None,
    tap: Annotated[Path | None, _file("tap", "Test Anything Protocol 14")] = None,
) -> int:
    """Prove that the declared flows work and nothing else gets through.

    Exit code 0: every verdict passes. 1: a verdict failed. 4: none failed, but something could not be decided.
    3: the lab could not be examined. Reports are written in each case, and after each suite.
    """
    suites = _suites(only)
    files = {"json": json, "junit": junit, "html": html, "tap": tap}
    reports = Reports(tuple(Wanted(style, path) for style, path in files.items() if path is not None))
    with reports.kept(lab, suites):
        docker = Docker.connect()
        target = running(docker, lab)
        seats = Seats.of(target.plan)
        live = _live(docker, target)

        def write(run: Run) -> None:
            reports.write(run, seats)
            target.state.make()
            target.state.write(f"reports/{REPORT}", render_json(run, seats, CATALOGUE).encode())

        with progress(f"verify {target.plan.lab}") as told:
            run = checks.verify(docker, target.plan, live, suites, write=write, progress=told)
    if not reports.on_stdout:
        console.print_run(stdout(), run, seats, CATALOGUE)
    for place in (*(str(path) for path in files.values() if path not in {None, STDOUT}), target.state.reports / REPORT):
        say(f"report: {place}")
    return checks.EXIT_OF[run.verdict]


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
