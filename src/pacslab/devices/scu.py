"""`device echo` and `device send`: C-ECHO and C-STORE to a peer -> observation."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pydicom
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.status import code_to_category

from pacslab.devices import steps, stream
from pacslab.devices.association import WORK_TIMEOUT_S, Call, call
from pacslab.devices.home import Home, Target
from pacslab.devices.observing import Outcome, begin, say
from pacslab.devices.pixels import Instance, list_files, pixel_sha256, read_instance, too_large
from pacslab.model.device import Layer, Observation
from pacslab.model.dicom import is_uid

FAILURES_SHOWN = 5
CONTEXTS_MAX = 128  # PS3.8 9.3.2.2: context ids are odd and at most 255


def echo(home: Home, target: Target) -> Observation:
    """Ask a peer for a C-ECHO (PS3.4 A)."""
    watch = begin("C-ECHO", target.node)
    with call(home, target, [build_context(Verification)]) as line:
        outcome = line.ask(line.association.send_c_echo)[1] if line.established else line.refusal()
    return watch.end(outcome, called_ae=target.called_ae, calling_ae=target.calling_ae)


def echo_command(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device echo PEER`."""
    return echo(home, arguments.target)


def send_command(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device send PEER PATH...`: all files and folders on one association."""
    return send(home, arguments.target, list_files([_found(home, path) for path in arguments.paths]))


def _found(home: Home, path: Path) -> Path:
    return path if path.exists() or path.is_absolute() else home.data / path


def send(
    home: Home, target: Target, paths: Sequence[Path], on_stored: Callable[[Instance], None] = lambda _: None
) -> Observation:
    """C-STORE files as they are on one association (PS3.4 B), each in the transfer syntax it has.

    Args:
        home: This node.
        target: The peer.
        paths: The files, in the order in which they go out.
        on_stored: Told of each instance as soon as the peer has said that it is stored.
    """
    watch = begin("C-STORE", target.node)
    instances, failures = _read(paths)
    if not instances:
        return watch.end(Outcome(False, Layer.LOCAL, "nothing to send", "no DICOM file found"), failures=failures)
    statuses: dict[str, int] = {}
    stored: list[Instance] = []
    hashes: dict[str, str | None] = {}
    first_failure: Outcome | None = None
    with call(home, target, contexts_of(instances), timeout_s=WORK_TIMEOUT_S) as line, stream.quiet(line):
        if not line.established:
            first_failure = line.refusal()
        for number, instance in enumerate(instances, 1):
            if not line.established:
                break
            outcome, hashed = _store(line, instance, number)
            statuses[outcome.status] = statuses.get(outcome.status, 0) + 1
            if outcome.ok:
                stored.append(instance)
                hashes[instance.sop_instance] = hashed
                on_stored(instance)
            else:
                first_failure = first_failure or outcome
                failures.append(f"{instance.sop_instance}: {outcome.layer.value}: {outcome.status} {outcome.detail}")
            if number % 50 == 0:
                say(f"{target.node}: {number} of {len(instances)} instances")
    _remember(home, target, stored)
    outcome = first_failure or Outcome(True, Layer.DIMSE, "0x0000", f"{len(stored)} instances stored")
    if outcome.ok and failures:
        outcome = Outcome(False, Layer.LOCAL, "not DICOM", failures[0])
    return watch.end(
        outcome,
        instances=len(instances),
        stored=len(stored),
        failed=sum(statuses.values()) - len(stored),
        not_sent=len(instances) - sum(statuses.values()),
        statuses=statuses,
        failures=failures[:FAILURES_SHOWN],
        bytes=sum(instance.size_bytes for instance in stored),
        studies=sorted({instance.study for instance in stored}),
        pixel_sha256=hashes,
    )


def _read(paths: Sequence[Path]) -> tuple[list[Instance], list[str]]:
    instances: list[Instance] = []
    failures: list[str] = []
    for path in paths:
        try:
            instance = read_instance(path)
        except ValueError as error:
            failures.append(f"{path}: {error}")
            continue
        if error_text := too_large(instance):
            failures.append(f"{path}: {error_text}")
        else:
            instances.append(instance)
    return instances, failures


def contexts_of(instances: Sequence[Instance]) -> list[PresentationContext]:
    """One presentation context for each pair of SOP class and transfer syntax, so that nothing needs converting."""
    pairs = dict.fromkeys((instance.sop_class, instance.transfer_syntax) for instance in instances)
    return [build_context(sop_class, syntax) for sop_class, syntax in pairs][:CONTEXTS_MAX]


def _store(line: Call, instance: Instance, number: int) -> tuple[Outcome, str | None]:
    message_id = number % 65535 + 1
    if instance.sound:
        outcome, hashed = stream.store(line, instance, message_id)
    else:
        with tempfile.TemporaryDirectory() as folder:
            outcome, _ = stream.store(line, _made_sound(instance, Path(folder)), message_id)
        hashed = pixel_sha256(instance)
    if outcome.layer is Layer.DIMSE and outcome.status.startswith("0x"):
        # PS3.4 B.2.3: a warning (0xB000 ...) means stored.
        stored = code_to_category(int(outcome.status, 16)) in {"Success", "Warning"}
        outcome = replace(outcome, ok=stored)
    return outcome, hashed


def _made_sound(instance: Instance, folder: Path) -> Instance:
    """Write a copy whose meta information and length are right."""
    path = folder / "sound.dcm"
    dataset = pydicom.dcmread(instance.path)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    if path.stat().st_size % 2:  # PS3.5 A.5: what is deflated may be padded
        with path.open("ab") as file:
            file.write(b"\0")
    return read_instance(path)


def _remember(home: Home, target: Target, stored: Sequence[Instance]) -> None:
    """Note what a peer has stored, for the storage commitment that is asked of it later."""
    for study, instances in groupby(stored, lambda instance: instance.study):
        if is_uid(study):
            lines = [f"{target.node} {instance.sop_class} {instance.sop_instance}\n" for instance in instances]
            with steps.sent_file(home, study).open("a", encoding="utf-8") as file:
                file.write("".join(lines))
