"""Command lines to exit codes, words on stderr, and one JSON document on stdout (ARCHITECTURE 5)."""

import json
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pacslab import __version__
from pacslab.cli import app, plan
from pacslab.cli.app import run
from pacslab.errors import Exit
from pacslab.model.plan import Plan

Capture = pytest.CaptureFixture[str]
BAD = "tests/golden/bad/duplicate-ae-title/lab.yaml"


@pytest.fixture(autouse=True)
def _at_the_root_without_an_engine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


@pytest.fixture
def apart(root: Path, tmp_path: Path) -> Path:
    """The shipped labs in a folder where none of them runs, whatever runs from the checkout."""
    for name in ("zones", "lab"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns(".pacslab"))
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["plan"],
        ["plan", "--nonsense", "lab/minimal.yaml"],
        ["plan", "lab/minimal.yaml", "lab/reference.yaml"],
        ["up", "lab/minimal.yaml", "--posture", "open"],
        ["logs", "lab/minimal.yaml", "pacs", "--tail", "-1"],
    ],
)
def test_a_wrong_command_line(arguments: list[str], capsys: Capture) -> None:
    assert run(arguments) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pacslab: ")
    assert "--help" in said.err


def test_without_a_command_the_commands_are_shown(capsys: Capture) -> None:
    assert run([]) == Exit.USAGE
    assert "Commands:" in "".join(capsys.readouterr())


def test_version(capsys: Capture) -> None:
    assert run(["--version"]) == Exit.DONE
    assert capsys.readouterr() == (f"pacslab {__version__}\n", "")


def _commands() -> list[str]:
    return [str(command.name) for command in app.app.registered_commands]


@pytest.mark.parametrize("command", ["", "images", *_commands()])
def test_help(command: str, capsys: Capture) -> None:
    assert run([*command.split(), "--help"]) == Exit.DONE
    said = capsys.readouterr()
    assert said.out.lower().startswith("usage: pacslab")
    assert said.err == ""


@pytest.mark.parametrize("command", ["lint", "plan", "rules", "up", "status", "verify"])
def test_a_lab_file_that_is_not_there(command: str, capsys: Capture) -> None:
    code = run([command, "lab/nowhere.yaml"])
    said = "".join(capsys.readouterr())
    if command in {"status", "verify"} and code == Exit.REFUSED:
        assert "no Docker engine answers" in said
        return
    assert code == Exit.USAGE
    assert "lab/nowhere.yaml:1:1: error[file-missing]: there is no file lab/nowhere.yaml" in said
    assert "hint: " in said


@pytest.mark.parametrize("command", ["plan", "rules", "up"])
def test_a_lab_with_errors_says_them_on_stderr_only(command: str, capsys: Capture) -> None:
    assert run([command, BAD]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "error[duplicate-ae-title]" in said.err
    assert "pacslab: 1 error in the lab's files" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "lab/minimal.yaml"],
        ["up", "lab/minimal.yaml", "--dry-run"],
        ["status", "lab/minimal.yaml"],
        ["status", "minimal"],
        ["exec", "lab/minimal.yaml", "pacs", "--", "true"],
        ["logs", "lab/minimal.yaml", "pacs"],
        ["verify", "lab/minimal.yaml"],
        ["rules", "minimal", "--live"],
        ["down", "minimal"],
        ["down", "--all"],
    ],
)
def test_an_engine_that_does_not_answer(arguments: list[str], capsys: Capture) -> None:
    assert run(arguments) == Exit.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert "pacslab: no Docker engine answers at tcp://127.0.0.1:1\n  hint: " in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rules", "minimal"], "a lab's name needs --live"),
        (["verify", "lab/minimal.yaml", "--only", "reach,luck"], "there is no suite 'luck'"),
        (["down"], "name one lab, or say --all"),
        (["down", "minimal", "--all"], "name one lab, or say --all"),
    ],
)
def test_what_needs_no_engine_to_be_refused(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(arguments) == Exit.USAGE
    assert f"pacslab: {message}" in capsys.readouterr().err


def test_a_bug_is_a_short_message_and_a_log_for_its_owner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    def broken(lab: Path) -> None:
        raise RuntimeError(f"no way with {lab}")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(plan, "from_file", broken)
    assert run(["plan", "lab/minimal.yaml"]) == Exit.BUG
    said = capsys.readouterr().err
    (log,) = tmp_path.iterdir()
    assert said.splitlines() == [
        "pacslab: a bug in pacslab: RuntimeError: no way with lab/minimal.yaml",
        f"  hint: please report it with the file {log}",
    ]
    text = log.read_text(encoding="utf-8")
    assert f"pacslab {__version__}, Python 3." in text
    assert "arguments: ['plan', 'lab/minimal.yaml']" in text
    assert "Traceback (most recent call last)" in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupted(lab: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "from_file", interrupted)
    assert run(["plan", "lab/minimal.yaml"]) == Exit.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["plan", "--json", "lab/reference.yaml"], ["rules", "lab/minimal.yaml"]])
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str], apart: Path) -> None:
    """As in `pacslab rules LAB | head -1`, with nobody left to read."""
    command = [sys.executable, "-c", "from pacslab.cli.app import main; main()", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=apart) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == Exit.DONE


