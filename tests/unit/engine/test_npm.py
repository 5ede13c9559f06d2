"""The viewer's packages are those that are pinned, byte for byte, or none."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pacslab.engine.npm import ensure_packages, pinned_packages
from pacslab.errors import PacslabError

CONTENT = b"a package"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "compose/images/npm").mkdir(parents=True)
    pin = hashlib.sha512(CONTENT).hexdigest()
    (tmp_path / "compose/images/npm.sha512").write_text(f"{pin}  some-thing-1.2.3.tgz\n")
    return tmp_path


def _npm(folder: Path, monkeypatch: pytest.MonkeyPatch, writes: str) -> Path:
    """A program called npm that packs something."""
    calls = folder / "calls"
    program = folder / "npm"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" > {calls}\nprintf "{writes}" > "$5/some-thing-1.2.3.tgz"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return calls


def test_what_is_there_is_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    package = root / "compose/images/npm/some-thing-1.2.3.tgz"
    package.write_bytes(CONTENT)
    ensure_packages(root, lambda _: pytest.fail("nothing is to be fetched"))
    assert pinned_packages(root) == (package,)


def test_what_is_missing_is_fetched_by_name_and_version(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _npm(tmp_path, monkeypatch, CONTENT.decode())
    ensure_packages(root, lambda _: None)
    assert calls.read_text().split()[-1] == "some-thing@1.2.3"
    assert [package.name for package in pinned_packages(root)] == ["some-thing-1.2.3.tgz"]


def test_other_bytes_are_refused(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _npm(tmp_path, monkeypatch, "something else")
    with pytest.raises(PacslabError, match=r"not what .* pins, or missing: some-thing-1\.2\.3\.tgz"):
        ensure_packages(root, lambda _: None)
    assert pinned_packages(root) == ()


def test_without_npm_it_is_said_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PacslabError, match="no npm") as caught:
        ensure_packages(root, lambda _: None)
    assert "by hand" in caught.value.hint
