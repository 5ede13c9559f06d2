"""A node and a `device` command -> the observation it printed, asked again where a restart may explain a refusal."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from pacslab.engine.docker_values import Executed
from pacslab.errors import PacslabError
from pacslab.model.device import Layer, Observation, parse_observation

USAGE = 2  # the device's own exit code for a command it cannot make sense of
PAUSE_S = 0.5
SLOWEST_S = 4.0

# Refusals that asking again does not change; all else may be a peer that is on its way back.
_FINAL_LAYERS = frozenset({Layer.LOCAL})
_FINAL_STATUSES = (
    "A-ASSOCIATE-RJ 1/",  # PS3.8 9.3.4: rejected permanent
    "presentation context rejected",
    "0x0122",  # PS3.7 C.5.6: SOP class not supported
    "0x0124",  # PS3.7 C.5.20: not authorized
    "AE",  # HL7 2.9.2: the message's content cannot be accepted
    "AR",
    "no match",
    "not understood",
    "400",
    "401",
    "403",
    "404",
    "405",
)


UNANSWERED = "no answer"  # the status where there was nobody to ask, or who was asked ended before it answered


class Engine(Protocol):
    """What is asked of a Docker engine here."""

    def exec(self, container: str, argv: tuple[str, ...]) -> Executed:
        """Run a command in a running container until it ends."""


class InterruptedAskingError(Exception):
    """The user wants to stop: no answer is waited for any longer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device said at last, and how often it was asked."""

    observation: Observation
    attempts: int


def is_final(observation: Observation) -> bool:
    """Whether asking the same again would only get the same answer."""
    if observation.ok:
        return True
    return observation.layer in _FINAL_LAYERS or observation.status.startswith(_FINAL_STATUSES)


def is_unanswered(observation: Observation) -> bool:
    """Whether a device said nothing at all: its node is down, or went down while it was at work."""
    return observation.status == UNANSWERED


class Devices:
    """The `device` commands of one lab's nodes."""

    def __init__(self, docker: Engine, lab: str, patience_s: float) -> None:
        self._docker = docker
        self._lab = lab
        self._patience_s = patience_s
        self._stopped = threading.Event()

    @property
    def patience_s(self) -> float:
        """How long a step is tried again, in seconds."""
        return self._patience_s

    def stop(self) -> None:
        """Ask nothing more; what is being waited for is given up after its present command."""
        self._stopped.set()

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            InterruptedAskingError: `stop` was called meanwhile.
        """
        if self._stopped.wait(seconds):
            raise InterruptedAskingError

    def ask(self, node: str, *words: str) -> Answer:
        """Run a command of a node's device until it succeeds, is refused for good, or patience ends."""
        deadline = time.monotonic() + self._patience_s
        attempts, pause = 0, PAUSE_S
        while True:
            self.pause(0)
            attempts += 1
            observation = self.ask_once(node, *words)
            if is_final(observation) or time.monotonic() + pause > deadline:
                return Answer(observation, attempts)
            self.pause(pause)
            pause = min(2 * pause, SLOWEST_S)

    def ask_once(self, node: str, *words: str) -> Observation:
        """Run a command of a node's device once; a node that is not there is an observation as well."""
        began = time.monotonic()
        try:
            done = self._docker.exec(f"pacslab-{self._lab}-{node}", ("device", *words))
        except PacslabError as error:
            return _unanswered(words[0], f"node {node} is not there: {error.message}", began)
        if done.exit_code == USAGE and not done.stdout:
            said = _last_line(done.stderr)
            return Observation(words[0], node, False, Layer.LOCAL, "usage", said, time.monotonic() - began)
        try:
            return parse_observation(done.stdout)
        except ValueError:
            said = _last_line(done.stderr)
            detail = f"{node}'s device ended without one (exit code {done.exit_code}){': ' if said else ''}{said}"
            return _unanswered(words[0], detail, began)


def _last_line(stderr: bytes) -> str:
    return "".join(stderr.decode(errors="replace").strip().splitlines()[-1:])


def _unanswered(operation: str, detail: str, began: float) -> Observation:
    # The layer below all protocols: there was nobody to ask, so nothing was refused.
    return Observation(operation, "", False, Layer.TCP, UNANSWERED, detail, round(time.monotonic() - began, 4))