def test_another_broken_pipe_is_not_taken_for_success(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(lab: Path) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(plan, "from_file", broken)
    assert run(["plan", "lab/minimal.yaml"]) == Exit.REFUSED
    assert "pacslab: a connection broke" in capfd.readouterr().err


def _document(capsys: Capture) -> dict[str, Any]:
    said = capsys.readouterr()
    document: dict[str, Any] = json.loads(said.out)
    assert said.err == ""
    assert document["schema_version"] == 1
    assert next(iter(document)) == "schema_version"
    return document


def test_plan_as_json(capsys: Capture, minimal: Plan) -> None:
    assert run(["plan", "--json", "lab/minimal.yaml"]) == Exit.DONE
    document = _document(capsys)
    assert document["digest"] == minimal.digest
    assert [node["name"] for node in document["nodes"]] == ["ct-1", "pacs", "vendor-1"]


def test_rules_as_json_and_as_text(capsys: Capture, minimal: Plan) -> None:
    assert run(["rules", "--json", "lab/minimal.yaml"]) == Exit.DONE
    assert _document(capsys)["ruleset"] == minimal.ruleset
    assert run(["rules", "lab/minimal.yaml"]) == Exit.DONE
    assert capsys.readouterr().out == minimal.ruleset


def test_lint_of_a_good_lab_as_json(capsys: Capture) -> None:
    assert run(["lint", "--json", "lab/reference.yaml"]) == Exit.DONE
    assert _document(capsys) == {"schema_version": 1, "ok": True, "diagnostics": []}


def test_lint_of_a_bad_lab_as_json(capsys: Capture) -> None:
    assert run(["lint", "--json", BAD]) == Exit.USAGE
    document = _document(capsys)
    assert document["ok"] is False
    (diagnostic,) = document["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"]) == ("duplicate-ae-title", "error")
    assert diagnostic["origin"] == {
        "file": "tests/golden/bad/duplicate-ae-title/scanners.yaml",
        "line": 9,
        "column": 3,
    }
    assert diagnostic["related"][0]["line"] == 5
    assert set(diagnostic) == {"code", "severity", "message", "hint", "origin", "related"}


def test_plan_as_json_of_a_bad_lab_prints_no_document(capsys: Capture) -> None:
    assert run(["plan", "--json", BAD]) == Exit.USAGE
    assert capsys.readouterr().out == ""


def test_plan_for_people(capsys: Capture, reference: Plan, apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(apart)
    assert run(["plan", "lab/reference.yaml"]) == Exit.DONE
    said = capsys.readouterr()
    assert said.err == ""
    assert "\x1b" not in said.out
    assert f"plan {reference.digest[:12]}" in said.out
    assert re.search(r"vendor-service +bastion -> ct-1 ssh 22/tcp \(closed until granted\)", said.out)
    assert "16 nodes, 16 cables, 21 flows; of 1440 (pair, port) combinations 20 are allowed and 1420 denied" in said.out


def test_what_a_lab_file_says_is_never_markup(tmp_path: Path, root: Path, capsys: Capture) -> None:
    lab = tmp_path / "lab.yaml"
    title = "[/] [red]sick[/red] :hospital:"
    lab.write_text(f'lab: small\ntitle: "{title}"\nzones: [{root}/zones/outside.yaml]\n', encoding="utf-8")
    assert run(["plan", str(lab)]) == Exit.DONE
    assert f"lab small ({title}), posture segmented" in capsys.readouterr().out


def test_a_warning_goes_to_stderr_and_stops_nothing(capsys: Capture) -> None:
    assert run(["rules", "tests/golden/bad/thin-reason/lab.yaml"]) == Exit.DONE
    said = capsys.readouterr()
    assert said.out.startswith("table inet pacslab\n")
    assert "warning[thin-reason]" in said.err


def test_a_plan_says_what_verify_will_expect(capsys: Capture, apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(apart)
    assert run(["plan", "--json", "lab/reference.yaml"]) == Exit.DONE
    expected = json.loads(capsys.readouterr().out)["expectations"]
    assert (expected["total"], len(expected["allowed"])) == (1440, 20)
    way = {"source": "ct-1", "destination": "pacs", "protocol": "tcp", "port": 2762, "conduit": "acquire"}
    assert way in expected["allowed"]
