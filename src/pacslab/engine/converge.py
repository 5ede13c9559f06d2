"""Plan -> running lab: containers, cables and rules, so that a lab is never open while it starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from pacslab.engine.certificates import Certificates
from pacslab.engine.changes import Action, Change
from pacslab.engine.delivery import deliver
from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric
from pacslab.engine.prepare import FABRIC, RULESET_FILE, Job, prepare
from pacslab.engine.ready import await_services, greet, log_hint, refuse_dead
from pacslab.engine.state import State
from pacslab.errors import Exit, PacslabError
from pacslab.model.fabric import Answer, CableState, Plug, WireRequest
from pacslab.model.plan import File, Plan

WORKERS = 8

Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True, slots=True)
class UpReport:
    """What `up` did, and how long each stage took."""

    changes: tuple[Change, ...]
    answers: tuple[Answer, ...]
    stages: tuple[tuple[str, float], ...]  # stage, seconds
    rules_restored: bool = False  # somebody had changed the loaded rules by hand


@dataclass(slots=True)
class _Journey:
    """One `up` under way: what it has made so far, and its clock."""

    progress: Progress
    made: list[str] = field(default_factory=list)  # container names, before they are created
    stages: list[tuple[str, float]] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def stage(self, name: str) -> None:
        """Note that a stage has ended."""
        now = time.monotonic()
        self.stages.append((name, now - self._since))
        self._since = now


def changes(docker: Docker, plan: Plan, state: State) -> tuple[Change, ...]:
    """What `up` would do to containers; touches nothing but the state's secrets."""
    return prepare(docker, plan, state).changes


def up(docker: Docker, plan: Plan, state: State, progress: Progress, *, keep_failed: bool = False) -> UpReport:
    """Bring a lab up, or change a running one to its plan.

    Raises:
        PacslabError: Something refused; what this call had made is removed again, unless `keep_failed`.
    """
    journey = _Journey(progress)
    try:
        return _up(docker, plan, state, journey)
    except BaseException as error:
        if not keep_failed:
            _undo(docker, state, journey)
        if isinstance(error, KeyboardInterrupt):
            left = f"left as it is: {', '.join(journey.made)}" if keep_failed else "what it had started is removed"
            raise PacslabError(f"up was interrupted; {left}", exit_code=Exit.INTERRUPTED) from error
        raise


def plugs(plan: Plan, running: Iterable[Running]) -> tuple[Plug, ...]:
    """The cables of the nodes that run, with the process each one ends in."""
    pids = {container.node: container.pid for container in running if container.running}
    return tuple(Plug(cable, pids[cable.node]) for cable in plan.cables if cable.node in pids)


def _up(docker: Docker, plan: Plan, state: State, journey: _Journey) -> UpReport:
    prepared = prepare(docker, plan, state)
    before = state.read_plan()
    state.write_plan(plan)
    journey.stage("plan")

    gone = {Action.REMOVE, Action.REPLACE}
    _remove(docker, [change.name for change in prepared.changes if change.action in gone])
    started = tuple(docker.start(container.id) for container in prepared.stopped)
    running = (*prepared.kept, *started, *_start_all(docker, prepared.jobs, journey))
    # What has just been made was filled with the latest.
    Certificates(state, plan).settle(job.container.node for job in prepared.jobs)
    journey.stage("containers")

    fabric = Fabric(docker, plan.fabric.name)
    # A fabric that has just started loaded its rules before anything else; one that runs is told only of new ones.
    kept = any(container.name == plan.fabric.name for container in prepared.kept)
    if kept and (before is None or before.ruleset != plan.ruleset):
        _load(docker, fabric, plan)
    journey.stage("rules")

    # Two programs start in the fabric at once: services are greeted while the last cables are laid.
    with ThreadPoolExecutor(1, thread_name_prefix="greet") as side:
        first = side.submit(greet, fabric, plan, running, {}, journey.progress)
        restored = _lay_cables(docker, fabric, plan, running, journey)
        journey.stage("cables")
        answers = await_services(docker, plan, fabric, first.result(), journey.progress)
    if prepared.renewed:
        deliver(docker, plan, state, prepared.renewed, journey.progress)
    journey.stage("services")
    return UpReport(prepared.changes, answers, tuple(journey.stages), restored)


def _lay_cables(docker: Docker, fabric: Fabric, plan: Plan, running: tuple[Running, ...], journey: _Journey) -> bool:
    """Lay what is missing; say whether rules changed by hand had to be put back."""
    request = WireRequest(plugs(plan, running))
    wired = fabric.wire(request, lambda _, done, total: journey.progress("cables", done, total))
    if not wired.rules_as_loaded:
        _load(docker, fabric, plan)
    missing = [report for report in wired.cables if report.state is CableState.MISSING]
    if missing:
        refuse_dead(docker, plan, docker.list(lab=plan.lab))
        raise PacslabError(f"no cable to {missing[0].node}: {missing[0].detail}", hint=log_hint(plan, missing[0].node))
    return not wired.rules_as_loaded


def _load(docker: Docker, fabric: Fabric, plan: Plan) -> None:
    """Load the plan's rules, and leave them where the fabric finds them when it starts again by itself."""
    fabric.load(plan.ruleset)
    docker.put_files(plan.fabric.name, ((File(RULESET_FILE, "", 0o444, 0), plan.ruleset.encode()),))


def _start_all(docker: Docker, jobs: tuple[Job, ...], journey: _Journey) -> tuple[Running, ...]:
    """Create, fill and start, several at a time, the fabric first; the first failure ends the rest."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="start")
    futures: list[Future[Running]] = []
    try:
        for job in sorted(jobs, key=lambda job: job.container.kind != FABRIC):
            journey.made.append(job.container.name)
            futures.append(pool.submit(_start, docker, job))
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            journey.progress("containers", done, len(futures))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return tuple(future.result() for future in futures)


def _start(docker: Docker, job: Job) -> Running:
    create = docker.create_fabric if job.container.kind == FABRIC else docker.create
    return docker.start(create(job.container, job.labels, job.files))


def _remove(docker: Docker, names: list[str]) -> None:
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="remove") as pool:
        for _ in pool.map(docker.remove, names):
            pass


def _undo(docker: Docker, state: State, journey: _Journey) -> None:
    """Take away what this `up` made; if even that fails, say what is left."""
    try:
        _remove(docker, journey.made)
        if journey.made and not docker.list(lab=state.folder.name):
            for volume in docker.volumes(lab=state.folder.name):
                docker.remove_volume(volume)
            state.forget()
    except (PacslabError, KeyboardInterrupt) as error:
        left = ", ".join(journey.made)
        raise PacslabError(
            f"interrupted while removing what had been started; perhaps left: {left}",
            hint=f"remove it with: pacslab down {state.folder.name}",
            exit_code=Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.REFUSED,
        ) from error
