"""The reference lab as the people see it who review its policy: map and matrix in all their forms."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pacslab.model.lab import Lab
from pacslab.model.plan import Plan
from pacslab.report import map_dot, map_mermaid, map_svg
from pacslab.report.map import Chart, chart
from pacslab.report.matrix import matrix
from pacslab.report.matrix_text import csv_text, markdown, print_matrix

HERE = Path(__file__).parent
Golden = Callable[[Path, str], None]
FORMS: dict[str, Callable[[Chart], str]] = {
    "svg": map_svg.render,
    "mmd": map_mermaid.render,
    "dot": map_dot.render,
}


@pytest.mark.parametrize("form", FORMS)
def test_map(form: str, reference_lab: Lab, reference: Plan, golden: Golden) -> None:
    drawn = replace(chart(reference_lab, reference), digest="0" * 64)  # the plan has golden files of its own
    golden(HERE / f"map-reference.{form}", FORMS[form](drawn))


@pytest.mark.parametrize("nodes", [False, True], ids=["zones", "nodes"])
def test_matrix(nodes: bool, reference_lab: Lab, reference: Plan, golden: Golden) -> None:
    found = matrix(reference_lab, reference)
    file = io.StringIO()
    print_matrix(Console(file=file, width=160, highlight=False), found, nodes=nodes)
    stem = f"matrix-reference-{'nodes' if nodes else 'zones'}"
    golden(HERE / f"{stem}.txt", "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines()))
    golden(HERE / f"{stem}.csv", csv_text(found, nodes=nodes))
    golden(HERE / f"{stem}.md", markdown(found, nodes=nodes))
