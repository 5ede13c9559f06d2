"""The Docker class against a real engine: what it creates, what it reads back, how it explains refusals."""

import io
import secrets
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pacslab.engine.base import ensure_base
from pacslab.engine.docker import FABRIC_CAPABILITIES, Docker
from pacslab.engine.doctor import Fitness, examine
from pacslab.engine.images import build
from pacslab.errors import PacslabError
from pacslab.model.plan import Container, File

pytestmark = pytest.mark.e2e

LAB = f"t{secrets.token_hex(3)}"
IMAGE = "pacslab/probe:trixie"
LABELS = {
    "pacslab.lab": LAB,
    "pacslab.zone": "z",
    "pacslab.node": "a",
    "pacslab.plan": "p" * 64,
    "pacslab.spec": "s" * 64,
}
NODE = Container(
    name=f"pacslab-{LAB}-a",
    node="a",
    zone="z",
    kind="probe",
    image=IMAGE,
    environment=(("GREETING", "good day"),),
    sysctls=(("net.ipv4.ip_unprivileged_port_start", "0"),),
    extra_hosts=(("pacs", "198.18.20.10"),),
    memory_bytes=128 * 1024**2,
    pids=64,
)


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    with closing(Docker.connect()) as engine:
        build(engine, names=("probe", "fabric"))
        yield engine


@pytest.fixture(autouse=True)
def nothing_left(docker: Docker) -> Iterator[None]:
    yield
    for container in docker.list(lab=LAB):
        docker.remove(container.id)


def dockerfile(text: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    buffer.seek(0)
    return buffer


def build_from(docker: Docker, text: str, lines: list[str], tag: str = f"pacslab/{LAB}:test") -> str:
    buildargs = {"GREETING": "good day"}
    return docker.build(
        dockerfile(text), dockerfile="Dockerfile", tag=tag, labels={"a": "b"}, buildargs=buildargs, on_line=lines.append
    )


def test_info_says_what_the_engine_is(docker: Docker) -> None:
    info = docker.info()
    assert info.ncpu > 0
    assert info.memory_bytes > 0
    assert info.root_dir.startswith("/")
    assert tuple(int(part) for part in info.api_version.split(".")) >= (1, 41)


def test_node_has_files_limits_and_no_way_out(docker: Docker) -> None:
    files = ((File("/etc/pacslab/tls/key.pem", "", 0o400), b"key"), (File("/tmp/root", "", 0o644, 0), b"\x00\xff"))
    identity = docker.create(NODE, LABELS, files)
    created = docker.find(NODE.name)
    assert created is not None
    assert (created.state, created.running, created.pid) == ("created", False, 0)
    running = docker.start(identity)
    assert running.running
    assert running.pid > 0
    assert running.started_at is not None
    assert (running.lab, running.zone, running.node, running.plan, running.spec) == (LAB, "z", "a", "p" * 64, "s" * 64)
    assert (running.networks, running.ports, running.cap_add, running.privileged) == ((), (), (), False)
    script = """
        stat -c '%n %a %u:%g' /etc/pacslab /etc/pacslab/tls /etc/pacslab/tls/key.pem /tmp /tmp/root
        cat /etc/pacslab/tls/key.pem; echo; hostname; echo $GREETING; getent hosts pacs
        grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; cat /proc/1/comm; ls /sys/class/net
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start
    """
    done = docker.exec(identity, ("sh", "-c", script))
    assert done.stdout.decode().split("\n") == [
        "/etc/pacslab 755 1000:1000",
        "/etc/pacslab/tls 755 1000:1000",
        "/etc/pacslab/tls/key.pem 400 1000:1000",
        "/tmp 1777 0:0",
        "/tmp/root 644 0:0",
        "key",
        "a",
        "good day",
        "198.18.20.10    pacs",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "docker-init",
        "lo",
        "0",
        "",
    ]


def test_fabric_has_four_capabilities_and_the_hosts_process_ids(docker: Docker) -> None:
    fabric = replace(
        NODE, name=f"pacslab-{LAB}-fabric", image="pacslab/fabric:trixie", command=("sleep", "60"), memory_bytes=0
    )
    running = docker.start(docker.create_fabric(fabric, LABELS, ()))
    assert running.cap_add == FABRIC_CAPABILITIES
    assert not running.privileged
    assert running.networks == ()
    node = docker.start(docker.create(NODE, LABELS, ()))
    done = docker.exec(running.id, ("nsenter", f"--net=/proc/{node.pid}/ns/net", "ip", "-br", "link"))
    assert (done.exit_code, done.stdout[:3]) == (0, b"lo ")


def test_exec_keeps_streams_apart_and_tells_the_exit_code(docker: Docker) -> None:
    identity = docker.start(docker.create(NODE, LABELS, ())).id
    argv = ("sh", "-c", 'echo "$X in $PWD as $(id -u)"; echo bad >&2; exit 7')
    done = docker.exec(identity, argv, environment={"X": "y z"}, user="0", workdir="/usr")
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"y z in /usr as 0\n", b"bad\n")
    big = docker.exec(identity, ("head", "-c", "5000000", "/dev/zero"))
    assert len(big.stdout) == 5_000_000


