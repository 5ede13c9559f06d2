"""`device serve` on a scanner: greets its peers, takes in storage commitment results, and works off its queue."""

from __future__ import annotations

import argparse
import subprocess
import threading
import time
from functools import partial
from typing import Any

from pynetdicom import evt
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from pacslab.devices import logbook, scp, scu
from pacslab.devices.files import uid_path, write_json
from pacslab.devices.home import Home, Override, choose_target
from pacslab.devices.observing import Outcome, begin, say, wait_forever
from pacslab.model.device import Layer, Observation, Peer
from pacslab.model.dicom import DIMSE_APPLICATIONS, Operation

SSHD = ("/usr/sbin/sshd", "-D", "-e", "-f")
GREETING_TRIES = 5
GREETING_PAUSE_S = 2.0
SUCCESS = 0x0000
INVALID_ARGUMENT = 0x0115  # PS3.7 C.5.11
NO_SUCH_EVENT = 0x0113  # PS3.7 C.5.16
PROCESSING_FAILURE = 0x0110


def serve(home: Home, arguments: argparse.Namespace) -> Observation:
    """Run until stopped; ends with a failure if the service login's sshd dies."""
    del arguments
    watch = begin("serve")
    logbook.keep(home)
    for listener in home.device.listeners:
        if listener.application in DIMSE_APPLICATIONS:
            handlers = ((evt.EVT_N_EVENT_REPORT, take_commitment, [home]),)
            scp.start(home, listener, {Operation.N_EVENT_REPORT_STGCMT: commitment_contexts()}, handlers)
    threading.Thread(target=greet_peers, args=(home,), daemon=True).start()
    threading.Thread(target=_on_duty, args=(home,), daemon=True).start()
    outcome = _watch_sshd(home) if home.sshd_config.exists() else wait_forever()
    return watch.end(outcome)


def _on_duty(home: Home) -> None:
    from pacslab.devices import duty  # noqa: PLC0415 - a listener that answers comes first

    duty.watch(home)


def _watch_sshd(home: Home) -> Outcome:
    sshd = subprocess.Popen([*SSHD, str(home.sshd_config)])
    try:
        code = sshd.wait()
    except KeyboardInterrupt:
        return Outcome(True, Layer.LOCAL, "stopped")
    finally:
        sshd.terminate()
    say(f"sshd ended with exit code {code}")
    return Outcome(False, Layer.LOCAL, f"sshd exit {code}", "the service login is gone")


def commitment_contexts() -> list[PresentationContext]:
    """Storage Commitment Push with the roles reversed: the caller reports as SCP (PS3.4 J.3.3, FACTS 2)."""
    context = build_context(StorageCommitmentPushModel)
    context.scu_role = True
    context.scp_role = True
    return [context]


def take_commitment(event: Any, home: Home) -> tuple[int, None]:
    """Write a storage commitment result where `device commit` looks for it (PS3.4 J.3.3)."""
    status = _take(event, home)
    say(f"N-EVENT-REPORT from {scp.caller(event)}: event {event.event_type}: 0x{status:04X}")
    return status, None


def _take(event: Any, home: Home) -> int:
    if event.event_type not in {1, 2}:  # 1: all committed, 2: failures exist
        return NO_SUCH_EVENT
    report = event.event_information
    try:
        path = uid_path(home.folder("commitments"), str(report.get("TransactionUID", "")), suffix=".json")
    except ValueError:
        return INVALID_ARGUMENT
    committed = [str(item.ReferencedSOPInstanceUID) for item in report.get("ReferencedSOPSequence") or ()]
    failed = {
        str(item.ReferencedSOPInstanceUID): f"0x{int(item.get('FailureReason', PROCESSING_FAILURE)):04X}"
        for item in report.get("FailedSOPSequence") or ()
    }
    write_json(path, {"from": scp.caller(event), "committed": committed, "failed": failed})
    return SUCCESS


def greet_peers(home: Home) -> None:
    """C-ECHO every peer this device may ask for one; says what came back, and gives up after a few tries."""
    peers = [peer for peer in home.device.peers if Operation.C_ECHO in peer.may_request and peer.port is not None]
    waiting = {peer.node: partial(_greet, home, peer) for peer in peers}
    for attempt in range(GREETING_TRIES):
        waiting = {node: greet for node, greet in waiting.items() if not greet()}
        if not waiting:
            return
        time.sleep(GREETING_PAUSE_S * (attempt + 1))
    say(f"gave up greeting {', '.join(waiting)}")


def _greet(home: Home, peer: Peer) -> bool:
    try:
        observation = scu.echo(home, choose_target(home.device, peer.node, DIMSE_APPLICATIONS, Override()))
    except OSError as error:  # its own TLS files are missing or broken
        say(f"C-ECHO to {peer.node}: {error}")
        return False
    say(f"C-ECHO to {peer.node}: {observation.layer.value}: {observation.status} {observation.detail}")
    return observation.ok
