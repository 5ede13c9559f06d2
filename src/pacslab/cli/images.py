"""`pacslab images build|list|prepare`: the container images."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Build the container images, or say how they stand.")