def test_exec_stream_gives_output_as_it_comes(docker: Docker) -> None:
    identity = docker.start(docker.create(NODE, LABELS, ())).id
    stream = docker.exec_stream(identity, ("sh", "-c", "echo one; sleep 1; echo two; exit 3"))
    with pytest.raises(PacslabError, match="has not ended"):
        _ = stream.exit_code
    came = [(time.monotonic(), chunk) for _, chunk in stream]
    assert [chunk for _, chunk in came] == [b"one\n", b"two\n"]
    assert came[1][0] - came[0][0] > 0.5
    assert stream.exit_code == 3


def test_logs_tail_and_follow(docker: Docker) -> None:
    node = replace(NODE, command=("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done; echo end >&2"))
    identity = docker.start(docker.create(node, LABELS, ())).id
    followed = list(docker.stream_logs(identity, follow=True))
    assert followed == [("stdout", b"1\n"), ("stdout", b"2\n"), ("stdout", b"3\n"), ("stderr", b"end\n")]
    assert docker.logs(identity, 2) == "3\nend\n"
    assert list(docker.stream_logs(identity, tail=1)) == [("stderr", b"end\n")]
    assert list(docker.stream_logs(identity, since_s=time.time() + 60)) == []


def test_many_threads_share_one_engine(docker: Docker) -> None:
    def make(number: int) -> bytes:
        node = replace(NODE, name=f"pacslab-{LAB}-n{number}")
        identity = docker.start(docker.create(node, LABELS, ((File("/tmp/n", ""), str(number).encode()),))).id
        return docker.exec(identity, ("cat", "/tmp/n")).stdout

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(16))) == [str(number).encode() for number in range(16)]
        found = docker.list(lab=LAB)
        assert len(found) == 16
        assert list(pool.map(docker.remove, (container.id for container in found))) == [True] * 16
    assert docker.list(lab=LAB) == ()


def test_removing_twice_and_at_once_is_no_error(docker: Docker) -> None:
    identity = docker.start(docker.create(NODE, LABELS, ())).id
    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(docker.remove, [identity] * 4))
    assert docker.remove(identity) is False
    assert docker.find(identity) is None


def test_refusals_name_the_thing_and_what_to_do(docker: Docker) -> None:
    docker.create(NODE, LABELS, ())
    with pytest.raises(PacslabError, match=f"cannot create {NODE.name}: another container has that name"):
        docker.create(NODE, LABELS, ())
    with pytest.raises(PacslabError, match="No such image: pacslab/none:trixie") as caught:
        docker.create(replace(NODE, name=f"pacslab-{LAB}-b", image="pacslab/none:trixie"), LABELS, ())
    assert caught.value.hint == "run `pacslab images build`"
    with pytest.raises(PacslabError, match=f"cannot run id in {NODE.name}: it is not running"):
        docker.exec(NODE.name, ("id",))
    with pytest.raises(PacslabError, match="cannot start nobody: it is not there"):
        docker.start("nobody")


def test_container_whose_files_cannot_be_copied_is_not_left(docker: Docker) -> None:
    with pytest.raises(PacslabError, match="not an absolute path"):
        docker.create(NODE, LABELS, ((File("relative", ""), b""),))
    assert docker.find(NODE.name) is None


