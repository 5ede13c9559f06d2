"""Command line of a node -> the operation its kind has, one JSON document on stdout, and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from pacslab.devices.home import Home, Override, UsageError, choose_target, read_home
from pacslab.devices.observing import Outcome, begin, network_failure
from pacslab.model.device import Layer, Observation, observation_text
from pacslab.model.dicom import DIMSE_APPLICATIONS, Application, is_uid

# PS3.16 CID 9300, the codes stand in steps.py
REASONS = (
    "doctor-cancelled", "equipment-failure", "incorrect-procedure", "patient-refused", "patient-did-not-arrive",
    "unspecified", "incorrect-entry",
)  # fmt: skip
DICOM_KINDS = ("modality", "workstation", "ris")
HL7_APPLICATIONS = frozenset({Application.HL7, Application.HL7_TLS})

# Which function answers a command on which kind of node. Modules are imported only when asked for: the Orthanc image
# has no pydicom, pynetdicom, numpy or hl7.
COMMANDS: dict[str, dict[tuple[str, ...], str]] = {
    "serve": {
        ("modality",): "modality:serve",
        ("workstation",): "workstation:serve",
        ("ris",): "ris:serve",
        ("ehr",): "ehr:serve",
        ("orthanc",): "archive:serve",
    },
    "echo": {DICOM_KINDS: "scu:echo_command", ("orthanc",): "orthanc:echo"},
    "acquire": {DICOM_KINDS: "study:acquire"},
    "perform": {("modality",): "procedure:perform_command"},
    "procedure": {("modality",): "procedure:procedure"},
    "replay": {("modality",): "replay:replay"},
    "console": {("modality",): "console:console"},
    "send": {DICOM_KINDS: "scu:send_command", ("orthanc",): "orthanc:send"},
    "find": {DICOM_KINDS: "query:find", ("orthanc",): "orthanc:find"},
    "move": {DICOM_KINDS: "query:move"},
    "get": {DICOM_KINDS: "query:get", ("orthanc",): "orthanc:get"},
    "worklist": {DICOM_KINDS: "query:worklist"},
    "mpps": {DICOM_KINDS: "steps:mpps"},
    "commit": {DICOM_KINDS: "steps:commit"},
    "hash": {DICOM_KINDS: "pixels:hash_files", ("orthanc",): "orthanc:hash_study"},
    "studies": {("orthanc",): "orthanc:studies"},
    "queue": {("modality",): "procedure:queue", ("orthanc",): "queue:queue", ("ris", "ehr"): "ehr:queue"},
    "search": {("workstation",): "web:search"},
    "retrieve": {("workstation",): "web:retrieve"},
    "reset": {("orthanc",): "reset:reset"},
    "order": {("ehr",): "ehr:order"},
    "result": {("ris",): "ris:result"},
    "orders": {("ris",): "ris:orders"},
    "messages": {("ris", "ehr"): "ehr:messages"},
    "patient": {("ehr",): "ehr:patient"},
    "results": {("ehr",): "ehr:results"},
}
CALLS_HL7 = frozenset({"order", "patient", "result"})
WEB_APPLICATIONS = frozenset({Application.HTTPS})
CALLS_WEB = frozenset({"search", "retrieve"})
CALLS_DICOM = frozenset({"echo", "send", "find", "move", "get", "worklist", "mpps", "commit"})
SPOKEN = ((CALLS_HL7, HL7_APPLICATIONS), (CALLS_WEB, WEB_APPLICATIONS))


def main(arguments: Sequence[str]) -> int:
    """Run one command of this node: 0 its success status came back, 1 refused or failed, 2 usage."""
    parsed = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        home = read_home(os.environ)
        operation = find_operation(home.device.kind, parsed.command)
        _resolve_target(home, parsed)
        observation = operation(home, parsed)
    except UsageError as error:
        sys.stderr.write(f"device: {error}\n")
        return 2
    except OSError as error:  # a port that is taken, a TLS file that is missing, a disk that is full
        outcome = Outcome(False, Layer.LOCAL, network_failure(error), str(error))
        observation = begin(parsed.command, getattr(parsed, "peer", "") or "").end(outcome)
    except KeyboardInterrupt:
        observation = begin(parsed.command).end(Outcome(False, Layer.LOCAL, "interrupted"))
    if parsed.command != "console":  # which speaks to people
        sys.stdout.write(observation_text(observation) + "\n")
    sys.stdout.flush()
    return 0 if observation.ok else 1


def _stop(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise KeyboardInterrupt


def find_operation(kind: str, command: str) -> Callable[[Home, argparse.Namespace], Observation]:
    """Import the function that answers a command on nodes of that kind.

    Raises:
        UsageError: That kind has no such command.
    """
    place = next((place for kinds, place in COMMANDS[command].items() if kind in kinds), None)
    if place is None:
        has = ", ".join(sorted(name for name, table in COMMANDS.items() if any(kind in kinds for kinds in table)))
        raise UsageError(f"a node of kind {kind} has no command {command}; it has: {has or 'none'}")
    module, _, name = place.partition(":")
    found: Callable[[Home, argparse.Namespace], Observation] = getattr(
        importlib.import_module(f"pacslab.devices.{module}"), name
    )
    return found


def _resolve_target(home: Home, arguments: argparse.Namespace) -> None:
    node = getattr(arguments, "send_to", None) or getattr(arguments, "peer", None)
    if node is None or home.device.kind == "orthanc":
        return
    override = Override(
        address=getattr(arguments, "address", None),
        port=getattr(arguments, "port", None),
        called_ae=getattr(arguments, "called_ae", None),
        calling_ae=getattr(arguments, "calling_ae", None),
        application=getattr(arguments, "application", None),
    )
    speaks = next((spoken for calls, spoken in SPOKEN if arguments.command in calls), DIMSE_APPLICATIONS)
    arguments.target = choose_target(home.device, node, speaks, override)


def parser() -> argparse.ArgumentParser:
    """Describe every command; which of them a node has depends on its kind."""
    top = argparse.ArgumentParser(prog="device", description="What this node can do; prints one JSON document.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {name: commands.add_parser(name) for name in COMMANDS}
    for name in CALLS_DICOM | CALLS_HL7 | CALLS_WEB:
        made[name].add_argument("peer", metavar="PEER", help="the other node's name")
    for name in CALLS_DICOM:
        _overrides(made[name])
    for name in ("order", "patient"):
        made[name].add_argument("--address", help="send there, once, instead of to the peer by the queue")
        made[name].add_argument("--port", type=int, help="as --address")
    for name in CALLS_WEB:
        made[name].add_argument("--address")
        made[name].add_argument("--port", type=int)
    made["send"].add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files and folders")
    made["hash"].add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files, folders, received/STUDY")
    _acquire(made["acquire"])
    _query(made["find"])
    _keys(made["search"])
    for name in ("send", "move", "get", "commit", "hash", "retrieve"):
        made[name].add_argument("--study-uid", type=_uid, required=name in {"move", "get", "commit", "retrieve"})
    made["move"].add_argument("--to", metavar="AE", help="destination AE title; default: this node's own")
    made["hash"].add_argument("--instances", type=int, default=0, metavar="N", help="archives: at least so many")
    made["hash"].add_argument("--wait", type=float, default=0.0, metavar="S", help="archives: for them; default 0")
    for name in ("move", "commit"):
        made[name].add_argument("--wait", type=float, default=30.0, metavar="S", help="for what comes back; default 30")
    _worklist(made["worklist"])
    _mpps(made["mpps"])
    _orders(made)
    _procedures(made)
    return top


def _overrides(command: argparse.ArgumentParser) -> None:
    command.add_argument("--calling-ae", metavar="AE", help="call under this AE title instead of the node's own")
    command.add_argument("--called-ae", metavar="AE", help="call this AE title instead of the peer's")
    command.add_argument("--address", help="call this address instead of the peer's")
    command.add_argument("--port", type=int, help="call this port instead of the peer's")
    command.add_argument("--application", type=Application, help="dicom or dicom-tls instead of the peer's")


def _acquire(command: argparse.ArgumentParser) -> None:
    command.add_argument("--modality", choices=("CT", "MR", "US"), help="default: the node's own")
    _images(command)
    command.add_argument("--series", type=int, default=1, metavar="K", help="1 to 3; default 1")
    command.add_argument("--multiframe", action="store_true", help="US: all slices as frames of one instance")
    command.add_argument("--patient-id", default="SYN-0001")
    command.add_argument("--patient-name", default="")
    command.add_argument("--accession", default="")
    command.add_argument("--study-uid", type=_uid)
    command.add_argument("--out", type=Path, help="default: studies/STUDY in the data directory")
    command.add_argument("--send", dest="send_to", metavar="PEER", help="then C-STORE it to this peer")
    _overrides(command)


def _images(command: argparse.ArgumentParser) -> None:
    command.add_argument("--slices", type=int, default=10)
    command.add_argument("--rows", type=int, default=512)
    command.add_argument("--columns", type=int, default=512)
    command.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="same seed: same pixels, same UIDs")


def _procedures(made: dict[str, argparse.ArgumentParser]) -> None:
    command = made["perform"]
    command.add_argument("--accession", default="", help="of the worklist entry; default: the next that is scheduled")
    _images(command)
    command.add_argument("--series", type=int, default=3, metavar="K", help="1 to 3; default 3")
    command.add_argument(
        "--discontinue", nargs="?", const="unspecified", choices=REASONS, help="end after the first series, and say why"
    )
    command.add_argument("--ris", metavar="PEER", help="default: whoever this node may ask for a worklist")
    _delivery(command)
    _delivery(made["replay"])
    made["replay"].add_argument("folder", type=Path, metavar="FOLDER", help="may be relative to the data directory")
    made["replay"].add_argument("--new-uids", action="store_true", help="as if each study had just been made")
    made["replay"].add_argument("--interval", type=float, default=0.0, metavar="S", help="between studies; default 0")
    which = made["procedure"].add_mutually_exclusive_group(required=True)
    which.add_argument("--accession", default="")
    which.add_argument("--uid", type=_uid)
    made["procedure"].add_argument("--wait", type=float, default=0.0, metavar="S", help="for its end; default 0")
    made["queue"].add_argument("--last", type=int, default=10, metavar="N", help="of those done; default 10")


def _delivery(command: argparse.ArgumentParser) -> None:
    command.add_argument("--archive", metavar="PEER", help="default: whoever this node may send images to")
    command.add_argument("--wait", type=float, default=30.0, metavar="S", help="for the commitment; default 30")
    command.add_argument(
        "--patience", type=float, default=20.0, metavar="S", help="for a peer that restarts; then the queue; default 20"
    )


def _query(command: argparse.ArgumentParser) -> None:
    command.add_argument("--level", choices=("STUDY", "SERIES", "IMAGE"), default="STUDY")
    _keys(command)
    command.add_argument("--series-uid", default="")


def _keys(command: argparse.ArgumentParser) -> None:
    command.add_argument("--accession", default="")
    command.add_argument("--patient-id", default="")
    command.add_argument("--patient-name", default="")
    command.add_argument("--study-uid", default="")


def _worklist(command: argparse.ArgumentParser) -> None:
    command.add_argument("--modality", default="")
    command.add_argument("--station-ae", default="")
    command.add_argument("--date", default="", help="YYYYMMDD, or a range YYYYMMDD-YYYYMMDD")
    command.add_argument("--patient-id", default="")
    command.add_argument("--patient-name", default="")
    command.add_argument("--accession", default="")


def _mpps(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--start", action="store_true", help="N-CREATE, in progress")
    what.add_argument("--complete", metavar="UID", type=_uid, help="N-SET, completed")
    what.add_argument("--discontinue", metavar="UID", type=_uid, help="N-SET, discontinued")
    command.add_argument("--uid", type=_uid, help="of the step to start; default: a new one")
    command.add_argument("--accession", default="")
    command.add_argument("--patient-id", default="")
    command.add_argument("--patient-name", default="")
    command.add_argument("--study-uid", type=_uid)


def _orders(made: dict[str, argparse.ArgumentParser]) -> None:
    for name in ("order", "patient"):
        made[name].add_argument("--patient-id", required=True)
        made[name].add_argument("--patient-name", default="SYNTHETIC^PATIENT")
        made[name].add_argument("--birth-date", default="19700101", help="YYYYMMDD")
        made[name].add_argument("--sex", choices=("F", "M", "O", "U"), default="O")
    what = made["patient"].add_mutually_exclusive_group()
    what.add_argument("--update", action="store_true", help="ADT^A08 instead of A01")
    what.add_argument("--merge", metavar="ID", default="", help="ADT^A40: what was kept under ID is this patient's")
    made["queue"].add_argument("--all", action="store_true", help="those that were accepted too")
    order = made["order"]
    order.add_argument("--accession", required=True)
    order.add_argument("--modality", choices=("CT", "MR", "US"), required=True)
    order.add_argument("--procedure", default="", help="what is ordered; default: the modality's usual")
    order.add_argument("--station-ae", default="", help="scheduled station; default: any of that modality")
    order.add_argument("--study-uid", type=_uid, help="default: the RIS makes one")
    order.add_argument("--scheduled", default="", help="YYYYMMDDHHMM; default: now")
    order.add_argument("--priority", choices=("STAT", "HIGH", "ROUTINE"), default="ROUTINE")
    order.add_argument("--requesting", default="", metavar="NAME", help="physician, FAMILY^GIVEN")
    order.add_argument("--control", choices=("NW", "CA", "XO"), default="NW", help="new, cancel or change")
    result = made["result"]
    result.add_argument("--accession", required=True)
    result.add_argument("--text", default="SYNTHETIC report: no finding.")
    result.add_argument("--status-only", action="store_true", help="ORM^O01 with the order's status, no report")


def _uid(text: str) -> str:
    if not is_uid(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a DICOM UID (digits and dots, at most 64)")
    return text
