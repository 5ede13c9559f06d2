"""Words to stderr, one JSON document to stdout, progress where somebody watches."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pacslab.model import codec

SCHEMA_VERSION = 1
QUIET_S = 2.0  # without a terminal, a long stage speaks this often

Report = Callable[[str, int, int], None]


def say(text: str) -> None:
    """One message for people."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """The one JSON document of a command."""
    document = codec.encode(value)
    if isinstance(document, dict):
        document = {"schema_version": SCHEMA_VERSION, **document}
    print(json.dumps(document, indent=2, ensure_ascii=False))


def stdout() -> Console:
    """A console for tables; plain text where stdout is no terminal or NO_COLOR is set."""
    terminal = sys.stdout.isatty()
    # What a lab file says is text: a title may hold brackets and colons that rich would take for markup.
    return Console(highlight=False, markup=False, emoji=False, width=None if terminal else 160, soft_wrap=not terminal)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Report]:
    """Show how far a long job is: bars on a terminal, now and then a line elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(title)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{title}: {stage}", total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


class _Lines:
    """Progress for a log file: the end of each stage, and a line every few seconds in between."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._spoke = time.monotonic()
        self._last = ("", 0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        news = (stage, done) != self._last
        if news and (done >= total or now - self._spoke > QUIET_S):
            self._spoke, self._last = now, (stage, done)
            say(f"{self._title}: {stage} {done}/{total}")
