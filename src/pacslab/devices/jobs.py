"""A piece of a scanner's work <-> files of its queue: whole, durable, held by one process at a time."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pacslab.devices.files import uid_path, write_whole
from pacslab.devices.home import Home
from pacslab.devices.observing import Outcome, say
from pacslab.devices.recipe import Made, Recipe, Series
from pacslab.devices.scheduled import Scheduled
from pacslab.model import codec
from pacslab.model.device import Layer

KEPT_DONE = 200
PAUSE_S = 2.0
PAUSE_MAX_S = 60.0


class Step(StrEnum):
    """A step of a procedure, in the order of a day in radiology."""

    WORKLIST = "worklist"
    START = "mpps-in-progress"
    ACQUIRE = "acquire"
    STORE = "store"
    COMMIT = "commit"
    FINISH = "mpps-final"


PROCEDURE = (Step.START, Step.ACQUIRE, Step.STORE, Step.COMMIT, Step.FINISH)
DELIVERY = (Step.STORE, Step.COMMIT)


@dataclass(frozen=True, slots=True)
class Moment:
    """One try of one step: when it began, how long it took and how it ended."""

    step: Step
    at: dt.datetime
    elapsed_s: float
    ok: bool
    layer: Layer
    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A procedure, or a delivery of images that exist already, and how far it has come."""

    uid: str  # of a procedure: its performed procedure step's
    steps: tuple[Step, ...]  # all it takes
    archive: str  # node that stores and commits
    begun: dt.datetime
    ris: str = ""  # node that has the worklist
    order: Scheduled | None = None
    recipe: Recipe | None = None
    reason: str = ""  # why it is discontinued; empty: it is completed
    done: tuple[Step, ...] = ()
    series: tuple[Series, ...] = ()
    transactions: tuple[str, ...] = ()  # of storage commitment, newest last
    tries: int = 0  # of the step that is due, without success
    due: dt.datetime | None = None  # not before
    closed: str = ""  # why it goes no further
    timeline: tuple[Moment, ...] = ()

    @property
    def next_step(self) -> Step | None:
        """The step that is due; None when all is done or it goes no further."""
        if self.closed:
            return None
        return next((step for step in self.steps if step not in self.done), None)

    @property
    def instances(self) -> tuple[Made, ...]:
        """Every image of it."""
        return tuple(instance for series in self.series for instance in series.instances)

    def succeeded(self, moment: Moment) -> Job:
        """The job with a step behind it."""
        return replace(
            self, done=(*self.done, moment.step), tries=0, due=None, timeline=_trimmed((*self.timeline, moment))
        )

    def failed(self, moment: Moment) -> Job:
        """The job after a step's failure: the same step is due again after a pause that grows."""
        return put_off(replace(self, timeline=_trimmed((*self.timeline, moment))))


def put_off(job: Job) -> Job:
    """The job, due again after a pause that grows."""
    pause_s = min(PAUSE_S * 2**job.tries, PAUSE_MAX_S)
    return replace(job, tries=job.tries + 1, due=now() + dt.timedelta(seconds=pause_s))


def _trimmed(timeline: tuple[Moment, ...]) -> tuple[Moment, ...]:
    """Of a step that fails for hours, its first failure and its last ones."""
    return timeline if len(timeline) <= 60 else (*timeline[:30], *timeline[-30:])


def moment(step: Step, at: dt.datetime, outcome: Outcome) -> Moment:
    """Say how a step that began then has ended now."""
    elapsed_s = (dt.datetime.now().astimezone() - at).total_seconds()
    return Moment(step, at, round(elapsed_s, 4), outcome.ok, outcome.layer, outcome.status, outcome.detail)


def save(home: Home, job: Job) -> None:
    """Write a job where it belongs; returns when it would survive a loss of power."""
    waiting, done = _waiting(home, job.uid), _done(home, job.uid)
    path = waiting if job.next_step else done
    write_whole(path, codec.dumps(job).encode(), durable=True)
    if path is done:
        waiting.unlink(missing_ok=True)
        _journal(home, job.uid).unlink(missing_ok=True)
        _forget_old(home)


def load(home: Home, uid: str) -> Job | None:
    """Read a job, waiting or done."""
    for path in (_waiting(home, uid), _done(home, uid)):
        with contextlib.suppress(FileNotFoundError):
            return codec.loads(Job, path.read_bytes())
    return None


def waiting(home: Home) -> list[Job]:
    """Every job that is not done, oldest first; a file that cannot be read is said and left."""
    return _read_all(home.folder("queue"))


def finished(home: Home) -> list[Job]:
    """The latest jobs that are done, oldest first."""
    return _read_all(home.folder("done"))


def _read_all(folder: Path) -> list[Job]:
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(codec.loads(Job, path.read_bytes()))
        except FileNotFoundError:
            continue  # it got done meanwhile
        except ValueError as error:
            say(f"{path}: not a job: {error}")
    return sorted(found, key=lambda job: (job.begun, job.uid))


@contextmanager
def held(home: Home, name: str) -> Iterator[bool]:
    """Hold a job, or what else has a name, for this process alone; False if another one holds it.

    The kernel lets go when the process ends, however it ends.
    """
    with (home.folder("locks") / f"{name}.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def note_stored(home: Home, uid: str, sop_instance: str) -> None:
    """Note that the archive has one more image of a job."""
    with _journal(home, uid).open("a", encoding="ascii") as file:
        file.write(sop_instance + "\n")


def stored(home: Home, uid: str) -> frozenset[str]:
    """The images of a job that the archive has said it stored."""
    try:
        text = _journal(home, uid).read_text(encoding="ascii")
    except FileNotFoundError:
        return frozenset()
    return frozenset(text.splitlines()[: text.count("\n")])  # a last line without its end was cut off


def forget_stored(home: Home, uid: str, lost: frozenset[str]) -> None:
    """Take back what the archive turned out not to have."""
    kept = sorted(stored(home, uid) - lost)
    write_whole(_journal(home, uid), "".join(f"{name}\n" for name in kept).encode(), durable=True)


def _waiting(home: Home, uid: str) -> Path:
    return uid_path(home.folder("queue"), uid, suffix=".json")


def _done(home: Home, uid: str) -> Path:
    return uid_path(home.folder("done"), uid, suffix=".json")


def _journal(home: Home, uid: str) -> Path:
    return uid_path(home.folder("queue"), uid, suffix=".stored")


def _forget_old(home: Home) -> None:
    records = sorted(home.folder("done").glob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in records[:-KEPT_DONE]:
        path.unlink(missing_ok=True)
        (home.folder("locks") / f"{path.stem}.lock").unlink(missing_ok=True)


def now() -> dt.datetime:
    """The time, with its zone."""
    return dt.datetime.now().astimezone()
