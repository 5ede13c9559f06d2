"""compose/images.yaml and its Dockerfiles -> which images there are, and the exact bytes each one is made of."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from pacslab.engine.npm import PACKAGES, pinned_packages
from pacslab.engine.wheels import WHEELS, pinned
from pacslab.errors import PacslabError

COMPOSE_FILE = "compose/images.yaml"


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image as compose/images.yaml describes it."""

    name: str
    tag: str
    root: Path  # the build context
    dockerfile: str  # relative to the root
    buildargs: tuple[tuple[str, str], ...]

    @property
    def base(self) -> str:
        """The tag of the image it begins with."""
        return dict(self.buildargs)["BASE"]


@dataclass(frozen=True, slots=True)
class Input:
    """One file an image is made of, as it was read."""

    name: str  # relative to the context
    mode: int
    content: bytes


def repository_root() -> Path:
    """The checkout this program runs from, else the one around the working directory.

    Raises:
        PacslabError: Neither is a checkout of pacslab.
    """
    package = Path(__file__).resolve().parents[3]
    here = Path.cwd()
    for place in (package, here, *here.parents):
        if (place / COMPOSE_FILE).is_file():
            return place
    raise PacslabError(
        f"no {COMPOSE_FILE} here: images are built from a checkout of pacslab, and an installed package has none",
        hint="change into a checkout (`git clone` it first) and run the command there",
    )


def catalogue(root: Path) -> tuple[ImageSpec, ...]:
    """Read which images there are, in the order they are built.

    Raises:
        PacslabError: compose/images.yaml does not say it.
    """
    path = root / COMPOSE_FILE
    try:
        services = yaml.safe_load(path.read_text())["services"]
        return tuple(
            ImageSpec(
                name=name,
                tag=service["image"],
                root=(path.parent / service["build"]["context"]).resolve(),
                dockerfile=service["build"]["dockerfile"],
                buildargs=tuple(sorted((service["build"].get("args") or {}).items())),
            )
            for name, service in services.items()
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise PacslabError(
            f"{path} does not describe the images: {type(error).__name__} {error}", hint=f"git restore {COMPOSE_FILE}"
        ) from error


def inputs(spec: ImageSpec) -> tuple[Input, ...]:
    """Read the files an image is made of: its Dockerfile and all that copies.

    Raises:
        PacslabError: The Dockerfile copies something that is not there.
    """
    found = {spec.dockerfile}
    for source in copied(spec):
        path = spec.root / source
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and _wanted(file))
            found.update(str(file.relative_to(spec.root)) for file in files)
        elif path.is_file():
            found.add(source)
        else:
            raise PacslabError(f"{spec.dockerfile} copies {source}, which is not there", hint="git restore it")
    if any(name.startswith(WHEELS) for name in found):
        keep = {str(wheel.relative_to(spec.root)) for wheel in pinned(spec.root).values()}
        found = {name for name in found if not name.startswith(WHEELS) or name in keep}
    if any(name.startswith(f"{PACKAGES}/") for name in found):
        keep = {str(package.relative_to(spec.root)) for package in pinned_packages(spec.root)}
        found = {name for name in found if not name.startswith(f"{PACKAGES}/") or name in keep}
    return tuple(_read(spec.root, name) for name in sorted(found))


def digest(spec: ImageSpec, base: str, files: tuple[Input, ...]) -> str:
    """SHA-256, in hexadecimal, over everything an image is made of.

    Args:
        spec: The image.
        base: The id of its base image.
        files: Its inputs.
    """
    hashed = [(file.name, file.mode, hashlib.sha256(file.content).hexdigest()) for file in files]
    value = json.dumps([spec.tag, spec.dockerfile, spec.buildargs, base, hashed])
    return hashlib.sha256(value.encode()).hexdigest()


def context(files: tuple[Input, ...]) -> io.BytesIO:
    """Pack an image's inputs into a tar, equal inputs into equal bytes: owner root, no times, plain modes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            entry.size = len(file.content)
            entry.mode = file.mode
            tar.addfile(entry, io.BytesIO(file.content))
    buffer.seek(0)
    return buffer


def copied(spec: ImageSpec) -> tuple[str, ...]:
    """What a Dockerfile's COPY instructions name, relative to the context.

    Raises:
        PacslabError: There is no such Dockerfile.
    """
    try:
        text = (spec.root / spec.dockerfile).read_text()
    except OSError as error:
        raise PacslabError(f"cannot read {spec.dockerfile}: {error.strerror}", hint="git restore it") from error
    words = (line.split() for line in text.replace("\\\n", " ").splitlines())
    return tuple(source.rstrip("/") for line in words if line[:1] == ["COPY"] for source in line[1:-1])


def _wanted(file: Path) -> bool:
    return "__pycache__" not in file.parts and not file.name.startswith(".")


def _read(root: Path, name: str) -> Input:
    path = root / name
    return Input(name, 0o755 if path.stat().st_mode & 0o100 else 0o644, path.read_bytes())
