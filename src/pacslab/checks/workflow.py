"""Suite `workflow`: a radiology day of one small study from a scanner of each modality, judged step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pacslab.checks.catalogue.workflow import BY_STEP
from pacslab.engine.docker import Docker
from pacslab.model.plan import Plan
from pacslab.model.verdict import Result, Verdict
from pacslab.model.workflow import Ending, Part, PlannedStep, Step, StudyTimeline, TakenStep
from pacslab.workflow.asking import Devices
from pacslab.workflow.course import Study
from pacslab.workflow.day import run_day
from pacslab.workflow.planning import DAY, plan_steps
from pacslab.workflow.resume import VERIFY_PATIENT
from pacslab.workflow.stations import NEEDS, Stations, find_stations
from pacslab.workflow.visits import new_visits

Progress = Callable[[str, int, int], None]

PATIENCE_S = 20.0
# One patient for all runs, told from every other by id and accession number; a few kilobytes each time.
_FORM = Study(accession="", patient_id=VERIFY_PATIENT, slices=2, series=1, side_pixels=64, seed=5225)
_PREFIX = "V"

# Which part each step belongs to, also where a lab has no stations for it.
_PART_OF = {
    **dict.fromkeys((Step.ORDER, Step.SCHEDULE), Part.ORDER),
    **dict.fromkeys((Step.WORKLIST, Step.START, Step.STORE, Step.COMMIT, Step.COMPLETE), Part.ACQUIRE),
    **dict.fromkeys((Step.HOLD, Step.COPY), Part.ARCHIVE),
    **dict.fromkeys((Step.FIND, Step.DELIVER, Step.SEARCH, Step.RETRIEVE), Part.READ),
    **dict.fromkeys((Step.STATUS, Step.RESULT, Step.FILE), Part.REPORT),
}
_NO_FLOW = {
    Step.STATUS: "no conduit for ORM^O01 from the ris to the ehr",
    Step.COMMIT: "no conduits for a storage commitment and its answer",
    Step.SEARCH: "no conduit to a web front of the archive",
    Step.RETRIEVE: "no conduit to a web front of the archive",
}


def check(docker: Docker, plan: Plan, progress: Progress) -> tuple[Result, ...]:
    """Run the day as far as this lab has stations for it; every check has a result, if only why it was skipped."""
    stations = choose(find_stations(plan))
    parts = _possible(stations[0])
    if Part.ORDER not in parts:  # nothing to do without an order
        return _skipped((), ())
    visits = new_visits(stations, len(stations), _FORM, prefix=_PREFIX)
    total = sum(len(plan_steps(visit.stations, parts)) for visit in visits)
    done: list[TakenStep] = []

    def notice(_accession: str, _planned: PlannedStep, taken: TakenStep | None) -> None:
        if taken is not None:
            done.append(taken)
            progress("workflow", len(done), total)

    devices = Devices(docker, plan.lab, PATIENCE_S)
    timeline = run_day(devices, plan.lab, DAY, parts, visits, parallel=True, notice=notice)
    progress("workflow", total, total)
    results = tuple(result for study in timeline.studies for result in judge(study))
    return (*results, *_skipped(parts, results))


def choose(stations: tuple[Stations, ...]) -> tuple[Stations, ...]:
    """The first scanner of each modality, of those at which most parts can be run."""
    most = max(len(_possible(one)) for one in stations)
    first: dict[str, Stations] = {}
    for one in stations:
        if len(_possible(one)) == most:
            first.setdefault(one.modality, one)
    return tuple(first.values())


def _possible(stations: Stations) -> tuple[Part, ...]:
    """The parts that can be run in a row: each needs what the order and the images left."""
    parts: list[Part] = []
    for part in stations.parts:
        needed = {Part.ORDER: (), Part.ACQUIRE: (Part.ORDER,)}.get(part, (Part.ORDER, Part.ACQUIRE))
        if all(before in parts for before in needed):
            parts.append(part)
    return tuple(parts)


def judge(study: StudyTimeline) -> Iterator[Result]:
    """A verdict for each step of one study."""
    for taken in study.steps:
        planned = taken.planned
        layer = f"{taken.layer.value}: " if taken.layer else ""
        yield Result(
            check=BY_STEP[planned.step].id,
            verdict=_VERDICTS[taken.ending],
            source=planned.source,
            destination=planned.destination,
            service=", ".join(operation.value for operation in planned.operations),
            expected=f"study {study.accession} of {study.scanner}: {planned.step.value} holds",
            observed=f"{layer}{taken.status}" if taken.layer else "not tried",
            evidence=(taken.detail,) if taken.detail else (),
            reason="a step before it failed" if taken.ending is Ending.UNTRIED else "",
            conduit=planned.conduit,
            origin=planned.origin,
            attempts=max(1, taken.attempts),
        )


_VERDICTS = {Ending.HELD: Verdict.PASS, Ending.FAILED: Verdict.FAIL, Ending.UNTRIED: Verdict.SKIPPED}


def _skipped(parts: tuple[Part, ...], results: tuple[Result, ...]) -> tuple[Result, ...]:
    """Why each check that has no result has none."""
    made = {result.check for result in results}
    return tuple(
        Result(
            check=requirement.id,
            verdict=Verdict.SKIPPED,
            source="",
            destination="",
            service="",
            expected=requirement.requirement,
            observed="not tried",
            reason=_why(step, parts),
        )
        for step, requirement in BY_STEP.items()
        if requirement.id not in made
    )


def _why(step: Step, parts: tuple[Part, ...]) -> str:
    part = _PART_OF[step]
    if part in parts:
        return f"the lab has {_NO_FLOW.get(step, 'no flow for it')}"
    return f"the lab lacks {NEEDS[part if Part.ORDER in parts else Part.ORDER]}"
