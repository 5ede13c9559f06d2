"""`pacslab map LAB`: the network map, as a picture or as text that becomes one."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pacslab.cli.output import print_json, say
from pacslab.cli.target import FileArgument, JsonOption, lab_from_file
from pacslab.compiler.compile import compile_lab
from pacslab.engine.state import saying
from pacslab.report import map_dot, map_mermaid, map_svg
from pacslab.report.map import Chart, chart


class Format(StrEnum):
    """How a map is written."""

    SVG = "svg"
    MERMAID = "mermaid"
    DOT = "dot"


_RENDER: dict[Format, Callable[[Chart], str]] = {
    Format.SVG: map_svg.render,
    Format.MERMAID: map_mermaid.render,
    Format.DOT: map_dot.render,
}


def map_(
    lab: FileArgument,
    *,
    style: Annotated[Format, typer.Option("--format", help="A picture, or text for Mermaid or Graphviz.")] = Format.SVG,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there.")] = None,
    json: JsonOption = False,
) -> None:
    """Draw the network map: zones, nodes, and every conduit with direction, protocol, port and protection."""
    loaded = lab_from_file(lab)
    drawn = chart(loaded, compile_lab(loaded))
    if json:
        print_json(drawn)
        return
    text = _RENDER[style](drawn)
    if output is None:
        print(text, end="")
        return
    with saying(f"write {output}"):
        output.write_text(text, encoding="utf-8")
    say(f"map of lab {loaded.name}: {output}")
