"""The queue on disk: whole or not at all, held by one, and nothing taken for stored that was not said to be."""

import datetime as dt
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pacslab.devices import jobs
from pacslab.devices.home import Home
from pacslab.devices.jobs import Job, Step
from pacslab.devices.observing import Outcome
from pacslab.devices.recipe import Made, Series
from pacslab.devices.scheduled import Scheduled
from pacslab.model.device import Layer

from .conftest import make_device

OK = Outcome(True, Layer.DIMSE, "0x0000")
FULL = Outcome(False, Layer.DIMSE, "0xA700", "failure")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    nowhere = tmp_path / "nowhere"
    device = make_device("ct-1", "modality", ae_title="CT1", modality="CT")
    paths = {name: nowhere for name in Home.__dataclass_fields__ if name not in {"device", "data"}}
    return Home(device=device, data=tmp_path, **paths)


def a_job(uid: str = "1.2.3") -> Job:
    series = (
        Series("1.9", "axial", (Made("/x/1.dcm", "1.2", "1.2.3.4", "aa"), Made("/x/2.dcm", "1.2", "1.2.3.5", None))),
    )
    order = Scheduled(study_uid="1.2", accession="A1", patient_name="SYNTHETIC^Änne")
    return Job(uid=uid, steps=jobs.PROCEDURE, archive="pacs", ris="ris", begun=jobs.now(), order=order, series=series)


def moment(step: Step, outcome: Outcome) -> jobs.Moment:
    return jobs.moment(step, jobs.now(), outcome)


def test_a_job_comes_back_as_it_was(home: Home) -> None:
    job = a_job().succeeded(moment(Step.START, OK)).failed(moment(Step.ACQUIRE, FULL))
    jobs.save(home, job)
    assert jobs.waiting(home) == [job]
    assert jobs.load(home, job.uid) == job
    assert job.next_step is Step.ACQUIRE


def test_pauses_grow_to_a_minute_and_a_success_ends_them() -> None:
    job, pauses = a_job(), []
    for _ in range(8):
        job = job.failed(moment(Step.START, FULL))
        assert job.due is not None
        pauses.append(round((job.due - jobs.now()) / dt.timedelta(seconds=1)))
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    job = job.succeeded(moment(Step.START, OK))
    assert (job.tries, job.due) == (0, None)


def test_a_step_that_fails_for_days_keeps_its_first_and_last_tries() -> None:
    job = a_job()
    for _ in range(100):
        job = job.failed(moment(Step.START, FULL))
    assert len(job.timeline) == 60
    assert job.tries == 100


def test_a_job_that_is_done_leaves_the_queue(home: Home) -> None:
    job = a_job()
    jobs.save(home, job)
    jobs.note_stored(home, job.uid, "1.2.3.4")
    for step in jobs.PROCEDURE:
        job = job.succeeded(moment(step, OK))
    jobs.save(home, job)
    assert (jobs.waiting(home), jobs.finished(home)) == ([], [job])
    assert not list((home.data / "queue").iterdir())


def test_a_line_that_was_cut_off_is_not_an_image_stored(home: Home) -> None:
    jobs.note_stored(home, "1.2.3", "1.2.3.4")
    with (home.data / "queue" / "1.2.3.stored").open("a") as file:
        file.write("1.2.3.5")
    assert jobs.stored(home, "1.2.3") == {"1.2.3.4"}


def test_what_the_archive_lost_is_taken_back(home: Home) -> None:
    for uid in ("1.2.3.4", "1.2.3.5"):
        jobs.note_stored(home, "1.2.3", uid)
    jobs.forget_stored(home, "1.2.3", frozenset({"1.2.3.4"}))
    assert jobs.stored(home, "1.2.3") == {"1.2.3.5"}


def test_a_job_is_held_by_one_process_until_it_ends(home: Home) -> None:
    program = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'wb')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    lock = home.folder("locks") / "1.2.3.lock"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with jobs.held(home, "1.2.3") as mine:
            assert mine is False
        other.kill()
        other.wait()
    with jobs.held(home, "1.2.3") as mine:
        assert mine is True


def test_a_file_that_is_no_job_is_said_and_left(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    path = home.folder("queue") / "1.2.json"
    path.write_text("{")
    assert jobs.waiting(home) == []
    assert "not a job" in capsys.readouterr().err
    assert path.exists()


@pytest.mark.parametrize("uid", ["../../evil", "", "1.2/3"])
def test_a_job_is_kept_only_under_a_uid(home: Home, uid: str) -> None:
    with pytest.raises(ValueError, match="not a UID"):
        jobs.save(home, replace(a_job(), uid=uid))
