"""Plan and what runs -> what is to be done, with labels, files and secrets ready."""

from __future__ import annotations

from dataclasses import dataclass

from pacslab.engine import docker_values as labels
from pacslab.engine.certificates import Certificates
from pacslab.engine.changes import Action, Change, decide, spec
from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Running
from pacslab.engine.state import State
from pacslab.engine.vault import Vault
from pacslab.errors import PacslabError
from pacslab.model.plan import Container, File, Plan

OUR_IMAGES = "pacslab/"
FABRIC = "fabric"  # the kind of the fabric's container
RULESET_FILE = "/etc/pacslab/ruleset.nft"


@dataclass(frozen=True, slots=True)
class Job:
    """A container to make: what it is, its labels, and its files with their secrets."""

    container: Container
    labels: dict[str, str]
    files: tuple[tuple[File, bytes], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be done, and all that is needed to do it."""

    changes: tuple[Change, ...]
    jobs: tuple[Job, ...]
    stopped: tuple[Running, ...]  # as planned, but not running
    renewed: tuple[str, ...]  # nodes that stay, and need new TLS files
    kept: tuple[Running, ...]


def prepare(docker: Docker, plan: Plan, state: State) -> Prepared:
    """Compare a plan with what runs, and make ready what is missing; touches nothing but the state's secrets.

    Raises:
        PacslabError: An image is not built, or a name is taken by somebody else's container.
    """
    images = _images(docker, plan)
    vault = Vault(state, plan)
    wanted = {container.name: container for container in (plan.fabric, *plan.containers)}
    specs = {name: spec(container, images[container.image], vault.id) for name, container in wanted.items()}
    running = docker.list(lab=plan.lab)
    _refuse_strangers(docker, plan, running, state)
    due = Certificates(state, plan).due()
    decided = decide(plan, running, specs, due)
    made = [change.name for change in decided if change.action in {Action.CREATE, Action.REPLACE}]
    jobs = (
        Job(wanted[name], _labels(plan, wanted[name], state, specs[name]), _files(plan, wanted[name], vault))
        for name in made
    )
    started = {change.node for change in decided if change.action in {Action.START, Action.RENEW}}
    return Prepared(
        decided,
        tuple(jobs),
        _those(running, decided, Action.START),
        tuple(node for node in due if node in started),
        _those(running, decided, Action.KEEP, Action.RENEW),
    )


def _those(running: tuple[Running, ...], decided: tuple[Change, ...], *actions: Action) -> tuple[Running, ...]:
    names = {change.name for change in decided if change.action in actions}
    return tuple(container for container in running if container.name in names)


def _images(docker: Docker, plan: Plan) -> dict[str, str]:
    """Image tag -> id, for every image the plan needs.

    Raises:
        PacslabError: An image is not there.
    """
    tags = sorted({container.image for container in (plan.fabric, *plan.containers)})
    found = {tag: docker.image(tag) for tag in tags}
    missing = [tag for tag, image in found.items() if image is None]
    foreign = [tag for tag in missing if not tag.startswith(OUR_IMAGES)]
    if foreign:
        hint = f"fetch or build it on the engine: docker pull {foreign[0]}"
        raise PacslabError(f"the engine has no image {', '.join(foreign)}", hint=hint)
    if missing:
        raise PacslabError(f"images not built: {', '.join(missing)}", hint="build them with: pacslab images build")
    return {tag: image.id for tag, image in found.items() if image}


def _files(plan: Plan, container: Container, vault: Vault) -> tuple[tuple[File, bytes], ...]:
    if container.kind != FABRIC:
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
    taken = docker.names() - {other.name for other in running}
    for container in (plan.fabric, *plan.containers):
        if container.name in taken:
            raise PacslabError(
                f"the name {container.name} is taken by a container that is not pacslab's",
                hint=f"rename or remove it: docker rm -f {container.name}",
            )
