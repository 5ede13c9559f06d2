"""A timeline as people and machines read it."""

import datetime as dt
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from pacslab.model.device import Layer
from pacslab.model.dicom import Operation
from pacslab.model.lab import Origin
from pacslab.model.workflow import Ending, Part, PlannedStep, Step, StudyTimeline, TakenStep, Timeline
from pacslab.report.timeline import BAR_CHARS, TITLES, bar, document, print_timeline

STORE = PlannedStep(
    Step.STORE, Part.ACQUIRE, "ct-1", "pacs", (Operation.C_STORE,), "acquire", Origin("zones/pacs-core.yaml", 24, 5)
)
HOLD = PlannedStep(Step.HOLD, Part.ARCHIVE, "pacs", "pacs")
STORED = TakenStep(STORE, Ending.HELD, "0x0000", "2 instances", Layer.DIMSE, 1.0, 2.0, 1)
REFUSED = TakenStep(STORE, Ending.FAILED, "A-ASSOCIATE-RJ 1/1/3", "calling AE", Layer.ASSOCIATION, 1.0, 2.0, 4)
STUDY = StudyTimeline("D1", "SYN-D1", "1.2.3", "ct-1", "CT", (STORED,), {"1.2.1": "aa"}, ("pacs",))


def _timeline(*studies: StudyTimeline) -> Timeline:
    return Timeline("reference", "radiology-day", dt.datetime(2026, 1, 2, tzinfo=dt.UTC), 4.0, studies)


def _text(timeline: Timeline) -> str:
    out = io.StringIO()
    print_timeline(Console(file=out, width=160), timeline)
    return out.getvalue()


def test_a_day_that_held_says_where_the_pixels_are_the_same() -> None:
    text = _text(_timeline(STUDY))
    assert "D1  CT on ct-1, 1 instances, patient SYN-D1" in text
    assert "ct-1 -> pacs" in text
    assert "the same at ct-1, pacs" in text
    assert "HELD  radiology-day in lab reference: 1 study, steps: 1 held; 4.0 s" in text
    assert "FAILED" not in text


def test_a_failure_names_its_layer_its_words_and_the_line_that_permits_it() -> None:
    failed = replace(STUDY, steps=(REFUSED, TakenStep(HOLD, Ending.UNTRIED)))
    text = _text(_timeline(failed, STUDY))
    assert "FAILED  ct-1 -> pacs: images acquired and stored" in text
    assert "association: A-ASSOCIATE-RJ 1/1/3" in text
    assert "acquire (zones/pacs-core.yaml:24:5)" in text
    assert "asked 4 times: ct-1 -> pacs" in text
    assert "2 studies, steps: 1 held, 1 failed, 1 untried" in text


def test_the_document_is_json_and_carries_each_verdict() -> None:
    written = json.loads(json.dumps(document(_timeline(STUDY, replace(STUDY, steps=(REFUSED,))))))
    assert written["held"] is False
    assert [study["held"] for study in written["studies"]] == [True, False]
    assert written["studies"][0]["pixel_sha256"] == {"1.2.1": "aa"}
    step = written["studies"][1]["steps"][0]
    assert (step["ending"], step["layer"], step["planned"]["operations"]) == ("failed", "association", ["C-STORE"])


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.UNTRIED])
def test_a_day_holds_only_if_every_step_does(ending: Ending) -> None:
    assert STUDY.held
    assert not replace(STUDY, steps=(STORED, TakenStep(HOLD, ending))).held
    assert not replace(STUDY, steps=()).held
    assert not _timeline().held


def test_every_step_has_a_title() -> None:
    assert set(TITLES) == set(Step)


@pytest.mark.parametrize(("started", "elapsed"), [(0, 10), (0, 0), (9.99, 0.01), (5, 5), (10, 0), (3, 20)])
def test_a_bar_lies_where_its_step_does_and_stays_inside(started: float, elapsed: float) -> None:
    drawn = bar(started, elapsed, 10)
    assert 0 < len(drawn) <= BAR_CHARS
    assert drawn.strip()
    assert len(drawn) - len(drawn.lstrip()) == min(int(started / 10 * BAR_CHARS), BAR_CHARS - 1)


def test_a_day_that_took_no_time_has_no_bars() -> None:
    assert not bar(0, 0, 0)
