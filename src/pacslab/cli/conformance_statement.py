"""`pacslab conformance-statement LAB`: what the lab's nodes speak of DICOM, in the form of PS3.2."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pacslab.cli.output import print_json
from pacslab.cli.target import FileArgument, JsonOption, lab_from_file
from pacslab.compiler.compile import compile_lab
from pacslab.errors import Exit, PacslabError
from pacslab.report import document
from pacslab.report.conformance import statement
from pacslab.report.conformance_text import document as laid_out


class Format(StrEnum):
    """How a statement is written."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"


def conformance_statement(
    lab: FileArgument,
    *,
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="Of this node only.")] = "",
    style: Annotated[Format, typer.Option("--format", help="For people, a browser, a program.")] = Format.MARKDOWN,
    json: JsonOption = False,
) -> None:
    """Write the lab's DICOM conformance statement (PS3.2): SOP classes, roles, transfer syntaxes, ports, security."""
    stated = statement(compile_lab(lab_from_file(lab)), node)
    if not stated.entities and not stated.web:
        whose = f"node {node!r}" if node else "this lab"
        raise PacslabError(f"{whose} speaks no DICOM", hint=f"see pacslab matrix {lab}", exit_code=Exit.USAGE)
    if json or style is Format.JSON:
        print_json(stated)
        return
    blocks = laid_out(stated)
    print(document.page(blocks) if style is Format.HTML else document.markdown(blocks), end="")
