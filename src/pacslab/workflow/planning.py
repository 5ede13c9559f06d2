"""Stations and parts -> the steps of one study's day, each with the flow that permits it; or a sentence why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pacslab.errors import Exit, PacslabError
from pacslab.model.dicom import Operation
from pacslab.model.plan import Flow
from pacslab.model.workflow import Part, PlannedStep, Step
from pacslab.workflow.stations import NEEDS, Stations

DAY = "radiology-day"
WORKFLOWS: dict[str, tuple[Part, ...]] = {DAY: tuple(Part), **{part.value: (part,) for part in Part}}


def require(lab: str, stations: Iterable[Stations], parts: tuple[Part, ...]) -> tuple[Stations, ...]:
    """Those stations at which all these parts can be run.

    Raises:
        PacslabError: There are none; says what is missing and what can be run instead.
    """
    every = tuple(stations)
    able = tuple(one for one in every if set(parts) <= set(one.parts))
    if able:
        return able
    possible = {part for one in every for part in one.parts}
    missing = [part.value for part in parts if part not in possible] or [
        part.value for part in parts if part not in every[0].parts
    ]
    lines = "".join(f"\n  {part} needs {NEEDS[Part(part)]}" for part in missing)
    rest = ", ".join(part.value for part in Part if part in possible)
    raise PacslabError(
        f"lab {lab} has no stations for {', '.join(missing)}:{lines}",
        hint=f"of the parts of a day this lab can run: {rest}" if rest else "lab/reference.yaml has them all",
        exit_code=Exit.USAGE,
    )


def plan_steps(stations: Stations, parts: tuple[Part, ...]) -> tuple[PlannedStep, ...]:
    """Every step of these parts, in their order."""
    return tuple(step for part in parts for step in _OF[part](stations))


def _flow_step(step: Step, part: Part, flow: Flow, *operations: Operation) -> PlannedStep:
    return PlannedStep(step, part, flow.source, flow.destination, operations, flow.conduit, flow.origin)


def _order(stations: Stations) -> Iterator[PlannedStep]:
    flow = stations.order
    if flow is not None:
        yield _flow_step(Step.ORDER, Part.ORDER, flow, Operation.ADT_A01, Operation.ORM_O01)
        yield PlannedStep(Step.SCHEDULE, Part.ORDER, flow.destination, flow.destination)


def _acquire(stations: Stations) -> Iterator[PlannedStep]:
    schedule, store = stations.schedule, stations.store
    if schedule is None or store is None:
        return
    yield _flow_step(Step.WORKLIST, Part.ACQUIRE, schedule, Operation.C_FIND_MWL)
    yield _flow_step(Step.START, Part.ACQUIRE, schedule, Operation.N_CREATE_MPPS)
    yield _flow_step(Step.STORE, Part.ACQUIRE, store, Operation.C_STORE)
    if stations.commit is not None:
        operations = (Operation.N_ACTION_STGCMT, Operation.N_EVENT_REPORT_STGCMT)
        yield _flow_step(Step.COMMIT, Part.ACQUIRE, store, *operations)
    yield _flow_step(Step.COMPLETE, Part.ACQUIRE, schedule, Operation.N_SET_MPPS)


def _archive(stations: Stations) -> Iterator[PlannedStep]:
    if stations.store is None:
        return
    yield PlannedStep(Step.HOLD, Part.ARCHIVE, stations.store.destination, stations.store.destination)
    for copy in stations.copies:
        sent = Operation.STOW_RS if Operation.STOW_RS in copy.flow.operations else Operation.C_STORE
        yield PlannedStep(
            Step.COPY, Part.ARCHIVE, copy.source, copy.holder, (sent,), copy.flow.conduit, copy.flow.origin
        )


def _read(stations: Stations) -> Iterator[PlannedStep]:
    reading = stations.reading
    if reading is None:
        return
    yield _flow_step(Step.FIND, Part.READ, reading.find, Operation.C_FIND)
    yield _flow_step(Step.DELIVER, Part.READ, reading.find, Operation.C_MOVE, Operation.C_STORE)
    if reading.web is not None:
        yield _flow_step(Step.SEARCH, Part.READ, reading.web, Operation.QIDO_RS)
        yield _flow_step(Step.RETRIEVE, Part.READ, reading.web, Operation.WADO_RS)


def _report(stations: Stations) -> Iterator[PlannedStep]:
    flow = stations.report
    if flow is not None:
        if Operation.ORM_O01 in flow.operations:
            yield _flow_step(Step.STATUS, Part.REPORT, flow, Operation.ORM_O01)
        yield _flow_step(Step.RESULT, Part.REPORT, flow, Operation.ORU_R01)
        yield PlannedStep(Step.FILE, Part.REPORT, flow.destination, flow.destination)


_OF = {
    Part.ORDER: _order,
    Part.ACQUIRE: _acquire,
    Part.ARCHIVE: _archive,
    Part.READ: _read,
    Part.REPORT: _report,
}
