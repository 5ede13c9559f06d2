"""`device serve` on a workstation: C-STORE requests -> files received/STUDY/INSTANCE.dcm, written as they came."""

from __future__ import annotations

import argparse
import io
import threading
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pynetdicom import evt
from pynetdicom.presentation import PresentationContext, build_context

from pacslab.devices import scp
from pacslab.devices.files import uid_path, write_whole
from pacslab.devices.home import Home
from pacslab.devices.modality import greet_peers
from pacslab.devices.observing import begin, say, wait_forever
from pacslab.model.device import Observation
from pacslab.model.dicom import DIMSE_APPLICATIONS, Operation
from pacslab.model.sop import RECEIVED

# PS3.4 B.2.3
STORED = 0x0000
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000


def serve(home: Home, arguments: argparse.Namespace) -> Observation:
    """Run until stopped."""
    del arguments
    watch = begin("serve")
    home.folder("received")
    for listener in home.device.listeners:
        if listener.application in DIMSE_APPLICATIONS:
            handlers = ((evt.EVT_C_STORE, take_instance, [home]),)
            scp.start(home, listener, {Operation.C_STORE: storage_contexts()}, handlers)
    threading.Thread(target=greet_peers, args=(home,), daemon=True).start()
    return watch.end(wait_forever())


def storage_contexts() -> list[PresentationContext]:
    """Every storage SOP class in every transfer syntax: nothing is decoded here."""
    return [build_context(sop.uid, RECEIVED.syntax_uids) for sop in RECEIVED.sop_classes]


def take_instance(event: Any, home: Home) -> int:
    """Store what a C-STORE carries (PS3.4 B.2)."""
    status = store(event, home)
    say(f"C-STORE {event.request.AffectedSOPInstanceUID} from {scp.caller(event)}: 0x{status:04X}")
    return status


def store(event: Any, home: Home) -> int:
    """Write a C-STORE's data set undecoded as received/STUDY/INSTANCE.dcm; returns the DIMSE status."""
    content = event.encoded_dataset()
    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"]
    try:
        dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=tags)
        study, instance = str(dataset.StudyInstanceUID), str(dataset.SOPInstanceUID)
        path = uid_path(home.data / "received", study, instance, suffix=".dcm")
    except (InvalidDicomError, ValueError, AttributeError, EOFError) as error:
        say(f"C-STORE refused: {error}")
        return CANNOT_UNDERSTAND
    if instance != str(event.request.AffectedSOPInstanceUID):
        return DOES_NOT_MATCH
    try:
        write_whole(path, content)
    except OSError as error:
        say(f"C-STORE refused: {error}")
        return OUT_OF_RESOURCES
    return STORED
