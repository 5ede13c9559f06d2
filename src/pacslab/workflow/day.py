"""Stations and studies -> the parts of a day done for each of them, one after the other or side by side -> timeline."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from functools import partial

from pacslab.model.workflow import Part, Timeline
from pacslab.workflow import acquire, archive, order, read, report
from pacslab.workflow.asking import Devices
from pacslab.workflow.course import Course, Notice, StepFailedError
from pacslab.workflow.planning import plan_steps
from pacslab.workflow.visits import Visit

AT_ONCE = 16  # studies

_RUN: dict[Part, Callable[[Course], None]] = {
    Part.ORDER: order.run,
    Part.ACQUIRE: acquire.run,
    Part.ARCHIVE: archive.run,
    Part.READ: read.run,
    Part.REPORT: report.run,
}
# Nobody reads later because a copy is on its way: what is archived and what is read part after the acquisition.
_BRANCHES = ((Part.ARCHIVE,), (Part.READ, Part.REPORT))
_TRUNK = (Part.ORDER, Part.ACQUIRE)


def run_day(
    devices: Devices, lab: str, workflow: str, parts: tuple[Part, ...], visits: Iterable[Visit], *, parallel: bool,
    notice: Notice,
) -> Timeline:  # fmt: skip
    """Do these parts of a day for every visit.

    Args:
        devices: The lab's devices.
        lab: Its name.
        workflow: What the parts are called together.
        parts: Which parts.
        visits: The studies.
        parallel: All at once; a scanner still does one after the other.
        notice: Told of each step as it begins and ends; from several threads.

    Raises:
        InterruptedAskingError: `devices` was stopped.
    """
    started, began = dt.datetime.now(dt.UTC), time.monotonic()
    courses = [
        Course(devices, visit.stations, plan_steps(visit.stations, parts), visit.study, began=began, notice=notice)
        for visit in visits
    ]
    scanners = {course.stations.scanner: threading.Lock() for course in courses}
    acts = [partial(_take, course, parts, scanners[course.stations.scanner]) for course in courses]
    _together(acts, devices, at_once=AT_ONCE if parallel else 1)
    elapsed_s = round(time.monotonic() - began, 3)
    return Timeline(lab, workflow, started, elapsed_s, tuple(course.timeline() for course in courses))


def _take(course: Course, parts: tuple[Part, ...], scanner: threading.Lock) -> None:
    """One study: the trunk, then its branches at once; a failed step ends its branch, and is recorded."""
    with suppress(StepFailedError):
        for part in (part for part in _TRUNK if part in parts):
            with scanner if part is Part.ACQUIRE else nullcontext():
                _RUN[part](course)
        branches = [tuple(part for part in branch if part in parts) for branch in _BRANCHES]
        acts = [partial(_branch, course, branch) for branch in branches if branch]
        _together(acts, course.devices, at_once=len(_BRANCHES))


def _branch(course: Course, branch: tuple[Part, ...]) -> None:
    with suppress(StepFailedError):
        for part in branch:
            _RUN[part](course)


def _together(acts: Sequence[Callable[[], None]], devices: Devices, *, at_once: int) -> None:
    """Run acts at most so many at once; the first that raises, or Ctrl-C, stops all."""
    if len(acts) <= 1:
        for act in acts:
            act()
        return
    with ThreadPoolExecutor(at_once, thread_name_prefix="workflow") as pool:
        waiting = [pool.submit(act) for act in acts]
        try:
            done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            devices.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
