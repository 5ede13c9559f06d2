"""`pacslab lint LAB`: every problem of a lab's files, with its place and a hint."""

from __future__ import annotations

import datetime as dt
import json as json_text
from typing import Annotated, Any

import typer

from pacslab import __version__
from pacslab.cli.output import print_json, say
from pacslab.cli.target import FileArgument, JsonOption
from pacslab.errors import Diagnostic, Exit, LabFileError, PacslabError, Severity
from pacslab.labfile.load import load
from pacslab.labfile.sarif import sarif

SarifOption = Annotated[bool, typer.Option("--sarif", help="Print one SARIF 2.1.0 document, for code review.")]
DayOption = Annotated[
    dt.datetime | None,
    typer.Option("--on", formats=["%Y-%m-%d"], metavar="DAY", help="What will have expired on that day."),
]


def lint(lab: FileArgument, *, json: JsonOption = False, sarif_: SarifOption = False, on: DayOption = None) -> int:
    """Check a lab's files and say every problem with its place and a hint."""
    if json and sarif_:
        raise PacslabError("--json and --sarif are two documents", hint="ask for one", exit_code=Exit.USAGE)
    title = str(lab)
    try:
        loaded = load(lab, on.date() if on else None)
        found = loaded.warnings
        title = f"{loaded.lab.name}: {len(loaded.lab.zones)} zones, {len(loaded.lab.nodes)} nodes, "
        title += f"{len(loaded.lab.conduits)} conduits"
    except LabFileError as error:
        found = error.diagnostics
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in found)
    if json:
        print_json({"ok": not errors, "diagnostics": [_document(diagnostic) for diagnostic in found]})
    elif sarif_:
        print(json_text.dumps(sarif(found, __version__), indent=2, ensure_ascii=False))
    else:
        for diagnostic in found:
            print(diagnostic)
        say(f"{title}: {errors} errors, {len(found) - errors} warnings")
    return Exit.USAGE if errors else Exit.DONE


def _document(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "origin": diagnostic.origin,
        "related": diagnostic.related,
    }
