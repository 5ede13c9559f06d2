"""Each image: its own program starts with a minimal configuration, not as root, and answers in its own protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Executed
from pacslab.engine.image_inputs import catalogue, repository_root
from pacslab.engine.images import DIGEST, Action, build, status
from pacslab.model import codec
from pacslab.model.device import DEVICE_FILE, Device, Listener, Peer
from pacslab.model.dicom import Application, Operation

pytestmark = pytest.mark.e2e

# The reaper's image cannot be pulled on a machine without a registry; the fixtures stop what they start.
testcontainers_config.ryuk_disabled = True

ROOT = repository_root()
NAMES = tuple(spec.name for spec in catalogue(ROOT))
PROBE = "pacslab/probe:trixie"
READY_S = 30


@dataclass(frozen=True)
class Smoke:
    """What an image is given, and what it must answer to."""

    files: tuple[tuple[str, str], ...]
    asked: tuple[str, ...]
    answer: str
    from_inside: bool = False  # the client is in the image itself, not in the probe
    user: int = 1000
    cap_add: tuple[str, ...] = ()


def host_key() -> str:
    command = ["openssl", "genpkey", "-algorithm", "ed25519"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def device(kind: str) -> tuple[tuple[str, str], ...]:
    peer = Peer(
        "probe",
        IPv4Address("127.0.0.1"),
        Application.DICOM,
        None,
        ae_title="PROBE",
        may_be_asked=(Operation.C_ECHO, Operation.C_STORE, Operation.C_FIND_MWL),
    )
    made = Device(
        node="dut",
        kind=kind,
        address=IPv4Address("127.0.0.1"),
        ae_title="DUT",
        listeners=(Listener(Application.DICOM, 11112),),
        peers=(peer,),
        modality="CT" if kind == "modality" else "",
    )
    return ((DEVICE_FILE, codec.dumps(made)),)


ECHO = ("echoscu", "-v", "-aet", "PROBE", "-aec", "DUT", "127.0.0.1", "11112")
ORTHANC = {
    "StorageDirectory": "/var/lib/pacslab/orthanc",
    "IndexDirectory": "/var/lib/pacslab/orthanc",
    "Plugins": ["/usr/share/orthanc/plugins"],
    "DicomAet": "DUT",
    "DicomPort": 11112,
    "HttpPort": 8042,
    "AuthenticationEnabled": True,
    "RegisteredUsers": {"smoke": "test"},
}
NGINX = """
events {}
http { access_log off; server { listen 80; location = /ping { return 200 "pong from $server_port\\n"; } } }
"""
SSHD = "Port 22\nPidFile none\nUsePAM no\nHostKey /etc/pacslab/ssh_host_key\n"
INIT_SQL = "CREATE ROLE pacs LOGIN PASSWORD 'it''s secret';\nCREATE DATABASE pacs OWNER pacs;\n"
PSQL = "postgresql://pacs:it's secret@127.0.0.1/pacs"

SMOKE = {
    "fabric": Smoke(
        (), ("nft", "list", "ruleset"), "policy drop", from_inside=True, user=0, cap_add=("NET_ADMIN", "NET_RAW")
    ),
    "orthanc": Smoke((("/etc/pacslab/orthanc.json", json.dumps(ORTHANC)),), ECHO, "Received Echo Response (Success)"),
    "modality": Smoke(device("modality"), ECHO, "Received Echo Response (Success)"),
    "workstation": Smoke(device("workstation"), ECHO, "Received Echo Response (Success)"),
    "ris": Smoke(device("ris"), ECHO, "Received Echo Response (Success)"),
    "web-gateway": Smoke(
        (("/etc/pacslab/nginx.conf", NGINX),), ("curl", "-sS", "http://127.0.0.1/ping"), "pong from 80"
    ),
    "database": Smoke(
        (
            ("/etc/pacslab/postgresql.conf", "listen_addresses = '127.0.0.1'\nunix_socket_directories = '/tmp'\n"),
            ("/etc/pacslab/pg_hba.conf", "host pacs pacs 127.0.0.1/32 scram-sha-256\n"),
            ("/etc/pacslab/init.sql", INIT_SQL),
        ),
        ("psql", PSQL, "-Atc", "SELECT 6 * 7, current_user, pg_encoding_to_char(encoding) FROM pg_database LIMIT 1"),
        "42|pacs|UTF8",
        from_inside=True,
    ),
    "bastion": Smoke(
        (("/etc/pacslab/sshd_config", SSHD), ("/etc/pacslab/ssh_host_key", host_key())),
        ("ssh-keyscan", "-t", "ed25519", "127.0.0.1"),
        "127.0.0.1 ssh-ed25519 ",
    ),
    "probe": Smoke((), ("nmap", "--version"), "Nmap version 7.", from_inside=True),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the images are made of, as it is now: the checkout may be edited while tests run."""
    copy = tmp_path_factory.mktemp("checkout")
    for part in ("compose", "src"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", ".fetch-*"))
    return copy


@pytest.fixture(scope="module")
def docker(root: Path) -> Iterator[Docker]:
    with closing(Docker.connect()) as engine:
        build(engine, root=root)
        yield engine


@dataclass(frozen=True)
class Started:
    """A container of an image under test, and a probe in its network namespace."""

    docker: Docker
    smoke: Smoke
    container: DockerContainer
    probe: DockerContainer
    started_at: float

    def ask(self, *argv: str) -> Executed:
        """Run a client until it succeeds, as the program takes a moment to start."""
        where = self.container if self.smoke.from_inside else self.probe
        deadline = time.monotonic() + READY_S
        while True:
            done = self.docker.exec(where.get_wrapped_container().id, argv)
            if done.exit_code == 0 or time.monotonic() > deadline:
                return done
            time.sleep(0.1)

    def inside(self, *argv: str) -> Executed:
        """Run a command in the container itself."""
        return self.docker.exec(self.container.get_wrapped_container().id, argv)


@pytest.fixture(scope="module", params=NAMES)
def started(request: pytest.FixtureRequest, docker: Docker) -> Iterator[Started]:
    smoke = SMOKE[request.param]
    container = DockerContainer(f"pacslab/{request.param}:trixie").with_kwargs(
        network_mode="none",
        cap_drop=["ALL"],
        cap_add=list(smoke.cap_add),
        security_opt=["no-new-privileges"],
        sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
    )
    for path, text in smoke.files:
        container.with_copy_into_container(text.encode(), path)
    began = time.monotonic()
    with container:
        identity = container.get_wrapped_container().id
        with DockerContainer(PROBE).with_kwargs(network_mode=f"container:{identity}", cap_drop=["ALL"]) as probe:
            yield Started(docker, smoke, container, probe, began)


def test_every_image_has_a_smoke_test() -> None:
    assert set(SMOKE) == set(NAMES)


def test_program_answers_in_its_own_protocol(started: Started) -> None:
    done = started.ask(*started.smoke.asked)
    said = (done.stdout + done.stderr).decode()
    log = started.docker.logs(started.container.get_wrapped_container().id, 30)
    assert done.exit_code == 0, f"{said}\nthe container's log:\n{log}"
    assert started.smoke.answer in said


def test_program_runs_as_its_user_without_a_capability(started: Started) -> None:
    lines = started.inside("cat", "/proc/1/status").stdout.decode().splitlines()
    process = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    assert set(process["Uid"]) == {str(started.smoke.user)}
    assert set(process["Gid"]) == {str(started.smoke.user)}
    assert process["NoNewPrivs"] == ["1"]
    if not started.smoke.cap_add:
        assert process["CapEff"] == ["0" * 16]
        assert process["CapPrm"] == ["0" * 16]


def test_image_has_no_setuid_program_and_no_key_of_its_own(started: Started) -> None:
    found = started.docker.exec(
        started.container.get_wrapped_container().id,
        ("find", "/", "-xdev", "(", "-type", "f", "-perm", "/6000", "-o", "-name", "ssh_host_*_key", ")"),
        user="0",
    )
    assert found.stdout.decode().splitlines() == []


def test_program_owns_its_directories(started: Started) -> None:
    user = started.smoke.user
    done = started.inside("stat", "-c", "%u %g %a", "/etc/pacslab", "/var/lib/pacslab")
    assert done.stdout.decode().split("\n")[:2] == [f"{user} {user} 755"] * 2


def test_images_carry_the_digest_of_their_inputs(docker: Docker) -> None:
    for spec in catalogue(ROOT):
        image = docker.image(spec.tag)
        assert image is not None
        assert len(image.labels[DIGEST]) == 64
        assert image.labels["pacslab.image"] == spec.name


def test_second_build_keeps_everything(docker: Docker, root: Path) -> None:
    again = build(docker, root=root)
    assert {one.name: one.action for one in again} == dict.fromkeys(NAMES, Action.KEPT)
    assert {one.state.value for one in status(docker, root=root)} == {"fresh"}


def test_database_lets_in_nobody_but_its_roles(docker: Docker) -> None:
    smoke = SMOKE["database"]
    container = DockerContainer("pacslab/database:trixie").with_kwargs(network_mode="none")
    for path, text in smoke.files:
        container.with_copy_into_container(text.encode(), path)
    began = time.monotonic()
    with container:
        started = Started(docker, smoke, container, container, began)
        assert started.ask(*smoke.asked).exit_code == 0
        assert time.monotonic() - began < 5, "made when the image is built, so quick to start"
        superuser = started.inside("psql", "-h", "127.0.0.1", "-U", "postgres", "-w", "-c", "SELECT 1")
        assert b"no pg_hba.conf entry" in superuser.stderr
        socket = started.inside("psql", "-h", "/tmp", "-U", "postgres", "-w", "-c", "SELECT 1")
        assert b"no pg_hba.conf entry" in socket.stderr
        assert "secret" not in docker.logs(container.get_wrapped_container().id, 1000)
        # Once more: init.sql is not applied a second time, which would fail.
        container.get_wrapped_container().restart(timeout=5)
        assert started.ask(*smoke.asked).exit_code == 0


def test_database_says_when_its_init_fails_and_hides_the_statement(docker: Docker) -> None:
    container = DockerContainer("pacslab/database:trixie").with_kwargs(network_mode="none")
    container.with_copy_into_container(b"CREATE ROLE x LOGIN PASWORD 'hidden';\n", "/etc/pacslab/init.sql")
    with container:
        wrapped = container.get_wrapped_container()
        assert wrapped.wait(timeout=30)["StatusCode"] == 1
        log = docker.logs(wrapped.id, 100)
    assert "init.sql was not applied" in log
    assert "hidden" not in log


@pytest.fixture(scope="module")
def compose(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compose v2 from Debian's package, fetched once in a session by a container of the base image."""
    place = tmp_path_factory.mktemp("compose") / "docker-compose"
    script = (
        "cd /tmp && apt-get update -qq && apt-get download -qq docker-compose && dpkg-deb -x docker-compose_*.deb x"
    )
    binary = "/tmp/x/usr/libexec/docker/cli-plugins/docker-compose"
    with DockerContainer("pacslab/base:trixie").with_command(["sleep", "300"]) as container:
        identity = container.get_wrapped_container().id
        fetched = docker.exec(identity, ("sh", "-ec", script))
        assert fetched.exit_code == 0, fetched.stderr.decode()
        place.write_bytes(docker.exec(identity, ("cat", binary)).stdout)
    place.chmod(0o755)
    return place


def test_compose_reads_the_file_and_builds_an_image(docker: Docker, compose: Path, tmp_path: Path) -> None:
    read = subprocess.run(
        [compose, "-f", ROOT / "compose/images.yaml", "config", "--format", "json"],
        capture_output=True,
        check=True,
        text=True,
    )
    services = json.loads(read.stdout)["services"]
    assert {name: service["image"] for name, service in services.items()} == {
        spec.name: spec.tag for spec in catalogue(ROOT)
    }
    override = tmp_path / "override.yaml"
    override.write_text("services: {bastion: {image: 'pacslab/composed:test'}}\n")
    try:
        built = subprocess.run(
            [compose, "-f", ROOT / "compose/images.yaml", "-f", override, "build", "bastion"],
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )
        assert built.returncode == 0, built.stdout + built.stderr
        image = docker.image("pacslab/composed:test")
        assert image is not None
    finally:
        docker.remove_image("pacslab/composed:test")
