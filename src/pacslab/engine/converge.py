"""Plan -> running lab: containers, cables and rules, so that a lab is never open while it starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from pacslab.engine import docker_values as labels
from pacslab.engine.changes import Action, Change, decide, spec
from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric
from pacslab.engine.state import State
from pacslab.engine.vault import Vault
from pacslab.errors import Exit, PacslabError
from pacslab.model.fabric import Answer, Greeting, GreetRequest, Plug, WireRequest
from pacslab.model.plan import Container, File, Plan

WORKERS = 8
READY_TIMEOUT_S = 60.0
RULESET_FILE = "/etc/pacslab/ruleset.nft"

Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True, slots=True)
class UpReport:
    """What `up` did, and how long each stage took."""

    changes: tuple[Change, ...]
    answers: tuple[Answer, ...]
    stages: tuple[tuple[str, float], ...]  # stage, seconds


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
    images = _images(docker, plan)
    vault = Vault(state, plan)
    specs = {c.name: spec(c, images[c.image], vault.id) for c in (plan.fabric, *plan.containers)}
    running = docker.list(lab=plan.lab)
    _refuse_strangers(docker, plan, running, state)
    return decide(plan, running, specs)


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
            left = f"left as it is: {', '.join(journey.made)}" if keep_failed else "what it had started was removed again"
            raise PacslabError(f"up was interrupted; {left}", exit_code=Exit.INTERRUPTED) from error
        raise


def plugs(plan: Plan, running: Iterable[Running]) -> tuple[Plug, ...]:
    """The cables of the nodes that run, with the process each one ends in."""
    pids = {container.node: container.pid for container in running if container.running}
    return tuple(Plug(cable, pids[cable.node]) for cable in plan.cables if cable.node in pids)


def greetings(plan: Plan, running: Iterable[Running]) -> tuple[Greeting, ...]:
    """One greeting for each service of each node that runs."""
    pids = {container.node: container.pid for container in running if container.running}
    return tuple(
        Greeting(node.name, pids[node.name], node.address, service.name, service.port, service.application)
        for node in plan.nodes
        if node.name in pids
        for service in node.services
    )


def _up(docker: Docker, plan: Plan, state: State, journey: _Journey) -> UpReport:
    decided = changes(docker, plan, state)
    vault = Vault(state, plan)
    by_name = {c.name: c for c in (plan.fabric, *plan.containers)}
    images = _images(docker, plan)
    jobs = []
    for change in decided:
        if change.action in {Action.CREATE, Action.REPLACE}:
            container = by_name[change.name]
            tags = _labels(plan, container, state, spec(container, images[container.image], vault.id))
            jobs.append((change, container, tags, _files(plan, container, vault)))
    by_action = {change.name: change.action for change in decided}
    before = state.read_plan()
    state.write_plan(plan)
    journey.stage("plan")

    _remove(docker, [change.name for change in decided if change.action in {Action.REMOVE, Action.REPLACE}])
    fabric_first = sorted(jobs, key=lambda job: job[1].node != plan.fabric.node)
    _start_all(docker, fabric_first, journey)
    journey.stage("containers")

    fabric = Fabric(docker, plan.fabric.name)
    if before is None or before.ruleset != plan.ruleset or by_action[plan.fabric.name] is not Action.KEEP:
        fabric.load(plan.ruleset)
        docker.put_files(plan.fabric.name, ((File(RULESET_FILE, "", 0o444, 0), plan.ruleset.encode()),))
    journey.stage("rules")
    running = docker.list(lab=plan.lab)
    wired = fabric.wire(
        WireRequest(plugs(plan, running)), lambda _, done, total: journey.progress("cables", done, total)
    )
    missing = [report for report in wired.cables if report.state.value == "missing"]
    if missing:
        raise PacslabError(f"no cable to {missing[0].node}: {missing[0].detail}", hint=_log_hint(plan, missing[0].node))
    journey.stage("cables")

    answers = _await_services(docker, plan, fabric, journey)
    journey.stage("services")
    return UpReport(decided, answers, tuple(journey.stages))


def _start_all(
    docker: Docker,
    jobs: list[tuple[Change, Container, dict[str, str], tuple[tuple[File, bytes], ...]]],
    journey: _Journey,
) -> None:
    """Create, fill and start, several at a time; the first failure ends the rest."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="start")
    futures: dict[Future[None], str] = {}
    try:
        for change, container, tags, files in jobs:
            journey.made.append(change.name)
            futures[pool.submit(_start, docker, container, tags, files)] = container.node
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            journey.progress("containers", done, len(futures))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(docker: Docker, container: Container, tags: dict[str, str], files: tuple[tuple[File, bytes], ...]) -> None:
    create = docker.create_fabric if container.kind == "fabric" else docker.create
    docker.start(create(container, tags, files))


