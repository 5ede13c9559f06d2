"""One study's course through the day: steps taken one by one, each recorded as it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from pacslab.model.device import Layer, Observation
from pacslab.model.workflow import Ending, Part, PlannedStep, Step, StudyTimeline, TakenStep
from pacslab.workflow.asking import Answer, Devices
from pacslab.workflow.stations import Stations

Notice = Callable[[str, PlannedStep, TakenStep | None], None]  # accession, step, how it ended; None: it begins


@dataclass(frozen=True, slots=True)
class Study:
    """What is known of one study so far."""

    accession: str
    patient_id: str
    patient_name: str = "SYNTHETIC^PATIENT"
    study_uid: str = ""
    slices: int = 40
    series: int = 2
    side_pixels: int = 512
    seed: int = 0
    pixels: Mapping[str, str] = field(default_factory=dict)  # SOP Instance UID -> SHA-256, at the scanner


@dataclass(frozen=True, slots=True)
class Finding:
    """How one step ended, and what the device said beside it."""

    ok: bool
    layer: Layer
    status: str
    detail: str = ""
    attempts: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)


class StepFailedError(Exception):
    """A step did not hold, so what follows it is not tried; it is recorded already."""


def found(answer: Answer, detail: str = "") -> Finding:
    """What a device said, as a step's finding; `detail` speaks for it when it succeeded."""
    seen = answer.observation
    said = detail if seen.ok and detail else seen.detail
    return Finding(seen.ok, seen.layer, seen.status, said, answer.attempts, seen.facts)


def unmet(answer: Answer | Observation, detail: str) -> Finding:
    """A device succeeded, and what it showed is not what the step demands."""
    seen, attempts = (answer.observation, answer.attempts) if isinstance(answer, Answer) else (answer, 1)
    return Finding(False, seen.layer, "not as expected", detail, attempts, seen.facts)


class Course:
    """Takes one study through its planned steps; two parts may do so at once."""

    def __init__(
        self,
        devices: Devices,
        stations: Stations,
        planned: tuple[PlannedStep, ...],
        study: Study,
        *,
        began: float,
        notice: Notice,
    ) -> None:
        self.devices = devices
        self.stations = stations
        self.study = study
        self._planned = planned
        self._began = began  # time.monotonic() when the workflow began
        self._notice = notice
        self._taken: dict[PlannedStep, TakenStep] = {}
        self._same_at: list[str] = []
        self._lock = threading.Lock()

    def planned(self, part: Part, step: Step | None = None) -> tuple[PlannedStep, ...]:
        """The planned steps of a part, or those of one sort."""
        return tuple(p for p in self._planned if p.part is part and step in {None, p.step})

    def learn(self, **facts: Any) -> None:
        """Note what is now known of the study."""
        with self._lock:
            self.study = replace(self.study, **facts)

    def ask(self, node: str, *words: str) -> Answer:
        """Ask a node's device."""
        return self.devices.ask(node, *words)

    def walk(self, part: Part, acts: Acts) -> None:
        """Take the steps of a part, in their order.

        Raises:
            StepFailedError: One did not hold.
        """
        for planned in self.planned(part):
            self.take(planned, acts[planned.step])

    def announce(self, planned: PlannedStep) -> None:
        """Say that a step begins."""
        self._notice(self.study.accession, planned, None)

    def take(self, planned: PlannedStep, act: Act) -> Finding:
        """Take a step and record how it ended.

        Raises:
            StepFailedError: It did not hold.
        """
        self.announce(planned)
        started = time.monotonic()
        return self.record(planned, act(self, planned), started, time.monotonic())

    def record(self, planned: PlannedStep, finding: Finding, started: float, ended: float) -> Finding:
        """Record a step that was taken between two readings of `time.monotonic`.

        Raises:
            StepFailedError: It did not hold.
        """
        taken = TakenStep(
            planned=planned,
            ending=Ending.HELD if finding.ok else Ending.FAILED,
            status=finding.status,
            detail=finding.detail,
            layer=finding.layer,
            started_s=round(started - self._began, 3),
            elapsed_s=round(ended - started, 3),
            attempts=finding.attempts,
        )
        with self._lock:
            self._taken[planned] = taken
        self._notice(self.study.accession, planned, taken)
        if not finding.ok:
            raise StepFailedError(planned.step.value)
        return finding

    def compare(self, place: str, pixels: Mapping[str, str | None]) -> str:
        """Compare instances and pixel hashes seen somewhere with the scanner's; empty: they are the same."""
        made = self.study.pixels
        difference = compare_pixels(made, pixels)
        if not difference:
            with self._lock:
                self._same_at.append(place)
        return difference

    def timeline(self) -> StudyTimeline:
        """How the study's day went; planned steps that nobody took are untried."""
        with self._lock:
            steps = tuple(self._taken.get(p) or TakenStep(p, Ending.UNTRIED) for p in self._planned)
            return StudyTimeline(
                accession=self.study.accession,
                patient_id=self.study.patient_id,
                study_uid=self.study.study_uid,
                scanner=self.stations.scanner,
                modality=self.stations.modality,
                steps=steps,
                pixel_sha256=dict(self.study.pixels),
                same_at=tuple(self._same_at),
            )


def compare_pixels(made: Mapping[str, str], seen: Mapping[str, str | None]) -> str:
    """Say how instances differ from those made: missing, strange, or with other pixels; empty: they do not."""
    missing = sorted(made.keys() - seen.keys())
    strange = sorted(seen.keys() - made.keys())
    altered = sorted(uid for uid in made.keys() & seen.keys() if made[uid] != seen[uid])
    words = []
    for count, what in ((missing, "missing"), (strange, "not of this study's making"), (altered, "with other pixels")):
        if count:
            words.append(f"{len(count)} of {len(made)} instances {what}, first {count[0]}")
    return "; ".join(words)


Act: TypeAlias = Callable[[Course, PlannedStep], Finding]
Acts: TypeAlias = Mapping[Step, Act]
