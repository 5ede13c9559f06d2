"""compose/images.yaml -> images in the engine, each rebuilt only when something it is made of has changed."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pacslab.engine.base import ensure_base
from pacslab.engine.docker import Docker
from pacslab.engine.image_inputs import ImageSpec, catalogue, context, copied, digest, inputs, repository_root
from pacslab.engine.npm import PACKAGES, ensure_packages
from pacslab.engine.wheels import WHEELS, ensure_wheels
from pacslab.errors import Exit, PacslabError

NAME = "pacslab.image"  # label: the name in the catalogue
DIGEST = "pacslab.digest"  # label: the digest of everything the image was made of
_STEP = re.compile(r"^Step (\d+)/(\d+) : ")


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of work on an image; `name` is `base`, `wheels` or `packages` for what comes before them."""

    name: str
    line: str
    step: int = 0  # of the Dockerfile, counted from 1; 0: before the first
    steps: int = 0


class Action(StrEnum):
    """What was done about an image."""

    BUILT = "built"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Built:
    """One image, and what was done about it."""

    name: str
    tag: str
    action: Action
    reason: str
    seconds: float
    size_bytes: int


class State(StrEnum):
    """How an image in the engine compares with its inputs."""

    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ImageStatus:
    """One image of the catalogue as the engine has it."""

    name: str
    tag: str
    state: State
    reason: str
    size_bytes: int


def _ignore(_: Progress | Built) -> None:
    pass


def build(
    docker: Docker,
    *,
    names: tuple[str, ...] | None = None,
    force: bool = False,
    progress: Callable[[Progress | Built], None] = _ignore,
    root: Path | None = None,
) -> tuple[Built, ...]:
    """Build the images whose inputs changed; each result goes to `progress` as well, as soon as it is known.

    Args:
        docker: The engine.
        names: Only these; None: all.
        force: Build also what has not changed, and from the first step.
        progress: Takes each line of work and each result.
        root: The checkout; None: see `repository_root`.

    Raises:
        PacslabError: A name is not in the catalogue, or a build failed; what was finished before stays.
    """
    specs = _chosen(catalogue(root or repository_root()), names)
    base = _prepare(docker, specs, progress)
    done: list[Built] = []
    for spec in specs:
        try:
            built = _build_one(docker, spec, base, force=force, progress=progress)
        except PacslabError as error:
            finished = ", ".join(one.name for one in done) or "none"
            raise PacslabError(
                f"{error.message}\nimages finished before it: {finished}", hint=error.hint, exit_code=error.exit_code
            ) from error
        done.append(built)
        progress(built)
    if any(one.action is Action.BUILT for one in done):
        _remove_replaced(docker)
    return tuple(done)


def prepare(docker: Docker, *, progress: Callable[[Progress], None] = _ignore, root: Path | None = None) -> None:
    """Fetch what the Dockerfiles expect, base image, wheels and packages: then `docker compose` can build as well."""
    _prepare(docker, catalogue(root or repository_root()), progress)


def _remove_replaced(docker: Docker) -> None:
    for identity in docker.untagged(NAME):
        # One that a container still uses stays, and goes with a later build.
        with contextlib.suppress(PacslabError):
            docker.remove_image(identity)


def status(docker: Docker, *, root: Path | None = None) -> tuple[ImageStatus, ...]:
    """Compare the images in the engine with what they would be made of now; changes nothing."""
    return tuple(_status_of(docker, spec) for spec in catalogue(root or repository_root()))


def _status_of(docker: Docker, spec: ImageSpec) -> ImageStatus:
    image = docker.image(spec.tag)
    if image is None:
        return ImageStatus(spec.name, spec.tag, State.MISSING, "not built", 0)
    base = docker.image(spec.base)
    reason = _stale(image.labels.get(DIGEST, ""), digest(spec, base.id, inputs(spec)) if base else "")
    return ImageStatus(spec.name, spec.tag, State.STALE if reason else State.FRESH, reason, image.size_bytes)


def _stale(found: str, wanted: str) -> str:
    """Why an image is not what its inputs make now; empty if it is."""
    if not found:
        return "built by something else: it has no digest"
    return "" if found == wanted else "its inputs changed"


def _build_one(
    docker: Docker, spec: ImageSpec, base: str, *, force: bool, progress: Callable[[Progress | Built], None]
) -> Built:
    began = time.monotonic()
    files = inputs(spec)  # once: what is built is what the digest says, even if someone edits meanwhile
    wanted = digest(spec, base, files)
    before = docker.image(spec.tag)
    reason = _stale(before.labels.get(DIGEST, ""), wanted) if before else "not built yet"
    if force:
        reason = reason or "asked for"
    if before and not reason:
        return Built(spec.name, spec.tag, Action.KEPT, "inputs unchanged", 0.0, before.size_bytes)
    lines = _Lines(spec.name, progress)
    identity = docker.build(
        context(files),
        dockerfile=spec.dockerfile,
        tag=spec.tag,
        labels={DIGEST: wanted, NAME: spec.name},
        buildargs=dict(spec.buildargs),
        on_line=lines.take,
        nocache=force,
    )
    after = docker.image(identity)
    size = after.size_bytes if after else 0
    return Built(spec.name, spec.tag, Action.BUILT, reason, time.monotonic() - began, size)


class _Lines:
    """Lines of the builder -> progress that knows which step it is at."""

    def __init__(self, name: str, progress: Callable[[Progress | Built], None]) -> None:
        self._name = name
        self._progress = progress
        self._step = (0, 0)

    def take(self, line: str) -> None:
        """Pass on one line."""
        if found := _STEP.match(line):
            self._step = (int(found[1]), int(found[2]))
        self._progress(Progress(self._name, line, *self._step))


def _prepare(docker: Docker, specs: tuple[ImageSpec, ...], progress: Callable[[Progress], None]) -> str:
    """The base image's id, once it, the wheels and the packages are there."""
    (tag,) = {spec.base for spec in specs}
    base = ensure_base(docker, tag, lambda line: progress(Progress("base", line)))
    for root in {spec.root for spec in specs if any(source.startswith(WHEELS) for source in copied(spec))}:
        ensure_wheels(root, lambda line: progress(Progress("wheels", line)))
    for root in {spec.root for spec in specs if PACKAGES in copied(spec)}:
        ensure_packages(root, lambda line: progress(Progress("packages", line)))
    return base.id


def _chosen(specs: tuple[ImageSpec, ...], names: tuple[str, ...] | None) -> tuple[ImageSpec, ...]:
    unknown = sorted(set(names or ()) - {spec.name for spec in specs})
    if unknown:
        known = ", ".join(spec.name for spec in specs)
        raise PacslabError(f"there is no image {unknown[0]!r}", hint=f"there are {known}", exit_code=Exit.USAGE)
    return tuple(spec for spec in specs if not names or spec.name in names)