def _await_services(docker: Docker, plan: Plan, fabric: Fabric, journey: _Journey) -> tuple[Answer, ...]:
    """Greet until all answer, but stop as soon as a node has died."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    total = sum(len(node.services) for node in plan.nodes)
    answers: dict[tuple[str, str], Answer] = {}
    while True:
        running = docker.list(lab=plan.lab)
        _refuse_dead(docker, plan, running)
        waiting = tuple(g for g in greetings(plan, running) if (g.node, g.service) not in answers)
        ready = len(answers)
        report = fabric.greet(
            GreetRequest(waiting, timeout_s=4.0),
            lambda _, done, __, ready=ready: journey.progress("services", ready + done, total),  # type: ignore[misc]
        )
        answers |= {(a.node, a.service): a for a in report.answers if a.ready}
        if len(answers) == total:
            return tuple(answers.values())
        if time.monotonic() > deadline:
            late = next(answer for answer in report.answers if not answer.ready)
            message = f"{late.node} does not answer on {late.service} after {READY_TIMEOUT_S:.0f} s: {late.detail}"
            raise PacslabError(f"{message}\n{_tail(docker, plan, late.node)}", hint=_log_hint(plan, late.node))


def _refuse_dead(docker: Docker, plan: Plan, running: tuple[Running, ...]) -> None:
    alive = {container.node for container in running if container.running}
    for container in plan.containers:
        if container.node not in alive:
            found = docker.find(container.name)
            how = f"ended with exit code {found.exit_code}" if found else "is gone"
            message = f"node {container.node} {how} while starting"
            raise PacslabError(
                f"{message}\n{_tail(docker, plan, container.node)}", hint=_log_hint(plan, container.node)
            )


def _tail(docker: Docker, plan: Plan, node: str) -> str:
    """A node's last log lines, set off from the message."""
    try:
        text = docker.logs(f"pacslab-{plan.lab}-{node}", tail=15)
    except PacslabError as error:
        text = error.message
    return "\n".join(f"  {node} | {line}" for line in text.splitlines()) or f"  {node} | (it wrote nothing)"


def _log_hint(plan: Plan, node: str) -> str:
    return f"to look at it, run `up` again with --keep-failed, then `pacslab logs {plan.lab} {node}`"


def _remove(docker: Docker, names: list[str]) -> None:
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="remove") as pool:
        for _ in pool.map(docker.remove, names):
            pass


def _undo(docker: Docker, state: State, journey: _Journey) -> None:
    """Take away what this `up` made; if even that fails, say what is left."""
    try:
        _remove(docker, journey.made)
        if journey.made and not docker.list(lab=state.folder.name):
            state.forget()
    except (PacslabError, KeyboardInterrupt) as error:
        left = ", ".join(journey.made)
        raise PacslabError(
            f"interrupted while removing what had been started; perhaps left: {left}",
            hint=f"remove it with: pacslab down {state.folder.name}",
            exit_code=Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.REFUSED,
        ) from error


def _images(docker: Docker, plan: Plan) -> dict[str, str]:
    """Image tag -> id, for every image the plan needs.

    Raises:
        PacslabError: An image is not there.
    """
    tags = sorted({container.image for container in (plan.fabric, *plan.containers)})
    found = {tag: docker.image(tag) for tag in tags}
    missing = [tag for tag, image in found.items() if image is None]
    if missing:
        raise PacslabError(f"images not built: {', '.join(missing)}", hint="build them with: pacslab images build")
    return {tag: image.id for tag, image in found.items() if image}


def _files(plan: Plan, container: Container, vault: Vault) -> tuple[tuple[File, bytes], ...]:
    if container.kind != "fabric":
        return vault.fill(container)
    # The rules are there before the first cable is, also when the fabric starts again by itself.
    return ((File(RULESET_FILE, "", 0o444, 0), plan.ruleset.encode()),)


def _labels(plan: Plan, container: Container, state: State, made_from: str) -> dict[str, str]:
    return {
        labels.LAB: plan.lab,
        labels.ZONE: container.zone,
        labels.NODE: container.node,
        labels.PLAN: plan.digest,
        labels.SPEC: made_from,
        labels.HOME: str(state.folder),
    }


def _refuse_strangers(docker: Docker, plan: Plan, running: tuple[Running, ...], state: State) -> None:
    """A lab of this name from another place, or a container that only has the name, is not ours to change."""
    for other in running:
        if other.home != str(state.folder):
            raise PacslabError(
                f"a lab called {plan.lab!r} is running already, from {other.home or 'an unknown place'}",
                hint=f"take it down with: pacslab down {plan.lab}, or give this lab another name",
            )
    ours = {other.name for other in running}
    for container in (plan.fabric, *plan.containers):
        if container.name not in ours and docker.find(container.name) is not None:
            raise PacslabError(
                f"the name {container.name} is taken by a container that is not pacslab's",
                hint=f"rename or remove it: docker rm -f {container.name}",
            )
