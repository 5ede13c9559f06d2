"""The reference lab as the people see it who review its policy: the map in all its forms."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pacslab.model.lab import Lab
from pacslab.model.plan import Plan
from pacslab.report import map_dot, map_mermaid, map_svg
from pacslab.report.map import Chart, chart

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
