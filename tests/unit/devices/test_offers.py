"""What devices accept and propose is what the tables say: seen by proposing everything, and by listening."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, build_context, evt

from pacslab.model.device import Listener
from pacslab.model.dicom import Application, Operation
from pacslab.model.registry import STORAGE
from pacslab.model.sop import ACCEPTED, PROPOSED, offers
from pacslab.report.conformance import contexts

from .conftest import World, free_port, make_device, make_peer

SCRIPT = Path(__file__).parents[2] / "e2e" / "propose_everything.py"
NAMED = [uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class"]
SOP_CLASSES = [*NAMED, *(sop.uid for sop in STORAGE if sop.uid not in NAMED)]
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
COMMITMENT = "1.2.840.10008.1.20.1"


@pytest.mark.parametrize("kind", ["ris", "modality", "workstation"])
@pytest.mark.parametrize("asked", ["all", "one"])
def test_a_device_accepts_what_is_stated_and_nothing_else(tmp_path: Path, kind: str, asked: str) -> None:
    every = tuple(offer.operation for offer in ACCEPTED[kind])
    may = every if asked == "all" else every[:1]
    port = free_port()
    device = make_device(
        kind, kind, ae_title="LISTENER", listeners=(Listener(Application.DICOM, port),),
        peers=(make_peer("caller", "CALLER", None, may_be_asked=may),),
    )  # fmt: skip
    some = (*ALL_TRANSFER_SYNTAXES[:2], ALL_TRANSFER_SYNTAXES[-1]) if asked == "all" else ALL_TRANSFER_SYNTAXES[:1]
    proposed = {(sop, syntax) for sop in SOP_CLASSES for syntax in some}
    proposed |= {(CT_IMAGE, syntax) for syntax in ALL_TRANSFER_SYNTAXES}
    pairs = [[sop, syntax, sop == COMMITMENT] for sop, syntax in sorted(proposed)]
    with World(tmp_path / kind, device).serving():
        argv = [sys.executable, str(SCRIPT), "127.0.0.1", str(port), "CALLER", "LISTENER"]
        done = subprocess.run(argv, input=json.dumps(pairs), capture_output=True, text=True, timeout=120, check=True)
    accepted = {(sop, syntax) for sop, syntax, _ in json.loads(done.stdout)}
    assert accepted == contexts(offers(ACCEPTED, kind, may)) & proposed


@contextlib.contextmanager
def listening(port: int) -> Iterator[list[set[tuple[str, str]]]]:
    """An application entity that accepts anything, does nothing, and remembers what was proposed."""
    seen: list[set[tuple[str, str]]] = []
    ae = AE("PEER")
    ae.supported_contexts = [build_context(uid, ALL_TRANSFER_SYNTAXES) for uid in SOP_CLASSES]

    def remember(event: evt.Event) -> None:
        proposed = event.assoc.requestor.requested_contexts
        seen.append({(str(c.abstract_syntax), str(syntax)) for c in proposed for syntax in c.transfer_syntax})

    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_REQUESTED, remember)])
    try:
        yield seen
    finally:
        server.shutdown()


COMMANDS = {
    "modality": {
        Operation.C_ECHO: ("echo",),
        Operation.C_FIND_MWL: ("worklist",),
        Operation.N_CREATE_MPPS: ("mpps", "--start"),
        Operation.N_SET_MPPS: ("mpps", "--complete", "1.2.3"),
    },
    "workstation": {
        Operation.C_ECHO: ("echo",),
        Operation.C_FIND: ("find",),
        Operation.C_MOVE: ("move", "--study-uid", "1.2.3", "--wait", "0"),
        Operation.C_GET: ("get", "--study-uid", "1.2.3"),
    },
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_device_proposes_what_is_stated(tmp_path: Path, kind: str) -> None:
    port = free_port()
    device = make_device(kind, kind, ae_title="CALLER", modality="CT", peers=(make_peer("peer", "PEER", port),))
    world = World(tmp_path / kind, replace(device))
    for operation, (command, *options) in COMMANDS[kind].items():
        stated = contexts(offers(PROPOSED, kind, (operation,)))
        with listening(port) as seen:
            world.raw(command, "peer", *options)
        assert stated <= seen[0], operation
        beside = {sop for sop, _ in seen[0] - stated}
        assert not beside or operation is Operation.C_GET, operation
