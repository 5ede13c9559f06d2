"""`pacslab matrix LAB`: who may talk to whom, zone by zone and node by node."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pacslab.cli.output import print_json, stdout
from pacslab.cli.target import FileArgument, JsonOption, lab_from_file
from pacslab.compiler.compile import compile_lab
from pacslab.report import matrix_text
from pacslab.report.matrix import matrix as matrix_of


class Format(StrEnum):
    """How a matrix is written."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"


def matrix(
    lab: FileArgument,
    *,
    nodes: Annotated[bool, typer.Option("--nodes", help="Node by node too, and every passage.")] = False,
    style: Annotated[
        Format, typer.Option("--format", help="For a terminal, a spreadsheet, a document.")
    ] = Format.TABLE,
    json: JsonOption = False,
) -> None:
    """Show who may talk to whom: how many passages lead from zone to zone, and which."""
    loaded = lab_from_file(lab)
    found = matrix_of(loaded, compile_lab(loaded))
    if json:
        print_json(found)
        return
    match style:
        case Format.TABLE:
            matrix_text.print_matrix(stdout(), found, nodes=nodes)
        case Format.CSV:
            print(matrix_text.csv_text(found, nodes=nodes), end="")
        case Format.MARKDOWN:
            print(matrix_text.markdown(found, nodes=nodes), end="")
