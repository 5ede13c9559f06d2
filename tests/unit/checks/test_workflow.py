"""A day's timeline to results: every check has one, and a lab without stations says why."""

from dataclasses import replace

import pytest

from pacslab.checks import workflow
from pacslab.checks.catalogue.workflow import BY_STEP, CHECKS
from pacslab.engine.docker import Docker
from pacslab.model.device import Layer
from pacslab.model.dicom import Operation
from pacslab.model.plan import Plan
from pacslab.model.verdict import Verdict
from pacslab.model.workflow import Ending, Part, Step, StudyTimeline, TakenStep
from pacslab.workflow.planning import plan_steps
from pacslab.workflow.stations import find_stations


def _study(plan: Plan, broken: Step | None = None) -> StudyTimeline:
    """A day in which one step fails, and what is planned after it is not tried."""
    stations = find_stations(plan)[0]
    taken = []
    ending = Ending.HELD
    for planned in plan_steps(stations, tuple(Part)):
        if planned.step is broken:
            taken.append(TakenStep(planned, Ending.FAILED, "0xA700", "disk full", Layer.DIMSE, attempts=3))
            ending = Ending.UNTRIED
        elif ending is Ending.HELD:
            taken.append(TakenStep(planned, ending, "0x0000", "fine", Layer.DIMSE, attempts=1))
        else:
            taken.append(TakenStep(planned, ending))
    return StudyTimeline("V1", "PACSLAB-VERIFY", "1.2.3", "ct-1", "CT", tuple(taken))


def test_every_step_has_a_check_and_ids_count_up() -> None:
    assert set(BY_STEP) == set(Step)
    assert [check.id for check in CHECKS] == [f"WORK-{number:02}" for number in range(1, len(CHECKS) + 1)]
    assert all(check.references for check in CHECKS)


def test_a_day_that_held_passes_every_check(reference: Plan) -> None:
    results = tuple(workflow.judge(_study(reference)))
    assert {result.verdict for result in results} == {Verdict.PASS}
    assert {result.check for result in results} == {check.id for check in CHECKS}


@pytest.mark.parametrize("step", Step)
def test_a_step_that_fails_is_red_and_what_follows_is_not_green(reference: Plan, step: Step) -> None:
    results = tuple(workflow.judge(_study(reference, step)))
    red = [result for result in results if result.verdict is Verdict.FAIL]
    assert {result.check for result in red} == {BY_STEP[step].id}
    assert red[0].observed == "dimse: 0xA700"
    assert red[0].attempts == 3
    after = results[results.index(red[-1]) + 1 :]
    assert {result.verdict for result in after} <= {Verdict.SKIPPED}
    assert all(result.reason for result in after)


def test_a_flow_in_the_way_is_named_by_conduit_and_line(reference: Plan) -> None:
    red = next(r for r in workflow.judge(_study(reference, Step.STORE)) if r.verdict is Verdict.FAIL)
    assert (red.source, red.destination, red.service, red.conduit) == ("ct-1", "pacs", "C-STORE", "acquire")
    assert str(red.origin).startswith("zones/pacs-core.yaml:")


def test_one_scanner_of_each_modality_is_chosen(reference: Plan) -> None:
    stations = find_stations(reference)
    twins = (*stations, replace(stations[0], scanner="ct-2"))
    assert [one.scanner for one in workflow.choose(twins)] == ["ct-1", "mr-1", "us-1"]


def test_a_scanner_that_can_do_less_is_not_chosen(reference: Plan) -> None:
    first, *others = find_stations(reference)
    assert [one.scanner for one in workflow.choose((replace(first, schedule=None), *others))] == ["mr-1", "us-1"]


def test_a_lab_without_stations_skips_every_check_and_says_why(minimal: Plan) -> None:
    class Untouched(Docker):
        def __init__(self) -> None:
            pass  # there is nothing to ask an engine for

    results = workflow.check(Untouched(), minimal, lambda *_: None)
    assert [result.check for result in results] == [check.id for check in CHECKS]
    assert {result.verdict for result in results} == {Verdict.SKIPPED}
    assert {result.reason for result in results} == {"the lab lacks an ehr that may send ADT^A01 and ORM^O01 to a ris"}


def test_a_check_whose_flow_a_lab_leaves_out_is_skipped_with_that_reason(reference: Plan) -> None:
    study = _study(reference)
    kept = tuple(step for step in study.steps if step.planned.step is not Step.SEARCH)
    results = tuple(workflow.judge(replace(study, steps=kept)))
    (skipped,) = workflow._skipped(tuple(Part), results)
    assert skipped.check == BY_STEP[Step.SEARCH].id
    assert skipped.reason == "the lab has no conduit to a web front of the archive"


def test_parts_that_need_another_are_not_run_without_it(reference: Plan) -> None:
    stations = replace(find_stations(reference)[0], schedule=None)
    assert Part.READ in stations.parts
    assert workflow._possible(stations) == (Part.ORDER,)
    assert Operation.C_FIND_MWL.value in workflow._why(Step.WORKLIST, (Part.ORDER,))
