"""Progress where nobody watches: the end of each stage, and now and then a line."""

import pytest

from pacslab.cli import output
from pacslab.cli.output import progress


def test_without_a_terminal_each_stage_ends_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("up small") as report:
        for done in range(3):
            report("start", done + 1, 3)
    assert capsys.readouterr() == ("", "up small: start 3/3\n")


def test_a_long_stage_speaks_in_between(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "QUIET_S", -1.0)
    with progress("up small") as report:
        report("start", 1, 3)
    assert capsys.readouterr().err == "up small: start 1/3\n"