def test_pull_fails_soon_and_clearly(docker: Docker) -> None:
    # 192.0.2.0/24 is nobody's (RFC 5737); an engine whose network answers at once refuses even sooner.
    began = time.monotonic()
    with pytest.raises(PacslabError, match=r"cannot pull 192\.0\.2\.1:5000/x:1: "):
        docker.pull("192.0.2.1:5000/x:1", silence_s=3)
    assert time.monotonic() - began < 10


def test_build_gives_lines_labels_and_an_id(docker: Docker) -> None:
    lines: list[str] = []
    tag = f"pacslab/{LAB}:test"
    identity = build_from(docker, f"FROM {IMAGE}\nARG GREETING\nRUN echo $GREETING $((6 * 7))\n", lines)
    try:
        assert "good day 42" in lines
        assert lines[0].startswith("Step 1/")
        image = docker.image(tag)
        assert image is not None
        assert image.id == identity
        assert image.labels["a"] == "b"
    finally:
        assert docker.remove_image(tag) is True
    assert docker.remove_image(tag) is False
    assert docker.image(tag) is None


def test_build_failure_shows_step_and_last_lines(docker: Docker) -> None:
    with pytest.raises(PacslabError, match=r"failed at 'Step 2/\d : RUN .*': .*non-zero code: 9\n") as caught:
        build_from(docker, f"FROM {IMAGE}\nRUN seq 1 50; exit 9\n", [])
    assert caught.value.message.endswith("  | 50")
    assert caught.value.message.count("\n") == 20


def test_build_that_fills_the_disk_says_so(docker: Docker) -> None:
    with pytest.raises(PacslabError, match="no space left on the engine's disk") as caught:
        build_from(docker, f"FROM {IMAGE}\nRUN dd if=/dev/zero of=/dev/full bs=1k count=1\n", [])
    assert "docker system df" in caught.value.hint


def test_interrupted_build_ends_and_leaves_nothing(docker: Docker, tmp_path: Path) -> None:
    mark = secrets.token_hex(8)
    script = tmp_path / "interrupted.py"
    script.write_text(
        "import sys\nsys.path.insert(0, sys.argv[1])\nimport test_docker as t\n"
        f"t.build_from(t.Docker.connect(), 'FROM {IMAGE}\\nRUN echo {mark}; sleep 300\\n', t.Shout(), 't/{mark}:1')\n"
    )
    with subprocess.Popen(
        [sys.executable, script, Path(__file__).parent], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any(line.strip() == mark for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    deadline = time.monotonic() + 20
    while mark in (left := sleeping_containers()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert mark not in left
    assert docker.image(f"t/{mark}:1") is None


class Shout(list[str]):
    """Takes lines and prints them at once."""

    def append(self, line: str) -> None:
        print(line, flush=True)


def sleeping_containers() -> str:
    """The command lines of this machine's processes: a build's containers have no label to find them by."""
    texts = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            texts.append(place.read_text(errors="replace"))
    return "\n".join(text for text in texts if "sleep 300" in text)


def test_base_that_is_there_is_kept_and_published_one_is_tagged(docker: Docker) -> None:
    lines: list[str] = []
    kept = ensure_base(docker, "pacslab/base:trixie", lines.append)
    assert lines == []
    other = f"pacslab/{LAB}:base"
    stand_in = docker.image("debian:trixie-slim") is None
    if stand_in:
        docker.tag(kept.id, "debian:trixie-slim")
    try:
        made = ensure_base(docker, other, lines.append)
        published = docker.image("debian:trixie-slim")
        assert published is not None
        assert made.id == published.id
        assert lines == [f"{other} is debian:trixie-slim"]
    finally:
        docker.remove_image(other)
        if stand_in:
            docker.remove_image("debian:trixie-slim")


def test_doctor_tries_the_kernel_and_leaves_nothing(docker: Docker) -> None:
    found = {finding.name: finding for finding in examine()}
    for name in ("veth", "nf_tables", "nfnetlink_log", "conntrack", "other namespaces"):
        assert found[name].state is Fitness.OK, found[name]
        assert found[name].found == "works in a container"
    assert found["engine"].found.startswith(docker.info().version)
    left = docker._api.containers(all=True, filters={"label": "pacslab.doctor"})
    assert left == []
