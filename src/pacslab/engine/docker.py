"""Typed calls -> Docker's API: the only importer of the SDK; every refusal becomes a sentence with a hint."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import docker
import docker.context
import docker.errors
import docker.types
import docker.utils
import docker.utils.config
import docker.utils.proxy
import requests
import urllib3

from pacslab.engine.docker_errors import build_failure, error_of, refusal, unreachable
from pacslab.engine.docker_files import archive
from pacslab.engine.docker_values import (
    LAB,
    NODE,
    PREFERRED_API,
    EngineInfo,
    Executed,
    Image,
    Running,
    choose_api_version,
    read_container,
    read_image,
    read_info,
)
from pacslab.errors import PacslabError
from pacslab.model.device import DATA_DIR
from pacslab.model.plan import Container, File

ANSWER_TIMEOUT_S = 120  # an engine on a busy disk takes its time to create and remove
KNOCK_TIMEOUT_S = 10
_BUILDERS_OWN = (" ---> ", "Removing intermediate container ", "Removed intermediate container ")  # tell no cause
CONNECTIONS = 32  # kept open: nodes are started by several threads
FABRIC_CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE")

Files = tuple[tuple[File, bytes], ...]


class Docker:
    """One engine: images, containers, and what happens inside them. May be used by several threads at once."""

    def __init__(self, api: docker.APIClient, endpoint: Mapping[str, Any]) -> None:
        self._api = api
        self._endpoint = dict(endpoint)

    @classmethod
    def connect(cls) -> Docker:
        """Reach the engine named by DOCKER_HOST or the current Docker context, at an API version both sides speak.

        Raises:
            PacslabError: No engine there, no permission to use it, or an engine older than 20.10.
        """
        endpoint = _endpoint()
        address = endpoint["base_url"]
        with _connecting(address):
            _knock(address)
            # The library's own negotiation takes the newest version the engine has; ask first, then choose.
            probe = docker.APIClient(**endpoint, version=PREFERRED_API, timeout=KNOCK_TIMEOUT_S)
            try:
                said = probe.version(api_version=False)
            finally:
                probe.close()
        version = choose_api_version(
            str(said.get("ApiVersion", "")), str(said.get("MinAPIVersion", "")), str(said.get("Version", "?"))
        )
        with _connecting(address):
            return cls(_client(endpoint, version, ANSWER_TIMEOUT_S), endpoint)

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()

    @property
    def address(self) -> str:
        """Where the engine is, as a URL."""
        return str(self._endpoint["base_url"])

    @property
    def local(self) -> bool:
        """Whether the engine is reached through a socket of this machine."""
        return "unix://" in self.address or self.address.startswith("npipe://")

    def info(self) -> EngineInfo:
        """Ask the engine what it is."""
        with _saying("ask the engine what it is"):
            return read_info(self._api.info(), self._api.api_version)

    # Images

    def image(self, tag: str) -> Image | None:
        """The image of that tag or id, if the engine has it."""
        with _saying(f"look for image {tag}"):
            try:
                return read_image(self._api.inspect_image(tag))  # type: ignore[no-untyped-call]
            except docker.errors.ImageNotFound:
                return None

    def pull(self, tag: str, *, silence_s: float = 20.0) -> Image:
        """Fetch an image from its registry.

        Raises:
            PacslabError: Nothing came for `silence_s`, or the registry has no such image.
        """
        with _saying(f"pull {tag}"), self._patient(silence_s) as api:
            try:
                for event in _events(api, "/images/create", params=_name_and_tag(tag)):
                    _raise_event(event)
            except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
                raise PacslabError(f"cannot pull {tag}: its registry is silent for {silence_s:.0f} s") from error
        return self._present(tag)

    def import_tar(self, path: Path, tag: str) -> Image:
        """Make an image of one layer from a root file system in a tar file."""
        name = _name_and_tag(tag)
        params = {"fromSrc": "-", "repo": name["fromImage"], "tag": name["tag"]}
        with _saying(f"import {path} as {tag}"), self._patient(None) as api, path.open("rb") as file:
            for event in _events(api, "/images/create", params=params, data=file):
                _raise_event(event)
        return self._present(tag)

    def tag(self, image: str, tag: str) -> None:
        """Give an image one more tag."""
        name = _name_and_tag(tag)
        with _saying(f"tag {image} as {tag}"):
            self._api.tag(image, name["fromImage"], name["tag"])

    def build(
        self,
        context: IO[bytes],
        *,
        dockerfile: str,
        tag: str,
        labels: Mapping[str, str],
        buildargs: Mapping[str, str],
        on_line: Callable[[str], None],
        nocache: bool = False,
    ) -> str:
        """Build an image from a tar of its context; the lines of output go to `on_line` as they come.

        Returns:
            The image's id.

        Raises:
            PacslabError: A step failed; the message names it and shows the last lines.
        """
        params = {
            "t": tag,
            "dockerfile": dockerfile,
            "labels": json.dumps(dict(labels)),
            "buildargs": json.dumps({**_proxies(), **buildargs}),
            "nocache": str(nocache).lower(),
            "rm": "true",
            "forcerm": "true",
            "version": "1",  # the classic builder: BuildKit needs a session of its own
        }
        output = _BuildOutput(tag, on_line)
        with _saying(f"build {tag}"), self._patient(None) as api:
            for event in _events(api, "/build", params=params, data=context):
                output.take(event)
        return self._present(tag).id

    def remove_image(self, image: str) -> bool:
        """Remove a tag or an image; say whether it was there. One that a container uses stays."""
        with _saying(f"remove image {image}"):
            try:
                self._api.remove_image(image)
            except docker.errors.ImageNotFound:
                return False
            return True

    def untagged(self, label: str) -> tuple[str, ...]:
        """Ids of the images with that label that have lost their tag to a newer one."""
        with _saying("list the images"):
            rows = self._api.images(filters={"dangling": True, "label": label})
        return tuple(row["Id"] for row in rows)

    # Containers

    def create(self, container: Container, labels: Mapping[str, str], files: Files) -> str:
        """Create a node's container with its files in place, without network, capability or port.

        Returns:
            The container's id.
        """
        return self._create(container, labels, files, init=True)

    def create_fabric(self, container: Container, labels: Mapping[str, str], files: Files) -> str:
        """Create the fabric's container: the host's process ids, and the four capabilities that wiring takes.

        Returns:
            The container's id.
        """
        # AppArmor's docker-default and SELinux's container labels stand between the fabric and the namespaces of other
        # containers (mounts, /proc/PID of another label). They withhold little that the four capabilities do not
        # already give, and a fabric that works on some hosts only would be worse. Nodes keep both.
        options = ["apparmor=unconfined", "label=disable"]
        return self._create(
            container, labels, files, pid_mode="host", cap_add=list(FABRIC_CAPABILITIES), security_opt=options
        )

    def start(self, container: str) -> Running:
        """Start a created container and say what runs."""
        with _saying(f"start {container[:64]}"):
            self._api.start(container)
            return read_container(self._api.inspect_container(container))

    def remove(self, container: str) -> bool:
        """Kill and remove a container with its anonymous volumes; say whether it was there."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        with _saying(f"remove {container[:64]}"):
            while True:
                try:
                    self._api.remove_container(container, v=True, force=True)
                except docker.errors.NotFound:
                    return False
                except docker.errors.APIError as error:
                    # 409: somebody else's removal of it is under way; ours is done when it is gone.
                    if error.status_code != 409 or time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
                else:
                    return True

    def list(self, *, lab: str | None = None) -> tuple[Running, ...]:
        """All containers of a lab, or of every lab, running or not, by name."""
        label = LAB if lab is None else f"{LAB}={lab}"
        with _saying("list the lab's containers"):
            rows = self._api.containers(all=True, filters={"label": label})
        found = (self.find(row["Id"]) for row in rows)  # gone meanwhile: not there
        return tuple(sorted((running for running in found if running), key=lambda running: running.name))

    def find(self, name: str) -> Running | None:
        """The container of that name or id, whoever made it."""
        with _saying(f"look for container {name[:64]}"):
            try:
                return read_container(self._api.inspect_container(name))
            except docker.errors.NotFound:
                return None

    def volumes(self, *, lab: str | None = None) -> tuple[str, ...]:
        """The names of a lab's volumes, or of every lab's."""
        label = LAB if lab is None else f"{LAB}={lab}"
        with _saying("list the lab's volumes"):
            found = self._api.volumes(filters={"label": label})
        return tuple(sorted(volume["Name"] for volume in found["Volumes"] or ()))

    def remove_volume(self, name: str) -> bool:
        """Remove a volume and its data; say whether it was there."""
        with _saying(f"remove volume {name}"):
            try:
                self._api.remove_volume(name, force=True)
            except docker.errors.NotFound:
                return False
            return True

    def names(self) -> frozenset[str]:
        """The names of all containers of the engine, whoever made them."""
        with _saying("list the engine's containers"):
            rows = self._api.containers(all=True)
        return frozenset(name.removeprefix("/") for row in rows for name in row["Names"] or ())

    def put_files(self, container: str, files: Files) -> None:
        """Copy files into a container, created or running."""
        with _saying(f"copy files into {container[:64]}"):
            self._api.put_archive(container, "/", archive(files))

    # What happens inside

    def logs(self, container: str, tail: int = 20) -> str:
        """The last lines a container wrote, both streams in order."""
        with _saying(f"read the log of {container[:64]}"):
            written: bytes = self._api.logs(container, tail=tail)
            return written.decode(errors="replace")

    def stream_logs(
        self, container: str, *, follow: bool = False, since_s: float | None = None, tail: int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """What a container wrote and writes, as (`stdout` or `stderr`, bytes).

        Args:
            container: Its name or id.
            follow: Go on until the container ends.
            since_s: Only what was written after this time, in seconds of the Unix epoch.
            tail: Begin with so many last lines.
        """
        params = {
            "stdout": "1",
            "stderr": "1",
            "follow": str(int(follow)),
            "tail": "all" if tail is None else str(tail),
        }
        if since_s is not None:
            params["since"] = f"{since_s:.9f}"
        with _saying(f"read the log of {container[:64]}"), self._patient(None) as api:
            url = f"{api.base_url}/v{api.api_version}/containers/{container}/logs"
            with api.get(url, params=params, stream=True, timeout=None) as response:
                _check(response)
                yield from _frames(response)

    def exec(
        self,
        container: str,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
    ) -> Executed:
        """Run a command in a running container until it ends."""
        output: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        stream = self.exec_stream(container, argv, environment=environment, user=user, workdir=workdir)
        for name, chunk in stream:
            output[name].append(chunk)
        return Executed(stream.exit_code, b"".join(output["stdout"]), b"".join(output["stderr"]))

    def exec_stream(
        self,
        container: str,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
    ) -> ExecStream:
        """Begin a command in a running container; iterate for its output, then ask for its exit code."""
        with _saying(f"run {argv[0]} in {container[:64]}"):
            created = self._api.exec_create(
                container, list(argv), environment=dict(environment or {}), user=user or "", workdir=workdir
            )
        return ExecStream(self, str(created["Id"]), f"run {argv[0]} in {container[:64]}")

    def _create(self, container: Container, labels: Mapping[str, str], files: Files, **privileges: Any) -> str:
        security = ["no-new-privileges", *privileges.pop("security_opt", [])]
        with _saying(f"create {container.name}"):
            host = self._api.create_host_config(
                network_mode="none",
                cap_drop=["ALL"],
                security_opt=security,
                mounts=[self._data_volume(container.name, labels)] if container.keeps_data else [],
                sysctls=dict(container.sysctls),
                extra_hosts=dict(container.extra_hosts),
                mem_limit=container.memory_bytes or None,
                pids_limit=container.pids or None,
                log_config=docker.types.LogConfig(type="json-file", config={"max-size": "10m", "max-file": "2"}),
                **privileges,
            )
            created = self._api.create_container(
                container.image,
                command=list(container.command) or None,
                user=container.user or None,
                name=container.name,
                hostname=container.node,
                environment=dict(container.environment),
                labels=dict(labels),
                host_config=host,
            )
            identity = str(created["Id"])
            try:
                if files:
                    self._api.put_archive(identity, "/", archive(files))
            except BaseException:
                # Nobody knows of it yet, so nobody else would remove it.
                with contextlib.suppress(docker.errors.APIError, requests.RequestException):
                    self._api.remove_container(identity, v=True, force=True)
                raise
            return identity

    def _data_volume(self, name: str, labels: Mapping[str, str]) -> docker.types.Mount:
        """The volume of that name, made if it is not there; one that is there keeps its data."""
        self._api.create_volume(name, labels={LAB: labels[LAB], NODE: labels[NODE]})
        return docker.types.Mount(target=DATA_DIR, source=name, type="volume")

    def _present(self, tag: str) -> Image:
        image = self.image(tag)
        if image is None:
            raise PacslabError(f"image {tag} is not there although the engine reported success", hint="try again")
        return image

    @contextlib.contextmanager
    def _patient(self, timeout_s: float | None) -> Iterator[docker.APIClient]:
        """A connection of its own for a long answer; closing it makes the engine give up a build or a pull."""
        api = _client(self._endpoint, self._api.api_version, timeout_s)
        try:
            yield api
        finally:
            api.close()


class ExecStream:
    """A command under way: (`stdout` or `stderr`, bytes) as they come, then its exit code."""

    def __init__(self, engine: Docker, identity: str, doing: str) -> None:
        self._engine = engine
        self._identity = identity
        self._doing = doing

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Start the command and yield its output until it ends."""
        with _saying(self._doing), self._engine._patient(None) as api:  # noqa: SLF001 - one unit with its engine
            # Not the SDK's exec_start: it reads past the response's buffer, and loses output that came with the
            # header. Without an upgrade the engine sends the same frames as an ordinary body.
            url = f"{api.base_url}/v{api.api_version}/exec/{self._identity}/start"
            with api.post(url, json={"Detach": False, "Tty": False}, stream=True, timeout=None) as response:
                _check(response)
                yield from _frames(response)

    @property
    def exit_code(self) -> int:
        """The command's exit code, once its output has ended.

        Raises:
            PacslabError: It has not ended.
        """
        with _saying(self._doing):
            code = self._engine._api.exec_inspect(self._identity)["ExitCode"]  # noqa: SLF001
        if code is None:
            raise PacslabError(f"cannot {self._doing}: it has not ended")
        return int(code)


class _BuildOutput:
    """The builder's events -> lines for the caller, or the error that says which step failed."""

    def __init__(self, tag: str, on_line: Callable[[str], None]) -> None:
        self._tag = tag
        self._on_line = on_line
        self._partial = ""
        self._step = ""
        self._last: list[str] = []

    def take(self, event: Mapping[str, Any]) -> None:
        """Pass on a line, or raise what went wrong."""
        if error := error_of(event):
            raise build_failure(self._tag, self._step, error, tuple(self._last))
        *lines, self._partial = (self._partial + str(event.get("stream", ""))).split("\n")
        for line in lines:
            text = line.rstrip("\r")
            if text.startswith("Step "):
                self._step = text
            if text.strip():
                self._on_line(text)
                if not text.startswith(_BUILDERS_OWN):
                    self._last = [*self._last[-19:], text]


def _endpoint() -> dict[str, Any]:
    """Where the engine is: DOCKER_HOST, else the current Docker context, else the usual socket."""
    found: dict[str, Any] = {**docker.utils.kwargs_from_env()}
    if "base_url" not in found:
        context: Any = docker.context.ContextAPI.get_current_context()  # None where it was removed
        if context and context.Name != "default" and context.Host:
            found = {"base_url": context.Host, **({"tls": context.TLSConfig} if context.TLSConfig else {})}
    return {"base_url": "unix:///var/run/docker.sock", **found}


def _client(endpoint: Mapping[str, Any], version: str, timeout_s: float | None) -> docker.APIClient:
    patience: Any = timeout_s  # the SDK takes None, its annotation does not
    return docker.APIClient(
        **endpoint, version=version, timeout=patience, max_pool_size=CONNECTIONS, use_ssh_client=True
    )


def _proxies() -> dict[str, str]:
    """The proxies in Docker's own config.json, as `docker build` passes them on."""
    settings = docker.utils.config.load_general_config().get("proxies", {}).get("default", {})
    return {**docker.utils.proxy.ProxyConfig.from_dict(settings).get_environment()}  # type: ignore[dict-item]


def _name_and_tag(tag: str) -> dict[str, str]:
    name, version = docker.utils.parse_repository_tag(tag)
    return {"fromImage": name, "tag": version or "latest"}


def _events(api: docker.APIClient, path: str, **request: Any) -> Iterator[dict[str, Any]]:
    """POST, and yield the JSON objects of the answer, one a line, as they come."""
    request.setdefault("headers", {"Content-Type": "application/tar"})
    url = f"{api.base_url}/v{api.api_version}{path}"
    with api.post(url, stream=True, timeout=api.timeout, **request) as response:
        _check(response)
        for line in response.iter_lines():
            if line:
                yield json.loads(line)


def _raise_event(event: Mapping[str, Any]) -> None:
    if error := error_of(event):
        raise docker.errors.APIError(error, explanation=error)


def _check(response: requests.Response) -> None:
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)


