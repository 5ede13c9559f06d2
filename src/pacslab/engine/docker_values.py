"""What the engine's API says of itself, its images and containers -> frozen values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pacslab.errors import PacslabError

LAB = "pacslab.lab"
ZONE = "pacslab.zone"
NODE = "pacslab.node"
PLAN = "pacslab.plan"  # digest of the plan the container was made for
SPEC = "pacslab.spec"  # digest of the container as planned
HOME = "pacslab.home"  # the folder of the lab's state, on the machine it was started from

OLDEST_API = "1.41"  # engine 20.10
PREFERRED_API = "1.44"  # engine 25, and the oldest that engine 29 still speaks


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine, as it describes itself."""

    version: str
    api_version: str
    storage_driver: str
    cgroup_version: str
    root_dir: str
    ncpu: int
    memory_bytes: int
    os: str
    kernel: str
    security_options: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def rootless(self) -> bool:
        """Whether the engine itself runs without root."""
        return any("rootless" in option for option in self.security_options)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the engine."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size_bytes: int
    created: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Running:
    """A container of a lab as the engine sees it, running or not."""

    id: str
    name: str
    lab: str
    zone: str
    node: str
    plan: str
    spec: str
    home: str
    state: str  # created, running, paused, restarting, removing, exited, dead
    pid: int  # as the engine's host sees it; 0: not running
    exit_code: int
    started_at: dt.datetime | None
    image: str  # id
    networks: tuple[str, ...]  # Docker networks; "none" is not one
    ports: tuple[str, ...]  # published: "0.0.0.0:8042->8042/tcp"
    cap_add: tuple[str, ...]
    privileged: bool

    @property
    def running(self) -> bool:
        """Whether its first process is alive."""
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Executed:
    """What a command left when it ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def choose_api_version(newest: str, oldest: str, engine: str) -> str:
    """Choose the API version to speak with an engine that speaks from `oldest` to `newest`.

    Raises:
        PacslabError: The engine is too old, or what answered is not an engine.
    """
    top = _numbers(newest)
    if not top:
        raise PacslabError("what answers at the engine's address is not a Docker engine", hint="check DOCKER_HOST")
    if top < _numbers(OLDEST_API):
        raise PacslabError(
            f"Docker engine {engine} is too old: it speaks API {newest}, and pacslab needs {OLDEST_API}",
            hint="install Docker engine 20.10 or newer",
        )
    return max(PREFERRED_API, oldest, key=_numbers) if top >= _numbers(PREFERRED_API) else newest


def read_info(info: Mapping[str, Any], api_version: str) -> EngineInfo:
    """Read `GET /info`."""
    return EngineInfo(
        version=str(info.get("ServerVersion", "")),
        api_version=api_version,
        storage_driver=str(info.get("Driver", "")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        root_dir=str(info.get("DockerRootDir", "")),
        ncpu=int(info.get("NCPU", 0)),
        memory_bytes=int(info.get("MemTotal", 0)),
        os=str(info.get("OperatingSystem", "")),
        kernel=str(info.get("KernelVersion", "")),
        security_options=tuple(info.get("SecurityOptions") or ()),
        warnings=tuple(info.get("Warnings") or ()),
    )


def read_image(image: Mapping[str, Any]) -> Image:
    """Read `GET /images/NAME/json`."""
    return Image(
        id=image["Id"],
        tags=tuple(image.get("RepoTags") or ()),
        labels=dict((image.get("Config") or {}).get("Labels") or {}),
        size_bytes=int(image.get("Size", 0)),
        created=read_time(image.get("Created", "")),
    )


def read_container(container: Mapping[str, Any]) -> Running:
    """Read `GET /containers/ID/json`; its environment is left where it is."""
    labels = container["Config"].get("Labels") or {}
    state = container["State"]
    host = container["HostConfig"]
    settings = container.get("NetworkSettings") or {}
    return Running(
        id=container["Id"],
        name=container["Name"].removeprefix("/"),
        lab=labels.get(LAB, ""),
        zone=labels.get(ZONE, ""),
        node=labels.get(NODE, ""),
        plan=labels.get(PLAN, ""),
        spec=labels.get(SPEC, ""),
        home=labels.get(HOME, ""),
        state=state["Status"],
        pid=int(state.get("Pid", 0)),
        exit_code=int(state.get("ExitCode", 0)),
        started_at=read_time(state.get("StartedAt", "")),
        image=container["Image"],
        networks=tuple(sorted(name for name in settings.get("Networks") or {} if name != "none")),
        ports=_published(settings.get("Ports") or {}),
        cap_add=tuple(sorted(name.removeprefix("CAP_") for name in host.get("CapAdd") or ())),
        privileged=bool(host.get("Privileged")),
    )


def read_time(text: str) -> dt.datetime | None:
    """Read the engine's RFC 3339 time, which has nanoseconds; year 1 stands for never."""
    if not text or text.startswith("0001-"):
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    zone = ""
    for sign in "+-":
        digits, found, offset = fraction.partition(sign)
        if found:
            fraction, zone = digits, sign + offset
    moment = dt.datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6].ljust(6, '0')}{zone or '+00:00'}")
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _published(ports: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{binding.get('HostIp', '')}:{binding.get('HostPort', '')}->{port}"
        for port, bindings in sorted(ports.items())
        for binding in bindings or ()
    )


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
