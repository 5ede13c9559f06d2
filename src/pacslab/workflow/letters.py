"""An HL7 message sent by way of its sender's queue -> a finding: acknowledged, delivered later, or refused."""

from __future__ import annotations

import time
from collections.abc import Callable

from pacslab.model.device import Layer, Observation
from pacslab.model.workflow import PlannedStep
from pacslab.workflow.asking import Answer, is_final, is_unanswered
from pacslab.workflow.course import Course, Finding, found

LOOK_EVERY_S = 0.5
CUT_OFF_S = 5.0  # how long a message may be on its way whose sender ended while it was sent


def send(
    course: Course, planned: PlannedStep, words: tuple[str, ...], arrived: Callable[[], bool], detail: str
) -> Finding:
    """Send once; what waits in the sender's queue is not sent twice, but looked for where it should arrive.

    Args:
        course: The study's.
        planned: From whom to whom.
        words: The sender's command; the receiver's name follows its first word.
        arrived: Whether the receiver has it.
        detail: What to say of success.
    """
    devices = course.devices
    deadline = time.monotonic() + devices.patience_s
    attempts = 0
    while True:
        attempts += 1
        seen = devices.ask_once(planned.source, words[0], planned.destination, *words[1:])
        if seen.ok:
            return found(Answer(seen, attempts), detail)
        queued = bool(seen.facts.get("queued"))
        until = deadline if queued else min(deadline, time.monotonic() + CUT_OFF_S)
        if (queued or is_unanswered(seen) or attempts > 1) and _wait(course, arrived, until):
            how = f"{detail}, {'delivered from its queue' if queued else 'the answer was lost'}"
            return Finding(True, Layer.HL7, "AA", f"{how}: first {_words(seen)}", attempts)
        if queued or is_final(seen) or time.monotonic() > deadline:
            return found(Answer(seen, attempts))
        devices.pause(LOOK_EVERY_S)


def _wait(course: Course, arrived: Callable[[], bool], until: float) -> bool:
    while not arrived():
        if time.monotonic() > until:
            return False
        course.devices.pause(LOOK_EVERY_S)
    return True


def _words(seen: Observation) -> str:
    return f"{seen.layer.value}: {seen.status} {seen.detail}".rstrip()
