"""This machine and its Docker engine -> findings: what is fit for a lab, what is not, and what to do about it."""

from __future__ import annotations

import contextlib
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import EngineInfo, Running
from pacslab.engine.doctor_kernel import Finding, Fitness, examine_kernel
from pacslab.engine.images import ImageStatus, State, status
from pacslab.errors import PacslabError

__all__ = ["Finding", "Fitness", "examine"]

GIB = 1024**3
_FABRIC = "fabric"


def examine(*, root: Path | None = None) -> tuple[Finding, ...]:
    """Examine this machine and the engine; reports whatever it meets, raises nothing.

    Args:
        root: The checkout whose images are compared with the engine's; None: see `repository_root`.
    """
    findings = [Finding("python", Fitness.OK, platform.python_version()), _disk("disk here", Path.cwd())]
    try:
        docker = Docker.connect()
    except PacslabError as error:
        return (*findings, Finding("engine", Fitness.LACK, error.message, error.hint))
    with contextlib.closing(docker):
        try:
            findings += _examine_engine(docker, root)
        except PacslabError as error:
            findings.append(Finding("engine", Fitness.LACK, error.message, error.hint))
    return tuple(findings)


def _examine_engine(docker: Docker, root: Path | None) -> Iterator[Finding]:
    info = docker.info()
    where = "on this machine" if docker.local else "on another machine"
    yield Finding("engine", Fitness.OK, f"{info.version}, API {info.api_version}, at {docker.address}, {where}")
    yield from _engine_findings(info)
    images = _images(docker, root)
    if isinstance(images, Finding):
        yield images
        fabric = None
    else:
        yield _image_finding(images)
        fabric = next((one.tag for one in images if one.name == _FABRIC and one.state is not State.MISSING), None)
    yield from examine_kernel(docker, fabric, Path(info.root_dir))
    yield _containers(docker.list())


def _disk(name: str, path: Path) -> Finding:
    free = shutil.disk_usage(path).free
    found = f"{free / GIB:.1f} GiB free at {path}"
    if free < GIB:
        return Finding(name, Fitness.WARNING, found, "reports and captures want 1 GiB")
    return Finding(name, Fitness.OK, found)


def _engine_findings(info: EngineInfo) -> Iterator[Finding]:
    limits = [warning for warning in info.warnings if "No memory limit" in warning or "No pids limit" in warning]
    if limits:
        advice = "nodes run without limits; enable the memory and pids cgroup controllers in the kernel"
        yield Finding("cgroups", Fitness.WARNING, f"version {info.cgroup_version}; {'; '.join(limits)}", advice)
    else:
        yield Finding("cgroups", Fitness.OK, f"version {info.cgroup_version}")
    if info.storage_driver == "vfs":
        advice = (
            "every container is a full copy of its image; configure overlay2 where the disk's file system allows it"
        )
        yield Finding("storage driver", Fitness.WARNING, info.storage_driver, advice)
    else:
        yield Finding("storage driver", Fitness.OK, info.storage_driver)
    memory = f"{info.memory_bytes / GIB:.1f} GiB, {info.ncpu} CPU"
    if info.memory_bytes < 2 * GIB:
        yield Finding("memory", Fitness.LACK, memory, "the reference lab wants 4 GiB, the minimal lab 2 GiB")
    elif info.memory_bytes < 4 * GIB:
        yield Finding("memory", Fitness.WARNING, memory, "enough for the minimal lab; the reference lab wants 4 GiB")
    else:
        yield Finding("memory", Fitness.OK, memory)
    if info.rootless:
        advice = "a rootless engine may refuse what the fabric does; use one that runs as root if `up` fails"
        yield Finding("engine's rights", Fitness.WARNING, "rootless", advice)


def _images(docker: Docker, root: Path | None) -> tuple[ImageStatus, ...] | Finding:
    try:
        return status(docker, root=root)
    except PacslabError as error:
        return Finding("images", Fitness.WARNING, error.message, error.hint)


def _image_finding(images: tuple[ImageStatus, ...]) -> Finding:
    def named(state: State) -> str:
        return ", ".join(image.name for image in images if image.state is state)

    if missing := named(State.MISSING):
        return Finding("images", Fitness.LACK, f"missing: {missing}", "run `pacslab images build`")
    if stale := named(State.STALE):
        return Finding("images", Fitness.WARNING, f"older than their sources: {stale}", "run `pacslab images build`")
    return Finding("images", Fitness.OK, f"all {len(images)} built from these sources")


def _containers(found: tuple[Running, ...]) -> Finding:
    labs = sorted({container.lab for container in found})
    if not labs:
        return Finding("labs", Fitness.OK, "none")
    counts = ", ".join(f"{lab} ({sum(container.lab == lab for container in found)} containers)" for lab in labs)
    stopped = sorted({container.lab for container in found if not container.running})
    if stopped:
        advice = f"`pacslab status {stopped[0]}` shows which stopped; `pacslab down {stopped[0]}` removes what is left"
        return Finding("labs", Fitness.WARNING, f"{counts}; with stopped containers: {', '.join(stopped)}", advice)
    return Finding("labs", Fitness.OK, counts)
