"""A workflow's timeline -> a table with a bar for each step, what failed and at which layer, and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pacslab.model import codec
from pacslab.model.workflow import Ending, PlannedStep, Step, StudyTimeline, Timeline

BAR_CHARS = 28
_EIGHTHS = " ▏▎▍▌▋▊▉"
_STYLE = {Ending.HELD: "green", Ending.FAILED: "bold red", Ending.UNTRIED: "dim"}
_MARK = {Ending.HELD: "ok", Ending.FAILED: "FAILED", Ending.UNTRIED: "untried"}

TITLES: Mapping[Step, str] = MappingProxyType(
    {
        Step.ORDER: "patient registered, study ordered",
        Step.SCHEDULE: "worklist entry made",
        Step.WORKLIST: "worklist asked",
        Step.START: "procedure in progress",
        Step.STORE: "images acquired and stored",
        Step.COMMIT: "storage committed",
        Step.COMPLETE: "procedure completed",
        Step.HOLD: "study held",
        Step.COPY: "study forwarded",
        Step.FIND: "study found",
        Step.DELIVER: "study delivered",
        Step.SEARCH: "study found in the web",
        Step.RETRIEVE: "study read in the web",
        Step.STATUS: "progress told",
        Step.RESULT: "result reported",
        Step.FILE: "report on file",
    }
)


def print_timeline(console: Console, timeline: Timeline) -> None:
    """Print a timeline for people."""
    for study in timeline.studies:
        console.print(_head(study))
        console.print(_table(study, timeline.elapsed_s))
        for line in (*_failures(study), *_same(study)):
            console.print(line)
        console.print()
    console.print(_conclusion(timeline))


def way(planned: PlannedStep) -> str:
    """Who acts on whom."""
    if planned.source == planned.destination:
        return planned.source
    return f"{planned.source} -> {planned.destination}"


def document(timeline: Timeline) -> dict[str, Any]:
    """A timeline as JSON values, each study and the whole with its verdict."""
    body: dict[str, Any] = codec.encode(timeline)
    for study, written in zip(timeline.studies, body["studies"], strict=True):
        written["held"] = study.held
    return {"held": timeline.held, **body}


def _head(study: StudyTimeline) -> Text:
    what = f"{len(study.pixel_sha256)} instances" if study.pixel_sha256 else "no images"
    return Text(f"{study.accession}  {study.modality} on {study.scanner}, {what}, patient {study.patient_id}", "bold")


def _table(study: StudyTimeline, whole_s: float) -> Table:
    table = Table("part", "step", "who", "how", box=None, pad_edge=False)
    table.add_column("at s", justify="right")
    table.add_column("took s", justify="right")
    table.add_column(f"0 to {whole_s:.1f} s")
    part = None
    for taken in study.steps:
        planned = taken.planned
        tried = taken.ending is not Ending.UNTRIED
        table.add_row(
            planned.part.value if planned.part is not part else "",
            TITLES[planned.step],
            way(planned),
            ", ".join(operation.value for operation in planned.operations),
            f"{taken.started_s:.1f}" if tried else "",
            f"{taken.elapsed_s:.1f}" if tried else _MARK[taken.ending],
            Text(bar(taken.started_s, taken.elapsed_s, whole_s) if tried else "", _STYLE[taken.ending]),
        )
        part = planned.part
    return table


def bar(started_s: float, elapsed_s: float, whole_s: float) -> str:
    """Where a step lies in the whole, in eighths of a character; the shortest step is still seen."""
    if whole_s <= 0:
        return ""
    first = min(int(started_s / whole_s * BAR_CHARS), BAR_CHARS - 1)
    eighths = max(1, round(elapsed_s / whole_s * BAR_CHARS * 8))
    full, rest = divmod(eighths, 8)
    return " " * first + ("█" * full + _EIGHTHS[rest].strip())[: BAR_CHARS - first]


def _failures(study: StudyTimeline) -> Iterator[Text]:
    for taken in study.steps:
        planned = taken.planned
        if taken.ending is Ending.FAILED:
            layer = taken.layer.value if taken.layer else "?"
            yield Text(f"FAILED  {way(planned)}: {TITLES[planned.step]}", _STYLE[Ending.FAILED])
            yield Text(f"  layer     {layer}: {taken.status}")
            if taken.detail:
                yield Text(f"  detail    {taken.detail}")
            if planned.conduit:
                yield Text(f"  conduit   {planned.conduit} ({planned.origin})")
        if taken.attempts > 1:
            yield Text(f"asked {taken.attempts} times: {way(planned)}: {TITLES[planned.step]}", "yellow")


def _same(study: StudyTimeline) -> Iterator[Text]:
    if study.study_uid:
        yield Text(f"study {study.study_uid}", "dim")
    if study.same_at:
        count = len(study.pixel_sha256)
        yield Text(
            f"SHA-256 of the pixels of {count} instances: the same at {', '.join((study.scanner, *study.same_at))}"
        )


def _conclusion(timeline: Timeline) -> Text:
    taken = [step for study in timeline.studies for step in study.steps]
    counts = {ending: sum(step.ending is ending for step in taken) for ending in Ending}
    words = ", ".join(f"{count} {ending.value}" for ending, count in counts.items() if count)
    text = Text("HELD" if timeline.held else "FAILED", _STYLE[Ending.HELD if timeline.held else Ending.FAILED])
    number = len(timeline.studies)
    studies = f"{number} {'study' if number == 1 else 'studies'}"
    text.append(
        f"  {timeline.workflow} in lab {timeline.lab}: {studies}, steps: {words}; {timeline.elapsed_s:.1f} s", "none"
    )
    return text
