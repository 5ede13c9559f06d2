"""Where the user wants reports of `verify` -> files that are open before anything is tried, and always current."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pacslab.checks.catalogue import CATALOGUE
from pacslab.checks.run import stillborn
from pacslab.engine.state import saying
from pacslab.errors import Exit, PacslabError
from pacslab.model.verdict import Check, Run
from pacslab.report import html, json, junit, tap
from pacslab.report.seats import Seats

Render = Callable[[Run, Seats, tuple[Check, ...]], str]
RENDER: Mapping[str, Render] = {"json": json.render, "junit": junit.render, "html": html.render, "tap": tap.render}
STDOUT = Path("-")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One report and where it goes; `-` is stdout, once, at the end."""

    style: str  # of RENDER
    path: Path


class Reports:
    """The reports of one run."""

    def __init__(self, wanted: tuple[Wanted, ...]) -> None:
        """Open them all.

        Raises:
            PacslabError: Two go to one place, or a file cannot be written.
        """
        seen: dict[Path, str] = {}
        for one in wanted:
            place = one.path if one.path == STDOUT else one.path.resolve()
            if place in seen:
                where = "stdout" if place == STDOUT else str(one.path)
                words = f"--{seen[place]} and --{one.style} cannot both be written to {where}"
                raise PacslabError(words, hint="give each a file of its own", exit_code=Exit.USAGE)
            seen[place] = one.style
        for one in wanted:
            if one.path != STDOUT:
                _open(one)
        self._wanted = wanted
        self._last: tuple[Run, Seats] | None = None

    @property
    def on_stdout(self) -> bool:
        """Whether stdout belongs to a report."""
        return any(one.path == STDOUT for one in self._wanted)

    @contextmanager
    def kept(self, lab: str, suites: tuple[str, ...]) -> Iterator[None]:
        """Report whatever happens meanwhile: also what ends a run before it begins, also on stdout."""
        try:
            yield
        except PacslabError as error:
            if self._last is None:
                self.write(stillborn(lab, suites, error.message), Seats())
            raise
        finally:
            self._print()

    def write(self, run: Run, seats: Seats) -> None:
        """Bring every file up to date; stdout gets the last state."""
        self._last = run, seats
        for one in self._wanted:
            if one.path != STDOUT:
                with saying(f"write {one.path}"):
                    _replace(one.path.resolve(), RENDER[one.style](run, seats, CATALOGUE))

    def _print(self) -> None:
        for one in self._wanted:
            if one.path == STDOUT and self._last is not None:
                print(RENDER[one.style](*self._last, CATALOGUE), end="")


def _open(one: Wanted) -> None:
    """What an earlier run left must not be taken for this one's."""
    try:
        with one.path.open("w", encoding="utf-8"):
            pass
    except OSError as error:
        hint = "name a file in a folder that exists and may be written to"
        raise PacslabError(f"--{one.style}: {one.path} cannot be written: {error.strerror}", hint=hint) from None


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; a pipe or device as it is."""
    if not stat.S_ISREG(path.stat().st_mode):
        path.write_text(text, encoding="utf-8")
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(stat.S_IMODE(path.stat().st_mode))
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
