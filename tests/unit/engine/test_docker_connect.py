"""Connecting to real addresses that refuse: each refusal is one sentence with a hint, and exit code 3."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import choose_api_version
from pacslab.errors import Exit, PacslabError


@contextmanager
def engine_like(version: dict[str, str], paths: list[str]) -> Iterator[str]:
    """A server that says it is an engine of that version, and nothing else; `paths` gets what was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            found = self.path.endswith(("/version", "/info"))
            body = json.dumps(version if found else {"message": "no such container"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def refusal(monkeypatch: pytest.MonkeyPatch, address: str) -> PacslabError:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(PacslabError) as caught:
        Docker.connect()
    assert caught.value.exit_code is Exit.REFUSED
    return caught.value


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    error = refusal(monkeypatch, f"tcp://127.0.0.1:{port}")
    assert error.message == f"no Docker engine answers at tcp://127.0.0.1:{port}"
    assert "lab/bootstrap" in error.hint


def test_no_socket_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = refusal(monkeypatch, f"unix://{tmp_path}/docker.sock")
    assert error.message == f"no Docker engine answers at unix://{tmp_path}/docker.sock"


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, "gopher://x").message == "no Docker engine answers at gopher://x"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root to be refused")
def test_socket_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    script = (
        "import os, pacslab.engine.docker as d; os.setgid(65534); os.setuid(65534)\n"
        "try: d.Docker.connect()\n"
        "except d.PacslabError as error: print(error.message, '|', error.hint)"
    )
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o660)
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o711)
        environment = {**os.environ, "DOCKER_HOST": f"unix://{path}", "HOME": "/nonexistent"}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    said = done.stdout.decode()
    assert said.startswith(f"you may not use the Docker engine at unix://{path} | join the group")


def test_engine_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_like({"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}, []) as address:
        error = refusal(monkeypatch, address)
    assert error.message == "Docker engine 19.03.15 is too old: it speaks API 1.40, and pacslab needs 1.41"
    assert error.hint == "install Docker engine 20.10 or newer"


def test_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_like({}, []) as address:
        assert "not a Docker engine" in refusal(monkeypatch, address).message


def test_version_in_every_path_is_the_negotiated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[str] = []
    said = {"Version": "29.0.0", "ServerVersion": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.44"}
    with engine_like(said, paths) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with closing(Docker.connect()) as docker:
            assert docker.info().version == "29.0.0"
            assert not docker.local
            assert docker.find("nobody") is None
    assert paths == ["/version", "/v1.44/info", "/v1.44/containers/nobody/json"]


def test_engine_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_like({"ApiVersion": "1.41"}, []) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        docker = Docker.connect()
    with closing(docker), pytest.raises(PacslabError) as caught:
        docker.list()
    assert caught.value.message == "cannot list the lab's containers: the Docker engine went away"


@pytest.mark.parametrize(
    ("newest", "oldest", "chosen"),
    [
        ("1.41", "1.12", "1.41"),  # 20.10
        ("1.43", "1.12", "1.43"),  # 24
        ("1.44", "1.24", "1.44"),  # 25
        ("1.51", "1.24", "1.44"),  # 28
        ("1.52", "1.44", "1.44"),  # 29
        ("1.60", "1.50", "1.50"),  # one that has forgotten ours
        ("1.120", "1.100", "1.100"),  # numbers, not texts
        ("1.44", "", "1.44"),
    ],
)
def test_choice_of_version(newest: str, oldest: str, chosen: str) -> None:
    assert choose_api_version(newest, oldest, "x") == chosen
