"""Every code has a bad world beside the minimally different good one, and no code exists without."""

import contextlib
import datetime as dt
import re
import shutil
from pathlib import Path

import pytest

from pacslab.errors import Diagnostic, LabFileError
from pacslab.labfile.codes import CODES, Code
from pacslab.labfile.load import load

WORLD = Path(__file__).parent / "world"
TODAY = dt.date(2027, 1, 1)


def _lint(folder: Path) -> tuple[Diagnostic, ...]:
    with contextlib.chdir(folder):
        try:
            return load(Path("lab.yaml"), TODAY).warnings
        except LabFileError as error:
            return error.diagnostics


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WORLD, tmp_path / "world"))


def test_the_good_world_is_good() -> None:
    assert _lint(WORLD) == ()


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_a_bad_world_beside_the_good_one(code: Code, world: Path) -> None:
    file = world / code.file
    text = file.read_text(encoding="utf-8")
    if code.good:
        assert text.count(code.good) == 1, "the example is not there, or not alone"
    changed = text.replace(code.good, code.bad) if code.good else code.bad
    file.write_bytes(changed.encode("utf-8", "surrogateescape"))
    found = {diagnostic.code: diagnostic for diagnostic in _lint(world)}
    assert code.name in found
    assert found[code.name].severity is code.severity
    assert found[code.name].hint


def test_every_code_that_the_program_says_is_in_the_catalogue(root: Path) -> None:
    said = set()
    for file in (root / "src/pacslab/labfile").rglob("*.py"):
        if "codes" not in file.parts:
            text = file.read_text(encoding="utf-8")
            calls = r"(?:Diagnostic|report|unknown|warn|warning|problem|_refuse)\(\s*"
            said |= set(re.findall(calls + r'"([a-z0-9-]+)"', text))
    assert said == {code.name for code in CODES}


def test_codes_are_unique_and_say_a_sentence() -> None:
    names = [code.name for code in CODES]
    assert len(names) == len(set(names))
    assert [code.name for code in CODES if not re.fullmatch(r"[A-Z`].*[.)]", code.meaning)] == []
