"""LAB on the command line: a file's path, or a lab's name."""

from pathlib import Path

import pytest

from pacslab.cli.target import is_file


@pytest.mark.parametrize("lab", ["lab/reference.yaml", "my.yaml", "./my", "there"])
def test_a_path_is_a_file(lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").touch()
    assert is_file(lab)


def test_a_name_is_a_lab_also_beside_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reference").mkdir()
    assert not is_file("reference")
    assert not is_file("elsewhere")
