"""What a lab keeps on the host: for its owner only, whole or not at all, held by one command at a time."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacslab.engine.state import State, saying
from pacslab.errors import Exit, PacslabError
from pacslab.model.plan import Plan


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.beside(tmp_path / "lab.yaml", "small")


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """Modes must not depend on a careful umask."""
    before = os.umask(0)
    yield
    os.umask(before)


def _mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_it_lies_beside_the_lab_file(state: State, tmp_path: Path) -> None:
    assert state.folder == tmp_path / ".pacslab/small"


def test_the_folder_is_for_its_owner_only_and_not_for_git(state: State) -> None:
    state.make()
    state.make()
    assert _mode(state.folder) == "0o700"
    assert (state.folder.parent / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_folder_that_was_open_is_closed(state: State) -> None:
    state.folder.mkdir(parents=True, mode=0o755)
    state.make()
    assert _mode(state.folder) == "0o700"


def test_files_and_folders_in_it_are_for_their_owner_only(state: State) -> None:
    state.make()
    key = state.write("pki/ca.key", b"secret")
    certificate = state.write("pki/ca.pem", b"public", mode=0o644)
    assert (_mode(key), _mode(key.parent), _mode(certificate)) == ("0o600", "0o700", "0o644")
    assert state.read("pki/ca.key") == b"secret"


def test_what_is_not_there_is_none(state: State) -> None:
    assert state.read("pki/ca.key") is None
    assert state.read_plan() is None


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.make()
    state.write("secrets.json", b"old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(PacslabError, match=r"^cannot write .*: No space left on device$") as caught:
        state.write("secrets.json", b"new")
    assert "disk space" in caught.value.hint
    assert caught.value.exit_code is Exit.REFUSED
    assert [entry.name for entry in state.folder.iterdir()] == ["secrets.json"]
    assert state.read("secrets.json") == b"old"


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".pacslab").write_text("in the way", encoding="utf-8")
    with pytest.raises(PacslabError, match="cannot create"):
        State.beside(tmp_path / "lab.yaml", "small").make()


def test_the_plan_comes_back(state: State, minimal: Plan) -> None:
    state.make()
    state.write_plan(minimal)
    assert state.read_plan() == minimal
    assert _mode(state.plan_file) == "0o600"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"lab": 1}'])
def test_a_plan_of_another_version_is_none(text: bytes, state: State) -> None:
    state.make()
    state.write("plan.json", text)
    assert state.read_plan() is None


def test_forgetting_leaves_the_reports_and_nothing_secret(state: State) -> None:
    state.make()
    for name in ("plan.json", "secrets.json", "pki/ca.key", "ssh/host-a", "reports/verify.json"):
        state.write(name, b"x")
    state.forget()
    assert [str(path.relative_to(state.folder)) for path in state.folder.rglob("*")] == [
        "reports",
        "reports/verify.json",
    ]
    assert (state.folder.parent / ".gitignore").exists()


def test_forgetting_without_reports_leaves_nothing(state: State, tmp_path: Path) -> None:
    state.make()
    state.write("secrets.json", b"x")
    state.reports.mkdir()
    state.forget()
    assert list(tmp_path.iterdir()) == []


def test_forgetting_one_lab_keeps_the_others_out_of_git(state: State, tmp_path: Path) -> None:
    other = State.beside(tmp_path / "lab.yaml", "other")
    other.make()
    other.write("secrets.json", b"x")
    state.make()
    state.forget()
    assert sorted(entry.name for entry in (tmp_path / ".pacslab").iterdir()) == [".gitignore", "other"]


def test_forgetting_twice(state: State) -> None:
    state.make()
    state.forget()
    state.forget()
    assert not state.folder.exists()


_HOLD = """
import sys
from pathlib import Path
from pacslab.engine.state import State
with State(Path(sys.argv[1])).held("up"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_command_at_a_time_across_processes(state: State) -> None:
    arguments = [sys.executable, "-c", _HOLD, str(state.folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PacslabError) as caught, state.held("posture"):
            pytest.fail("two commands hold one lab")
        assert caught.value.message == f"another command holds this lab: pacslab up, process {holder.pid}"
        assert caught.value.exit_code is Exit.REFUSED
        holder.stdin.close()
        assert holder.wait(10) == 0
    with state.held("down"):
        assert (state.folder / "lock").exists()
    assert not (state.folder / "lock").exists()


def test_a_command_that_dies_lets_go(state: State) -> None:
    with pytest.raises(ZeroDivisionError), state.held("up"):
        raise ZeroDivisionError
    with state.held("up"):
        assert (state.folder / "lock").exists()


def test_an_error_of_the_file_system_becomes_a_sentence() -> None:
    with pytest.raises(PacslabError, match=r"^cannot open the door: Permission denied$"), saying("open the door"):
        raise PermissionError(13, "Permission denied")
