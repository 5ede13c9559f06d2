"""Wrong lab files, and exactly what is said of each: one folder of bad/ per mistake, beside good/ without any."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.cli.app import run
from pacslab.errors import Exit

HERE = Path(__file__).parent
CASES = sorted(path.name for path in (HERE / "bad").iterdir())


@pytest.mark.parametrize("case", CASES)
def test_bad(
    case: str,
    golden: Callable[[Path, str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(HERE / "bad" / case)
    code = run(["lint", "lab.yaml"])
    said = capsys.readouterr().out
    assert code == (Exit.USAGE if ": error[" in said else Exit.DONE)
    assert said
    golden(HERE / "bad" / case / "expected.txt", said)


def test_the_same_files_without_a_mistake_are_good(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(HERE / "good")
    assert run(["lint", "lab.yaml"]) == Exit.DONE
    assert capsys.readouterr().out == ""


def test_every_diagnostic_has_a_hint() -> None:
    """A message ends with what to do; where it says so itself, no hint repeats it."""
    without = {
        path.parent.name
        for path in HERE.glob("bad/*/expected.txt")
        if path.read_text(encoding="utf-8").count("]: ") != path.read_text(encoding="utf-8").count("  hint: ")
    }
    assert without == {"bad-boolean", "empty-value", "node-without-body"}
