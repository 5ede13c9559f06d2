"""Every report of a small run with every verdict, pinned; docs/reference/reports.md shows the same files."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from tests.conftest import Golden
from tests.reports import EVERY_VERDICT

from pacslab.checks.catalogue import CATALOGUE
from pacslab.cli.reports import RENDER
from pacslab.model.plan import Plan
from pacslab.report.console import print_run
from pacslab.report.seats import Seats

GOLDEN = Path(__file__).parent
ENDING = {"json": "json", "junit": "junit.xml", "tap": "tap", "html": "html"}


def _skeleton(page: str) -> str:
    """The page without its style and script, which are files of their own, and the hashes of them."""
    page = re.sub(r"<(style|script)>.*?</\1>", r"<\1>...</\1>", page, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/]{43}=", "sha256-...", page)


@pytest.mark.parametrize("style", RENDER)
def test_a_report_is_written_as_pinned(style: str, minimal: Plan, golden: Golden) -> None:
    text = RENDER[style](EVERY_VERDICT, Seats.of(minimal), CATALOGUE)
    golden(GOLDEN / f"verify.{ENDING[style]}", _skeleton(text))


def test_the_console_prints_as_pinned(minimal: Plan, golden: Golden) -> None:
    out = io.StringIO()
    console = Console(file=out, width=120, highlight=False, markup=False, no_color=True)
    print_run(console, EVERY_VERDICT, Seats.of(minimal), CATALOGUE)
    golden(GOLDEN / "verify.txt", re.sub(r" +$", "", out.getvalue(), flags=re.MULTILINE))
