"""Outbox -> receivers: in order, one message at a time, again until each is answered."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pacslab.devices import mllp
from pacslab.devices.home import Home, Override, Target, choose_target
from pacslab.devices.observing import Outcome, say
from pacslab.devices.post import Letter, Outbox, State
from pacslab.devices.reading import ERROR, PASSING, REJECTED
from pacslab.model.device import Layer

LOOK_EVERY_S = 0.2  # other processes of this node queue too
PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # after one failure, two, three, and more
TURN_TIMEOUT_S = 15.0


def send(home: Home, outbox: Outbox, target: Target, text: str) -> tuple[Outcome, bool]:
    """Queue a message and deliver the queue as far as it; says how that ended, and whether it is still queued."""
    number = outbox.put(target.node, text)
    failure = deliver(home, outbox, target, until=number)
    letter = outbox.letter(number)
    if letter.state is not State.WAITING:
        return letter.outcome, False
    outcome = failure or Outcome(False, letter.outcome.layer, "queued", "others are before it")
    return replace(outcome, ok=False, detail=f"{outcome.detail}; kept in the queue, `serve` sends it again"), True


def deliver(home: Home, outbox: Outbox, target: Target, until: int | None = None) -> Outcome | None:
    """Send what waits for a receiver, oldest first, as far as `until`; stops at the first that gets no answer.

    Returns the failure that stopped it.
    """
    with _turn(home, target.node) as mine:
        while mine and (letter := outbox.next(target.node)) and (until is None or letter.number <= until):
            outcome = mllp.send(home, target, letter.text)
            state = judge(outcome)
            outbox.tried(letter, outcome, state)
            if state is State.WAITING:
                return outcome
            _report(letter, outcome)
    return None


def judge(outcome: Outcome) -> State:
    """Say what an answer, or the lack of one, means for the message."""
    if outcome.ok:
        return State.ACCEPTED
    # HL7 2.9.2.2: AE is about the content; AR with a passing condition may be accepted at a later time.
    passing = isinstance(outcome, mllp.Answer) and outcome.condition in PASSING
    final = outcome.status == ERROR or (outcome.status == REJECTED and not passing)
    return State.REFUSED if final else State.WAITING


def _report(letter: Letter, outcome: Outcome) -> None:
    reason = f": {outcome.detail}" if outcome.detail else ""
    tries = f" at try {letter.tries + 1}" if letter.tries else ""
    say(f"{letter.kind} {letter.control_id} to {letter.receiver}: {outcome.status}{reason}{tries}")


@contextmanager
def _turn(home: Home, receiver: str) -> Iterator[bool]:
    """Hold the right to send to a receiver, against other threads and processes; the kernel takes it from the dead."""
    end = time.monotonic() + TURN_TIMEOUT_S
    with (home.folder("outbox") / f"{receiver}.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    yield False
                    return
                time.sleep(0.02)
            else:
                yield True
                return


def start(home: Home, outbox: Outbox) -> None:
    """Deliver to every peer that this node may send messages to, each in a thread of its own."""
    for peer in home.device.peers:
        if peer.application in mllp.HL7_APPLICATIONS and peer.port is not None and peer.may_request:
            target = choose_target(home.device, peer.node, mllp.HL7_APPLICATIONS, Override())
            threading.Thread(target=_run, args=(home, outbox, target), daemon=True).start()


def _run(home: Home, outbox: Outbox, target: Target) -> None:
    failures = 0
    while True:
        failure = _attempt(home, outbox, target)
        if failure is None:
            failures = 0
            time.sleep(LOOK_EVERY_S)
            continue
        if failures == 0:
            say(f"HL7 to {target.node}: {failure.status}: its messages are kept and sent again")
        time.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
        failures += 1


def _attempt(home: Home, outbox: Outbox, target: Target) -> Outcome | None:
    if outbox.next(target.node) is None:
        return None
    try:
        return deliver(home, outbox, target)
    except OSError as error:  # TLS files that are being renewed, a full disk
        return Outcome(False, Layer.LOCAL, str(error))
