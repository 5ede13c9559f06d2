"""The course of a day: what follows from each answer, and what a failed step leaves untried."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.workflow.conftest import PIXELS, Hospital, cut_off, observation

from pacslab.model.device import Layer
from pacslab.model.workflow import Ending, Part, PlannedStep, Step, StudyTimeline, TakenStep, Timeline
from pacslab.workflow.asking import Devices
from pacslab.workflow.course import Study, compare_pixels
from pacslab.workflow.day import run_day
from pacslab.workflow.stations import Stations
from pacslab.workflow.visits import new_visits

FORM = Study("", "", slices=2)
ALTERED = {**PIXELS, "1.2.2": "cc"}


def _day(devices: Devices, stations: Stations, count: int = 1, *, parallel: bool = False) -> Timeline:
    visits = new_visits((stations,), count, FORM)
    return run_day(devices, "test", "day", tuple(Part), visits, parallel=parallel, notice=lambda *_: None)


def _step(study: StudyTimeline, step: Step) -> TakenStep:
    return next(taken for taken in study.steps if taken.planned.step is step)


def _endings(study: StudyTimeline) -> dict[Step, Ending]:
    return {taken.planned.step: taken.ending for taken in study.steps}


def test_a_day_on_which_all_goes_well_holds(hospital: Hospital, devices: Devices, stations: Stations) -> None:
    day = _day(devices, stations)
    (study,) = day.studies
    assert day.held, study.failures
    assert (study.study_uid, study.pixel_sha256) == ("1.2.3", PIXELS)
    assert set(study.same_at) >= {"pacs", "vna", "reading-1", "reading-1 (DICOMweb)"}
    assert [words[0] for words in hospital.asked[:2]] == ["ehr", "ris"]


def test_studies_in_parallel_are_told_apart(devices: Devices, stations: Stations, hospital: Hospital) -> None:
    day = _day(devices, stations, 4, parallel=True)
    assert day.held
    assert len({study.accession for study in day.studies}) == 4
    assert len({study.patient_id for study in day.studies}) == 4


def test_steps_are_announced_before_they_end(devices: Devices, stations: Stations) -> None:
    notices: list[tuple[PlannedStep, TakenStep | None]] = []
    visits = new_visits((stations,), 1, FORM)
    run_day(devices, "test", "day", tuple(Part), visits, parallel=False,
            notice=lambda _, planned, taken: notices.append((planned, taken)))  # fmt: skip
    begun = [planned for planned, taken in notices if taken is None]
    ended = [planned for planned, taken in notices if taken is not None]
    assert set(begun) == set(ended)
    assert all(notices.index((planned, None)) < next(i for i, n in enumerate(notices) if n[0] == planned and n[1])
               for planned in begun)  # fmt: skip


def _other_patient(hospital: Hospital) -> dict[str, Any]:
    return {**next(iter(hospital.orders.values())), "patient_id": "SOMEBODY"}


@pytest.mark.parametrize(
    ("asked", "said", "step", "detail"),
    [
        (("ehr", "order"), observation("o", ok=False, layer="hl7", status="AE"), Step.ORDER, ""),
        (("ris", "orders"), observation("orders", orders=[]), Step.SCHEDULE, "ris has no order"),
        (("pacs", "hash"), observation("hash", pixel_sha256={}), Step.HOLD, "under accession number and patient"),
        (("reading-1", "find"), observation("find", matches=[]), Step.FIND, "0 studies for accession number"),
        (("reading-1", "move"), observation("move", pixel_sha256=ALTERED), Step.DELIVER, "1 of 2 instances with other"),
        (("reading-1", "search"), observation("search", matches=[{}, {}]), Step.SEARCH, "2 studies for accession"),
        (("reading-1", "retrieve"), observation("r", pixel_sha256={}), Step.RETRIEVE, "2 of 2 instances missing"),
        (("ehr", "results"), observation("results", ok=False), Step.STATUS, ""),
    ],
)
def test_what_is_not_as_it_should_be_fails_its_step(
    hospital: Hospital,
    devices: Devices,
    stations: Stations,
    *,
    asked: tuple[str, str],
    said: Any,
    step: Step,
    detail: str,
) -> None:
    hospital.replaced[asked] = [said]
    (study,) = _day(devices, stations).studies
    assert [taken.planned.step for taken in study.failures] == [step]
    assert detail in study.failures[0].detail
    assert Ending.UNTRIED in _endings(study).values() or step is Step.HOLD


def test_reading_does_not_wait_for_the_archives(hospital: Hospital, devices: Devices, stations: Stations) -> None:
    hospital.replaced["pacs", "hash"] = [observation("hash", ok=False, layer="http", status="500")] * 20
    (study,) = _day(devices, stations).studies
    endings = _endings(study)
    assert (endings[Step.HOLD], endings[Step.COPY]) == (Ending.FAILED, Ending.UNTRIED)
    assert (endings[Step.DELIVER], endings[Step.FILE]) == (Ending.HELD, Ending.HELD)


def test_other_pixels_in_one_archive_are_found_there(hospital: Hospital, devices: Devices, stations: Stations) -> None:
    honest = hospital._held

    def altered(given: Any) -> Any:
        return {**honest(given), "pixel_sha256": ALTERED}

    hospital.exec = _for_node(hospital, "vna", "hash", altered)  # type: ignore[method-assign]
    (study,) = _day(devices, stations).studies
    assert [(taken.planned.step, taken.planned.destination) for taken in study.failures] == [(Step.COPY, "vna")]
    assert "1 of 2 instances with other pixels, first 1.2.2" in study.failures[0].detail
    assert "vna" not in study.same_at


def _for_node(hospital: Hospital, node: str, command: str, act: Callable[[Any], Any]) -> Any:
    plain = hospital.exec

    def exec_(container: str, argv: tuple[str, ...]) -> Any:
        if container.endswith(f"-{node}") and argv[1] == command:
            hospital.replaced[node, command] = [act(dict(itertools.pairwise(argv)))]
        return plain(container, argv)

    return exec_


def test_an_order_that_waits_in_its_queue_is_not_sent_twice(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    real = hospital._order

    def later(given: Any) -> Any:
        real(given)  # the queue delivers it while nobody looks
        return observation("order", ok=False, layer="tcp", status="connection refused", queued=True)

    hospital.exec = _for_node(hospital, "ehr", "order", later)  # type: ignore[method-assign]
    (study,) = _day(devices, stations).studies
    assert study.held
    assert "delivered from its queue: first tcp: connection refused" in _step(study, Step.ORDER).detail
    assert sum(words[:2] == ("ehr", "order") for words in hospital.asked) == 1


def test_an_order_whose_answer_was_lost_is_looked_for_and_not_made_twice(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    real = hospital._order

    def cut(given: Any) -> Any:
        real(given)
        return cut_off()

    hospital.exec = _for_node(hospital, "ehr", "order", cut)  # type: ignore[method-assign]
    (study,) = _day(devices, stations).studies
    assert study.held
    assert "the answer was lost" in _step(study, Step.ORDER).detail


def test_an_order_that_never_left_is_made_again(hospital: Hospital, devices: Devices, stations: Stations) -> None:
    hospital.replaced["ehr", "order"] = [cut_off()]
    (study,) = _day(devices, stations).studies
    assert study.held
    assert _step(study, Step.ORDER).attempts == 2


def test_a_scanner_that_is_restarted_is_followed_in_its_queue(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    hospital.replaced["ct-1", "perform"] = [cut_off()]
    hospital.replaced["ct-1", "procedure"] = [cut_off(), cut_off()]
    (study,) = _day(devices, stations).studies
    assert study.held
    assert sum(words[:2] == ("ct-1", "perform") for words in hospital.asked) == 1


def test_a_procedure_that_was_never_begun_is_performed_again(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    hospital.replaced["ct-1", "perform"] = [cut_off()]
    hospital.replaced["ct-1", "procedure"] = [replace(cut_off(2), stderr=b"device: no such procedure here\n")]
    (study,) = _day(devices, stations).studies
    assert study.held
    assert sum(words[:2] == ("ct-1", "perform") for words in hospital.asked) == 2


def test_a_worklist_that_cannot_be_reached_is_asked_again(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    unreachable = observation("perform", ok=False, layer="tcp", status="network is unreachable", timeline=[])
    hospital.replaced["ct-1", "perform"] = [unreachable, unreachable]
    (study,) = _day(devices, stations).studies
    assert study.held


def test_a_worklist_without_the_order_is_not_asked_again(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    refused = observation("perform", ok=False, layer="dimse", status="no match", timeline=[])
    hospital.replaced["ct-1", "perform"] = [refused]
    (study,) = _day(devices, stations).studies
    assert [taken.planned.step for taken in study.failures] == [Step.WORKLIST]
    assert study.failures[0].attempts == 1


def test_the_step_at_which_a_procedure_waits_is_the_one_that_failed(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    def stuck(given: Any) -> Any:
        said: Any = hospital.performed(given)
        store = {**said["timeline"][3], "ok": False, "layer": "tcp", "status": "timed out", "detail": "2 wait"}
        moments = [*said["timeline"][:3], store, store]
        return {**said, "ok": False, "layer": "tcp", "status": "timed out", "timeline": moments, "next_step": "store"}

    hospital.exec = _both(hospital, stuck)  # type: ignore[method-assign]
    (study,) = _day(devices, stations).studies
    failed = study.failures[0]
    assert (failed.planned.step, failed.layer, failed.status, failed.attempts) == (
        Step.STORE,
        Layer.TCP,
        "timed out",
        2,
    )
    assert _endings(study)[Step.COMMIT] is Ending.UNTRIED
    assert _endings(study)[Step.START] is Ending.HELD


def _both(hospital: Hospital, act: Callable[[Any], Any]) -> Any:
    hospital.exec = _for_node(hospital, "ct-1", "perform", act)  # type: ignore[method-assign]
    return _for_node(hospital, "ct-1", "procedure", act)


def test_an_entry_of_another_patient_is_not_taken_for_the_right_one(
    hospital: Hospital, devices: Devices, stations: Stations
) -> None:
    def wrong(given: Any) -> Any:
        said: Any = hospital.performed(given)
        return {**said, "patient_id": "SOMEBODY"}

    hospital.exec = _for_node(hospital, "ct-1", "perform", wrong)  # type: ignore[method-assign]
    (study,) = _day(devices, stations).studies
    assert [taken.planned.step for taken in study.failures] == [Step.WORKLIST]
    assert "SOMEBODY" in study.failures[0].detail


def test_moments_lie_between_question_and_answer_whatever_the_scanners_clock_says(
    devices: Devices, stations: Stations
) -> None:
    """The hospital's moments are of some November; the day is not."""
    (study,) = _day(devices, stations).studies
    steps = [taken for taken in study.steps if taken.planned.part is Part.ACQUIRE]
    assert [round(b.started_s - a.started_s, 3) for a, b in itertools.pairwise(steps)] == [1, 1, 2, 1]
    assert _step(study, Step.STORE).elapsed_s == 2.0


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (PIXELS, ""),
        ({"1.2.1": "aa"}, "1 of 2 instances missing, first 1.2.2"),
        ({**PIXELS, "9": "z"}, "1 of 2 instances not of this study's making, first 9"),
        ({**PIXELS, "1.2.1": None}, "1 of 2 instances with other pixels, first 1.2.1"),
        ({}, "2 of 2 instances missing, first 1.2.1"),
    ],
)
def test_pixels_are_compared_one_by_one(seen: dict[str, str | None], words: str) -> None:
    assert compare_pixels(PIXELS, seen) == words