def _frames(response: requests.Response) -> Iterator[tuple[str, bytes]]:
    """Take the engine's multiplexed stream apart: 8 bytes of stream number and length, then so many bytes."""
    while True:
        header = _exactly(response, 8)
        if len(header) < 8:
            return
        stream, length = struct.unpack(">BxxxL", header)
        while length:
            chunk = response.raw.read(min(length, 65536))
            if not chunk:
                return
            length -= len(chunk)
            yield ("stderr" if stream == 2 else "stdout", chunk)


def _exactly(response: requests.Response, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more: bytes = response.raw.read(size - len(data))
        if not more:
            break
        data += more
    return data


def _knock(address: str) -> None:
    """See that somebody listens at a Unix socket: the SDK leaves a socket open when it is refused."""
    scheme, _, path = address.partition("unix://")
    if path and scheme in {"", "http+"}:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as caller:
            caller.settimeout(KNOCK_TIMEOUT_S)
            caller.connect("/" + path.lstrip("/"))


@contextlib.contextmanager
def _connecting(address: str) -> Iterator[None]:
    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, OSError, ValueError) as error:
        raise unreachable(address, error) from error


@contextlib.contextmanager
def _saying(doing: str) -> Iterator[None]:
    """Turn what the SDK raises while `doing` into one sentence with a hint."""
    try:
        yield
    except docker.errors.APIError as error:
        raise refusal(doing, str(error.explanation or error), error.status_code) from error
    except (docker.errors.DockerException, ValueError) as error:
        raise PacslabError(f"cannot {doing}: {error}") from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise PacslabError(
            f"cannot {doing}: the Docker engine did not answer in time", hint="is its disk busy or full? try again"
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise PacslabError(
            f"cannot {doing}: the Docker engine went away", hint="see whether it runs (`docker version`) and try again"
        ) from error
