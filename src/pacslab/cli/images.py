"""`pacslab images build|prepare|list`: the container images."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from pacslab.cli.output import QUIET_S, Report, print_json, progress, say, stdout
from pacslab.cli.target import JsonOption
from pacslab.engine import images
from pacslab.engine.docker import Docker
from pacslab.errors import Exit

MIB = 2**20

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Build the container images, or see how they stand."
)

Names = Annotated[list[str] | None, typer.Argument(help="Only these images; without any, all.")]


@app.command("build")
def build(
    names: Names = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Build also what has not changed.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the builder's lines.")] = False,
    json: JsonOption = False,
) -> None:
    """Build the images whose inputs have changed."""
    docker = Docker.connect()
    with progress("images") as report:
        watch = _Watch(report, verbose=verbose)
        built = images.build(docker, names=tuple(names) if names else None, force=force, progress=watch)
    if json:
        print_json({"images": built})


@app.command("prepare")
def prepare() -> None:
    """Fetch base image and wheels, so that `docker compose -f compose/images.yaml build` works too."""
    with progress("images") as report:
        images.prepare(Docker.connect(), progress=_Watch(report, verbose=False))
    say("base image and wheels are there; now: docker compose -f compose/images.yaml build")


@app.command("list")
def list_images(*, json: JsonOption = False) -> int:
    """Say which images are built, and which are not what their inputs would make now."""
    found = images.status(Docker.connect())
    if json:
        print_json({"images": found})
    else:
        table = Table("image", "state", "size", "why", box=None, pad_edge=False)
        for image in found:
            table.add_row(image.tag, image.state.value, f"{image.size_bytes / MIB:.0f} MiB", image.reason)
        stdout().print(table)
    return Exit.DONE if all(image.state is images.State.FRESH for image in found) else Exit.NO


class _Watch:
    """The builder's events -> progress bars and one line for each finished image."""

    def __init__(self, report: Report, *, verbose: bool) -> None:
        self._report = report
        self._verbose = verbose
        self._spoke = 0.0

    def __call__(self, event: images.Progress | images.Built) -> None:
        if isinstance(event, images.Built):
            size = f"{event.size_bytes / MIB:.0f} MiB"
            say(f"{event.tag}: {event.action.value} in {event.seconds:.1f} s, {size} ({event.reason})")
            return
        if self._verbose:
            say(f"  {event.name} | {event.line}")
        if event.steps:
            self._report(event.name, event.step, event.steps)
        elif not self._verbose and time.monotonic() - self._spoke > QUIET_S:
            # Base image and wheels have no steps to count: now and then a line says that something moves.
            self._spoke = time.monotonic()
            say(f"images: {event.name}: {event.line[:100]}")
