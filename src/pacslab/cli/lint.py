"""`pacslab lint LAB`: every problem of a lab's files, with its place and a hint."""

from __future__ import annotations

from typing import Any

from pacslab.cli.output import print_json, say
from pacslab.cli.target import FileArgument, JsonOption
from pacslab.errors import Diagnostic, Exit, LabFileError, Severity
from pacslab.labfile.load import load


def lint(lab: FileArgument, *, json: JsonOption = False) -> int:
    """Check a lab's files and say every problem with its place and a hint."""
    title = str(lab)
    try:
        loaded = load(lab)
        found = loaded.warnings
        title = f"{loaded.lab.name}: {len(loaded.lab.zones)} zones, {len(loaded.lab.nodes)} nodes, "
        title += f"{len(loaded.lab.conduits)} conduits"
    except LabFileError as error:
        found = error.diagnostics
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in found)
    if json:
        print_json({"ok": not errors, "diagnostics": [_document(diagnostic) for diagnostic in found]})
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
