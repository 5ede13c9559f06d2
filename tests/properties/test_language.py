"""Any edit of a lab that uses the whole language loads or is refused at a place inside a file; see tests/fuzz."""

import importlib.util
import random
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacslab.errors import LabFileError
from pacslab.labfile.source import parse

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "tests/unit/labfile/world"


def _fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_loader", ROOT / "tests/fuzz/loader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = _fuzz()


@settings(max_examples=100)
@given(rng=st.randoms(use_true_random=False))
@pytest.mark.parametrize("name", sorted(path.name for path in WORLD.glob("*.yaml")))
def test_an_edited_file(name: str, rng: random.Random, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(WORLD, tmp_path / "world", dirs_exist_ok=True))
    file = folder / name
    file.write_bytes(FUZZ.mutated(rng, (WORLD / name).read_bytes()))
    assert FUZZ.complaint(folder / "lab.yaml") == ""


@settings(max_examples=300)
@given(data=st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    try:
        parse(data, "any.yaml")
    except LabFileError as error:
        assert len(error.diagnostics) == 1  # noqa: PT017 - either a value, or one diagnostic


def test_a_complaint_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fuzzing looks for would be found."""
    folder = Path(shutil.copytree(WORLD, tmp_path / "world"))
    monkeypatch.setattr(FUZZ, "load", lambda _: {}["x"])
    assert FUZZ.complaint(folder / "lab.yaml") == "KeyError: 'x'"
