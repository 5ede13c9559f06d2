"""`device console`: what a vendor's engineer may ask of a scanner over ssh -> plain text; a fixed list, no shell."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator

from pacslab import __version__
from pacslab.devices import jobs
from pacslab.devices.home import Home, UsageError
from pacslab.devices.logbook import log_file
from pacslab.devices.observing import DONE, begin
from pacslab.model.device import Observation
from pacslab.model.dicom import Operation

LINES_MAX = 500
LINE_MAX_CHARS = 200
LAST_STUDIES = 10


def console(home: Home, arguments: argparse.Namespace) -> Observation:
    """Answer one command, or a visitor's until `exit`; what ssh was asked to run counts as one command."""
    del arguments
    watch = begin("console")
    asked = os.environ.get("SSH_ORIGINAL_COMMAND")
    if asked is not None:
        _write(answer(home, asked))
        return watch.end(DONE)
    _write(_banner(home))
    while True:
        sys.stdout.write(f"{home.device.node}> ")
        sys.stdout.flush()
        line = sys.stdin.readline(LINE_MAX_CHARS + 1)
        if not line or line.strip() in {"exit", "quit", "logout"}:
            return watch.end(DONE)
        _write(answer(home, line))


def _write(lines: Iterator[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def answer(home: Home, line: str) -> Iterator[str]:
    """Answer one line; words that are no command are not looked at further."""
    words = line.split()
    if not words:
        return
    command = COMMANDS.get(words[0])
    if command is None or len(line) > LINE_MAX_CHARS:
        yield f"{words[0][:20]!r} is not a command of this console: help"
        return
    try:
        yield from command(home, words[1:])
    except UsageError as error:
        yield str(error)


def _banner(home: Home) -> Iterator[str]:
    device = home.device
    yield f"{device.manufacturer} {device.model} ({device.modality}) - service console"
    yield "SYNTHETIC device of a test lab. All commands are recorded. Type help."


def _help(home: Home, words: list[str]) -> Iterator[str]:
    del home, words
    yield "status            what this device is, whom it may call, what waits"
    yield "logs [LINES]      the end of its log"
    yield "studies [COUNT]   what it acquired last"
    yield "queue             what waits to be stored, committed or reported"
    yield "echo PEER         C-ECHO to a peer"
    yield "exit"


def _status(home: Home, words: list[str]) -> Iterator[str]:
    del words
    device = home.device
    waiting = jobs.waiting(home)
    yield f"device     {device.node}, {device.manufacturer} {device.model}, modality {device.modality}"
    yield f"software   pacslab {__version__}"
    yield f"AE title   {device.ae_title} at {device.address}"
    for listener in device.listeners:
        yield f"listens    {listener.application.value} on port {listener.port}"
    for peer in device.peers:
        if peer.port is not None:
            may = ", ".join(operation.value for operation in peer.may_request)
            yield f"may call   {peer.node} ({peer.ae_title}) {peer.application.value} {peer.address}:{peer.port}: {may}"
    yield f"schedule   {f'every {device.schedule_s} s' if device.schedule_s else 'none'}"
    yield f"queue      {len(waiting)} waiting, {sum(len(job.instances) for job in waiting)} images"
    free = os.statvfs(home.data)
    yield f"disk       {free.f_bavail * free.f_frsize // 2**20} MiB free"


def _logs(home: Home, words: list[str]) -> Iterator[str]:
    count = _number(words, 20, LINES_MAX)
    path = log_file(home)
    if not path.exists():
        yield "no log yet"
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    yield from (_printable(line) for line in lines[-count:])


def _studies(home: Home, words: list[str]) -> Iterator[str]:
    done = [*jobs.finished(home), *jobs.waiting(home)]
    for job in done[-_number(words, LAST_STUDIES, jobs.KEPT_DONE) :]:
        # The vendor serves the device: which study it was, not whose.
        order = job.order
        what = f"{order.modality} {order.accession}" if order else "replayed"
        state = f"due: {job.next_step.value}" if job.next_step else job.closed or "done"
        made = f"{len(job.series)} series, {len(job.instances)} images"
        yield f"{job.begun:%Y-%m-%d %H:%M:%S}  {what:20}  {made}  {state}"
    if not done:
        yield "none yet"


def _queue(home: Home, words: list[str]) -> Iterator[str]:
    del words
    waiting = jobs.waiting(home)
    for job in waiting:
        last = job.timeline[-1] if job.timeline else None
        why = f"{last.layer.value}: {last.status}" if last and not last.ok else "in work"
        step = job.next_step.value if job.next_step else "none"
        yield f"{job.begun:%Y-%m-%d %H:%M:%S}  {step}, {job.tries} tries, {why}"
    if not waiting:
        yield "empty"


def _echo(home: Home, words: list[str]) -> Iterator[str]:
    from pacslab.devices import scu  # noqa: PLC0415 - the only command that calls anyone
    from pacslab.devices.perform import target_of  # noqa: PLC0415

    known = [peer.node for peer in home.device.peers if Operation.C_ECHO in peer.may_request]
    if len(words) != 1 or words[0] not in known:
        yield f"echo takes one of: {', '.join(known) or 'nobody'}"
        return
    seen = scu.echo(home, target_of(home, words[0]))
    yield f"{seen.layer.value}: {seen.status} {seen.detail} in {seen.elapsed_s} s"


def _number(words: list[str], usual: int, most: int) -> int:
    if not words:
        return usual
    if not (words[0].isascii() and words[0].isdecimal()) or not 1 <= int(words[0]) <= most:
        raise UsageError(f"a number from 1 to {most}, not {words[0][:20]!r}")
    return int(words[0])


def _printable(line: str) -> str:
    """A log line without what would steer a terminal; peers choose parts of it."""
    return "".join(character if character.isprintable() else "?" for character in line)


COMMANDS: dict[str, Callable[[Home, list[str]], Iterator[str]]] = {
    "help": _help,
    "status": _status,
    "logs": _logs,
    "studies": _studies,
    "queue": _queue,
    "echo": _echo,
}
