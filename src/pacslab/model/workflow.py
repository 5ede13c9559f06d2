"""What a clinical workflow says: its steps as planned, and its timeline as it went."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from pacslab.model.device import Layer
from pacslab.model.dicom import Operation
from pacslab.model.lab import Origin


class Part(StrEnum):
    """A part of the radiology day that can be run alone; it takes up where the one before it left off."""

    ORDER = "order"
    ACQUIRE = "acquire"
    ARCHIVE = "archive"
    READ = "read"
    REPORT = "report"


class Step(StrEnum):
    """What happens to one study, in the order of IHE's Scheduled Workflow."""

    ORDER = "order"
    SCHEDULE = "schedule"
    WORKLIST = "worklist"
    START = "start"
    STORE = "store"
    COMMIT = "commit"
    COMPLETE = "complete"
    HOLD = "hold"
    COPY = "copy"
    FIND = "find"
    DELIVER = "deliver"
    SEARCH = "search"
    RETRIEVE = "retrieve"
    STATUS = "status"
    RESULT = "result"
    FILE = "file"


class Ending(StrEnum):
    """How a step ended."""

    HELD = "held"
    FAILED = "failed"
    UNTRIED = "untried"  # a step before it failed


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of one study's day, between two stations of the lab."""

    step: Step
    part: Part
    source: str  # node that acts
    destination: str  # node it acts on; its own name where it acts alone
    operations: tuple[Operation, ...] = ()
    conduit: str = ""
    origin: Origin | None = None  # the line that permits it


@dataclass(frozen=True, slots=True)
class TakenStep:
    """A step as it went; times count from the workflow's begin."""

    planned: PlannedStep
    ending: Ending
    status: str = ""  # what the answering layer said: "0x0000", "AA", "not found"
    detail: str = ""
    layer: Layer | None = None
    started_s: float = 0.0
    elapsed_s: float = 0.0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class StudyTimeline:
    """One study's way through the day."""

    accession: str
    patient_id: str
    study_uid: str  # empty: it never got one
    scanner: str
    modality: str
    steps: tuple[TakenStep, ...]
    # SOP Instance UID -> SHA-256 of the pixel data, at the scanner that made it.
    pixel_sha256: dict[str, str] = field(default_factory=dict)
    same_at: tuple[str, ...] = ()  # where exactly these instances with exactly these pixels were seen

    @property
    def held(self) -> bool:
        """Whether every step held."""
        return bool(self.steps) and all(step.ending is Ending.HELD for step in self.steps)

    @property
    def failures(self) -> tuple[TakenStep, ...]:
        """The steps that failed."""
        return tuple(step for step in self.steps if step.ending is Ending.FAILED)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A workflow as it went."""

    lab: str
    workflow: str
    started: dt.datetime
    elapsed_s: float
    studies: tuple[StudyTimeline, ...]

    @property
    def held(self) -> bool:
        """Whether every step of every study held."""
        return bool(self.studies) and all(study.held for study in self.studies)
