"""The service console: answers its own commands, and nothing that a visitor types becomes a program or a path."""

import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from pacslab.devices.logbook import FILE_MAX_BYTES
from pacslab.model.dicom import Operation

from .conftest import World, make_device, make_peer


@pytest.fixture
def scanner(world: Callable[..., World]) -> World:
    pacs = make_peer("pacs", "PACS", 1, may_request=(Operation.C_ECHO,), address=IPv4Address("127.0.0.1"))
    return world(
        make_device(
            "ct-1", "modality", ae_title="CT1", modality="CT", model="Helix 64", manufacturer="SYN", peers=(pacs,)
        )
    )


def session(scanner: World, text: str, asked: str | None = None) -> str:
    environment = scanner.environment | ({} if asked is None else {"SSH_ORIGINAL_COMMAND": asked})
    command = [sys.executable, "-m", "pacslab.devices", "console"]
    done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_visitor_is_greeted_and_answered(scanner: World) -> None:
    log = scanner.data / "log" / "serve.log"
    log.parent.mkdir(parents=True)
    log.write_text("2026-01-01T00:00:00+00:00 one\n2026-01-01T00:00:01+00:00 two\x1b[2J\n")
    seen = session(scanner, "status\nlogs 1\nstudies\nqueue\necho pacs\nhelp\nexit\nstatus\n")
    assert "SYN Helix 64 (CT) - service console" in seen
    assert "pacs (PACS) dicom 127.0.0.1:1: C-ECHO" in seen
    assert "two?[2J" in seen
    assert " one" not in seen
    assert "tcp: connection refused" in seen
    assert seen.count("AE title") == 1  # nothing after exit


@pytest.mark.parametrize(
    "line",
    ["sh", "/bin/sh -c id", "status; id", "logs $(id)", "logs ../../etc/passwd", "logs -1", "logs 99999",
     "echo 10.0.0.1", "echo pacs; id", "studies `id`", "scp -t /tmp", "internal-sftp", "x" * 5000, "\x00\x03\x04"],
)  # fmt: skip
def test_nothing_else_is_run_or_read(scanner: World, line: str) -> None:
    for seen in (session(scanner, line + "\nexit\n"), session(scanner, "", line.replace("\x00", ""))):
        assert "uid=" not in seen
        assert "root:" not in seen


def test_one_command_of_ssh_is_answered_without_a_banner(scanner: World) -> None:
    assert session(scanner, "", "queue") == "empty\n"


def test_a_log_has_a_bounded_size(scanner: World) -> None:
    log = scanner.data / "log" / "serve.log"
    log.parent.mkdir(parents=True)
    log.write_text("x" * (FILE_MAX_BYTES + 1))
    program = (
        "import os, sys\n"
        "from pacslab.devices import logbook\n"
        "from pacslab.devices.home import read_home\n"
        "logbook.keep(read_home(os.environ))\n"
        "sys.stderr.write('first ')\n"
        "sys.stderr.write('line\\nrest')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=scanner.environment, capture_output=True, check=True)
    assert done.stderr == b"first line\nrest"
    assert log.read_text().endswith(" first line\n")
    assert log.with_suffix(".log.1").exists()
