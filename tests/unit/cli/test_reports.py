"""Report files: open before anything is tried, always current, and never an earlier run's."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from tests.reports import OPEN, run

from pacslab.cli.app import run as pacslab
from pacslab.cli.reports import STDOUT, Reports, Wanted
from pacslab.errors import Exit, PacslabError
from pacslab.model.plan import Plan
from pacslab.report.seats import Seats

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _at_the_root_without_an_engine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


def _verify(*arguments: str) -> int:
    return pacslab(["verify", "lab/minimal.yaml", *arguments])


@pytest.mark.parametrize("style", ["json", "junit", "html", "tap"])
def test_a_place_that_cannot_be_written_is_said_before_the_engine_is_asked(
    style: str, tmp_path: Path, capsys: Capture
) -> None:
    for place in (tmp_path / "missing" / "report", tmp_path):
        assert _verify(f"--{style}", str(place)) == Exit.REFUSED
        said = capsys.readouterr().err
        assert f"--{style}: {place} cannot be written: " in said
        assert "hint: name a file in a folder that exists" in said
        assert "127.0.0.1" not in said


def test_two_reports_cannot_share_a_place(tmp_path: Path, capsys: Capture) -> None:
    assert _verify("--json", "-", "--tap", "-") == Exit.USAGE
    assert "--json and --tap cannot both be written to stdout" in capsys.readouterr().err
    file, link = tmp_path / "a", tmp_path / "b"
    link.symlink_to(file)
    assert _verify("--json", str(file), "--html", str(link)) == Exit.USAGE
    assert not file.exists()


def test_a_wrong_suite_leaves_files_alone(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("kept")
    assert _verify("--json", str(file), "--only", "nope") == Exit.USAGE
    assert file.read_text() == "kept"


def test_without_an_engine_every_report_is_written_and_says_so(tmp_path: Path, capsys: Capture) -> None:
    files = {style: tmp_path / style for style in ("json", "junit", "html", "tap")}
    for file in files.values():
        file.write_text("of an earlier run")
    assert _verify(*(word for style, file in files.items() for word in (f"--{style}", str(file)))) == Exit.REFUSED
    document = json.loads(files["json"].read_text())
    assert (document["verdict"], document["results"]) == ("INCONCLUSIVE", [])
    assert document["error"]
    assert document["error"] in capsys.readouterr().err
    assert '<error type="unfinished"' in files["junit"].read_text()
    assert "Bail out! the run died: " in files["tap"].read_text()
    assert "This report is not complete" in files["html"].read_text()


def test_without_an_engine_stdout_has_its_report_too(capsys: Capture) -> None:
    assert _verify("--json", "-") == Exit.REFUSED
    assert json.loads(capsys.readouterr().out)["verdict"] == "INCONCLUSIVE"


def test_a_report_is_replaced_whole_keeps_its_mode_and_leaves_nothing_beside(minimal: Plan, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text("")
    file.chmod(0o640)
    reports = Reports((Wanted("json", file),))
    for count in (1, 2):
        reports.write(run(*[OPEN] * count), Seats.of(minimal))
        assert len(json.loads(file.read_text())["results"]) == count
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_pipe_stays_a_pipe(minimal: Plan, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []

    def listen() -> None:
        while not heard or not heard[-1]:
            heard.append(pipe.read_text())

    listener = threading.Thread(target=listen)
    listener.start()
    Reports((Wanted("tap", pipe),)).write(run(OPEN), Seats.of(minimal))
    listener.join(timeout=10)
    assert heard[-1].startswith("TAP version 14")
    assert pipe.is_fifo()


def test_what_ends_a_run_that_began_does_not_hide_what_was_found(minimal: Plan, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    reports = Reports((Wanted("json", file), Wanted("tap", STDOUT)))
    with pytest.raises(PacslabError):
        _dies(reports, minimal)
    assert len(json.loads(file.read_text())["results"]) == 1


def _dies(reports: Reports, plan: Plan) -> None:
    with reports.kept("minimal", ("reach",)):
        reports.write(run(OPEN, error="the engine is gone"), Seats.of(plan))
        raise PacslabError("the engine is gone")
