"""`pacslab run LAB WORKFLOW`: a clinical workflow, end to end."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from pacslab.cli.output import print_json, say, stdout
from pacslab.cli.target import JsonOption, LabArgument, running
from pacslab.engine.docker import Docker
from pacslab.errors import Exit, PacslabError
from pacslab.model.workflow import Ending, Part, PlannedStep, TakenStep
from pacslab.report.timeline import TITLES, document, print_timeline, way
from pacslab.workflow.asking import Devices
from pacslab.workflow.course import Notice, Study
from pacslab.workflow.day import run_day
from pacslab.workflow.planning import WORKFLOWS, require
from pacslab.workflow.resume import take_up
from pacslab.workflow.stations import Stations, find_stations
from pacslab.workflow.visits import new_visits

MOST_STUDIES = 500


def run(
    lab: LabArgument,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help=f"One of: {', '.join(WORKFLOWS)}.")],
    *,
    studies: Annotated[int, typer.Option(min=1, max=MOST_STUDIES, help="How many studies.")] = 1,
    parallel: Annotated[bool, typer.Option("--parallel", help="All at once; a scanner does one at a time.")] = False,
    scanner: Annotated[str, typer.Option("--from", metavar="NODE", help="The scanner; default: all in turn.")] = "",
    modality: Annotated[str, typer.Option(help="Only scanners of this modality: CT, MR, US.")] = "",
    accession: Annotated[str, typer.Option(help="Of a part run alone: this order, not the one whose turn it is.")] = "",
    slices: Annotated[int, typer.Option(min=1, max=10_000, help="Slices of an ordinary series.")] = 40,
    series: Annotated[int, typer.Option(min=1, max=3, help="Of how many series a study is.")] = 2,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed makes the same pixels; default: chance.")
    ] = None,
    patience: Annotated[float, typer.Option(min=0, metavar="S", help="How long a step is tried again.")] = 60.0,
    json: JsonOption = False,
) -> int:
    """Do a clinical workflow, or a part of it, with the lab's own devices; exit 0 if every step holds, 1 if not.

    A part run alone takes up where an earlier one left off: `acquire` the oldest open order, the others the latest
    completed one.
    """
    parts = _parts(workflow)
    docker = Docker.connect()
    plan = running(docker, lab).plan
    if not any(container.running for container in docker.list(lab=plan.lab)):
        raise PacslabError(f"lab {plan.lab} is not running", hint=f"start it with: pacslab up {lab}")
    stations = _chosen(require(plan.lab, find_stations(plan), parts), scanner, modality.upper())
    devices = Devices(docker, plan.lab, patience)
    form = Study("", "", slices=slices, series=series, seed=secrets.randbelow(2**31) if seed is None else seed)
    if Part.ORDER in parts:
        if accession and studies > 1:
            raise PacslabError("one accession number is one study", hint="leave out --studies", exit_code=Exit.USAGE)
        visits = new_visits(stations, studies, form, accession=accession)
    else:
        visits = take_up(devices, stations, parts[0], accession=accession, count=studies, form=form)
    with _watching() as notice:
        try:
            timeline = run_day(devices, plan.lab, workflow, parts, visits, parallel=parallel, notice=notice)
        except KeyboardInterrupt as error:
            left = ", ".join(visit.study.accession for visit in visits)
            raise PacslabError(
                f"interrupted; what is done of {left} stays in lab {plan.lab}",
                hint="the parts order, acquire, archive, read, report take it up with --accession",
                exit_code=Exit.INTERRUPTED,
            ) from error
    if json:
        print_json(document(timeline))
    else:
        print_timeline(stdout(), timeline)
    return Exit.DONE if timeline.held else Exit.NO


def _parts(workflow: str) -> tuple[Part, ...]:
    if workflow not in WORKFLOWS:
        raise PacslabError(
            f"there is no workflow {workflow!r}", hint=f"one of: {', '.join(WORKFLOWS)}", exit_code=Exit.USAGE
        )
    return WORKFLOWS[workflow]


def _chosen(stations: tuple[Stations, ...], scanner: str, modality: str) -> tuple[Stations, ...]:
    """Those that the user wants."""
    wanted = tuple(
        one
        for one in stations
        if (not scanner or one.scanner == scanner.rpartition("/")[2]) and modality in {"", one.modality}
    )
    if not wanted:
        what = " ".join(filter(None, (modality, "scanner", scanner)))
        have = ", ".join(f"{one.scanner} ({one.modality})" for one in stations)
        raise PacslabError(f"no {what} can take part", hint=f"there are: {have}", exit_code=Exit.USAGE)
    return wanted


@contextlib.contextmanager
def _watching() -> Iterator[Notice]:
    """Say each step as it ends; on a terminal, also what goes on just now."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        yield lambda accession, planned, taken: say(_line(accession, planned, taken)) if taken else None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """A line that lives for each step under way, and one that stays for each that has ended."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, PlannedStep], TaskID] = {}
        self._lock = threading.Lock()

    def __call__(self, accession: str, planned: PlannedStep, taken: TakenStep | None) -> None:
        with self._lock:
            key = (accession, planned)
            if taken is None:
                text = f"{accession}  {TITLES[planned.step]}: {way(planned)}"
                self._tasks[key] = self._bars.add_task(text, total=None)
                return
            task = self._tasks.pop(key, None)
            if task is not None:
                self._bars.remove_task(task)
            self._bars.console.print(_line(accession, planned, taken), style="" if taken.layer else "dim")


def _line(accession: str, planned: PlannedStep, taken: TakenStep) -> str:
    what = f"{way(planned):<24} {TITLES[planned.step]}"
    if taken.ending is Ending.FAILED:
        layer = f"{taken.layer.value}: " if taken.layer else ""
        return f"{accession}  {what}: FAILED, {layer}{taken.status} {taken.detail}".rstrip()
    return f"{accession}  {what}: {taken.detail or taken.status}  ({taken.elapsed_s:.1f} s)"
