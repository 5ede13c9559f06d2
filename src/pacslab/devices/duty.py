"""The queue of a scanner -> its jobs carried on by `serve`: after a restart, and when a peer is there again."""

from __future__ import annotations

import time

from pacslab.devices import jobs, perform
from pacslab.devices.home import Home, UsageError
from pacslab.devices.observing import say

LOOK_EVERY_S = 0.5


def watch(home: Home) -> None:
    """Work off the queue for ever."""
    left = jobs.waiting(home)
    if left:
        say(f"queue: {len(left)} left from before")
    next_turn = _next_turn(home, time.monotonic())
    while True:
        carry_on_due(home)
        if time.monotonic() >= next_turn:
            next_turn = _next_turn(home, next_turn)
            _work(home)
        time.sleep(LOOK_EVERY_S)


def _next_turn(home: Home, last: float) -> float:
    """When the schedule calls next; turns that were missed are not made up for."""
    if home.device.schedule_s is None:
        return float("inf")
    return max(last + home.device.schedule_s, time.monotonic())


def _work(home: Home) -> None:
    """Do what a technologist would: the next procedure, or without a RIS a study of the device's own."""
    from pacslab.devices import procedure  # noqa: PLC0415 - most devices have no schedule

    try:
        observation = procedure.on_schedule(home)
    except UsageError as error:
        say(f"schedule: {error}")
        return
    say(f"schedule: {observation.layer.value}: {observation.status} {observation.detail}".rstrip())


def carry_on_due(home: Home) -> int:
    """Try each job that is due and that no other process is at work on; says how many went to their end."""
    ended = 0
    for seen in jobs.waiting(home):
        if seen.due is not None and seen.due > jobs.now():
            continue
        with jobs.held(home, seen.uid) as mine:
            job = jobs.load(home, seen.uid) if mine else None
            if job is None or job.next_step is None:
                continue
            say(f"queue: {job.next_step.value} of {job.uid}, try {job.tries + 1}")
            try:
                ended += perform.carry_on(home, job, patience_s=0).next_step is None
            except UsageError as error:  # its peer is no longer in this device's policy
                say(f"queue: {job.uid}: {error}")
                jobs.save(home, jobs.put_off(job))
    return ended
