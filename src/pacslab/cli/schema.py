"""`pacslab schema lab|zone`: the JSON Schema of lab files or zone files, for editors."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pacslab.labfile.editors import FileKind, json_schema

KindArgument = Annotated[FileKind, typer.Argument(metavar="lab|zone", help="Which files it is for.")]


def schema(kind: KindArgument) -> None:
    """Print the JSON Schema of lab files or of zone files, for editors."""
    print(json.dumps(json_schema(kind), indent=2, ensure_ascii=False))
