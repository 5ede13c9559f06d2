"""`pacslab checks`: what `verify` checks, and what each check answers to."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pacslab.checks.catalogue import CATALOGUE, SUITES
from pacslab.cli.output import print_json, stdout
from pacslab.cli.target import JsonOption
from pacslab.errors import Exit, PacslabError
from pacslab.model.verdict import Check
from pacslab.report.cases import link


def checks(
    which: Annotated[str, typer.Argument(metavar="[SUITE|ID]", help="One suite, or one check.")] = "",
    *,
    json: JsonOption = False,
) -> None:
    """Print the catalogue of checks: id, requirement, and the references it answers to."""
    chosen = _chosen(which)
    if json:
        print_json({"checks": [check_document(check) for check in chosen]})
    elif len(chosen) == 1:
        _print_one(stdout(), chosen[0])
    else:
        _print_table(stdout(), chosen)


def check_document(check: Check) -> dict[str, object]:
    """A check as programs read it."""
    return {
        "id": check.id,
        "suite": check.suite,
        "requirement": check.requirement,
        "references": check.references,
        "documentation": link(check.id),
    }


def _chosen(which: str) -> tuple[Check, ...]:
    if not which:
        return CATALOGUE
    found = tuple(check for check in CATALOGUE if which.lower() in {check.suite, check.id.lower()})
    if not found:
        hint = f"suites: {', '.join(SUITES)}; ids: pacslab checks"
        raise PacslabError(f"there is no suite or check {which!r}", hint=hint, exit_code=Exit.USAGE)
    return found


def _print_one(console: Console, check: Check) -> None:
    said = (("suite", check.suite), ("requirement", check.requirement), ("references", "; ".join(check.references)))
    console.print(Text(check.id, style="bold"))
    for word, text in (*said, ("documented", link(check.id))):
        console.print(Text(f"  {word:<12} {text}"))


def _print_table(console: Console, found: tuple[Check, ...]) -> None:
    table = Table("check", "suite", "requirement", "references", box=None, pad_edge=False)
    for check in found:
        cells = (check.id, check.suite, check.requirement, "; ".join(check.references))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
