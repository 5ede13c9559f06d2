"""A lab written down on the spot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.errors import Diagnostic, LabFileError
from pacslab.labfile.load import Loaded, load

Write = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loaded]:
    """Load a lab of these zone files' texts, with these lines added to its lab file."""
    monkeypatch.chdir(tmp_path)

    def write(*zones: str, more: str = "") -> Loaded:
        for n, text in enumerate(zones):
            (tmp_path / f"zone-{n}.yaml").write_text(text, encoding="utf-8")
        names = ", ".join(f"zone-{n}.yaml" for n in range(len(zones)))
        if "zones:" not in more:
            more = f"zones: [{names}]\n{more}"
        (tmp_path / "lab.yaml").write_text(f"lab: small\n{more}\n", encoding="utf-8")
        return load(Path("lab.yaml"))

    return write


@pytest.fixture
def refused(written: Callable[..., Loaded]) -> Callable[..., list[tuple[str, str, str]]]:
    """What is said of such a lab: code, place, message."""

    def say(*zones: str, more: str = "") -> list[tuple[str, str, str]]:
        try:
            found: tuple[Diagnostic, ...] = written(*zones, more=more).warnings
        except LabFileError as error:
            found = error.diagnostics
        return [(d.code, str(d.origin), d.message) for d in found]

    return say
