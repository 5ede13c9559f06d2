"""`device serve`, `result` and `orders` on the RIS: HL7 orders in, worklist and MPPS over DICOM out, reports back."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
)

from pacslab.devices import matching, messages, mllp, scp, steps
from pacslab.devices.home import Home, UsageError
from pacslab.devices.messages import Sender
from pacslab.devices.observing import DONE, begin, say, wait_forever
from pacslab.devices.orders import IN_PROGRESS, OPEN, Entry, Store
from pacslab.model.device import Observation
from pacslab.model.dicom import DIMSE_APPLICATIONS, Operation, is_uid

# PS3.7 C
SUCCESS = 0x0000
PENDING = 0xFF00
CANCEL = 0xFE00
INVALID_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
NO_SUCH_INSTANCE = 0x0112
INVALID_INSTANCE = 0x0117
MISSING_ATTRIBUTE = 0x0120
NOT_AUTHORIZED = 0x0124
CANNOT_UNDERSTAND = 0xC000

MAY_NO_LONGER_BE_UPDATED = 0xA710  # PS3.4 F.7.2.2.2: error id beside 0x0110
FINAL = ("COMPLETED", "DISCONTINUED")
# PS3.4 table F.7.2-1: the N-CREATE's type 1 attributes ...
NEEDED_AT_START = (
    "ScheduledStepAttributesSequence", "PerformedProcedureStepID", "PerformedStationAETitle",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "PerformedProcedureStepStatus", "Modality",
)  # fmt: skip
# ... those that must have a value in the final state, and those the N-SET may not touch.
NEEDED_AT_END = ("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime", "PerformedSeriesSequence")
FIXED = (
    "ScheduledStepAttributesSequence", "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "PerformedProcedureStepID", "PerformedStationAETitle", "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime", "Modality", "StudyID",
)  # fmt: skip

Reply = tuple[int | Dataset, Dataset | None]


def store_of(home: Home) -> Store:
    """Open the RIS's memory."""
    return Store(home.folder("ris") / "orders.sqlite")


def serve(home: Home, arguments: argparse.Namespace) -> Observation:
    """Run until stopped."""
    del arguments
    watch = begin("serve")
    store = store_of(home)
    mpps = (build_context(ModalityPerformedProcedureStep),)
    offers = {
        Operation.C_FIND_MWL: (build_context(ModalityWorklistInformationFind),),
        Operation.N_CREATE_MPPS: mpps,
        Operation.N_SET_MPPS: mpps,
    }
    handlers = (
        (evt.EVT_C_FIND, find, [store]),
        (evt.EVT_N_CREATE, create, [home, store]),
        (evt.EVT_N_SET, change, [home, store]),
    )
    for listener in home.device.listeners:
        if listener.application in DIMSE_APPLICATIONS:
            scp.start(home, listener, offers, handlers)
        elif listener.application in mllp.HL7_APPLICATIONS:
            mllp.start(home, listener, lambda message, peer: store.take(message, peer.node))
    return watch.end(wait_forever())


def find(event: Any, store: Store) -> Iterator[tuple[int, Dataset | None]]:
    """Answer a worklist query (PS3.4 K.4.1.1)."""
    asking = scp.caller(event)
    try:
        query = event.identifier
    except (ValueError, KeyError, EOFError, AttributeError) as error:
        say(f"C-FIND from {asking}: unreadable identifier: {error}")
        yield CANNOT_UNDERSTAND, None
        return
    found = 0
    for answer in matching.answers([entry for entry in store.entries() if entry.status in OPEN], query, asking):
        if event.is_cancelled:
            yield CANCEL, None
            return
        found += 1
        yield PENDING, answer
    say(f"C-FIND worklist from {asking}: {found} matches")


def _may(event: Any, home: Home, operation: Operation) -> bool:
    # One presentation context carries both MPPS operations, so admission alone cannot tell them apart.
    address = event.assoc.requestor.address
    callers = [peer for peer in home.device.peers if peer.ae_title == scp.caller(event)]
    return any(operation in peer.may_be_asked for peer in callers if str(peer.address) == address)


def create(event: Any, home: Home, store: Store) -> Reply:
    """Take in a new performed procedure step (PS3.4 F.7.2.1)."""
    uid = str(event.request.AffectedSOPInstanceUID or steps.new_uid())
    step = event.attribute_list
    status = (
        _create(uid, step, store) if _may(event, home, Operation.N_CREATE_MPPS) else NOT_AUTHORIZED
    )  # PS3.7: not authorized
    say(f"N-CREATE MPPS {uid} from {scp.caller(event)}: 0x{status:04X}")
    if status:
        return status, None
    step.SOPClassUID = ModalityPerformedProcedureStep
    step.SOPInstanceUID = uid
    return status, step


def _create(uid: str, step: Dataset, store: Store) -> int:
    if not is_uid(uid):
        return INVALID_INSTANCE
    if any(not step.get(keyword) for keyword in NEEDED_AT_START):
        return MISSING_ATTRIBUTE
    if step.PerformedProcedureStepStatus != IN_PROGRESS:
        return INVALID_VALUE
    accession = str(step.ScheduledStepAttributesSequence[0].get("AccessionNumber", ""))
    taken = store.add_step(uid, accession, IN_PROGRESS, step.to_json_dict())
    return SUCCESS if taken else DUPLICATE_INSTANCE


def change(event: Any, home: Home, store: Store) -> Reply:
    """Bring a step further or to its end (PS3.4 F.7.2.2)."""
    uid = str(event.request.RequestedSOPInstanceUID)
    status = _change(uid, event.modification_list, store) if _may(event, home, Operation.N_SET_MPPS) else NOT_AUTHORIZED
    say(f"N-SET MPPS {uid} from {scp.caller(event)}: 0x{status:04X}")
    if status != PROCESSING_FAILURE:
        return status, None
    answer = Dataset()
    answer.Status = status
    answer.ErrorID = MAY_NO_LONGER_BE_UPDATED
    answer.ErrorComment = "Performed Procedure Step Object may no longer be updated"
    return answer, None


def _change(uid: str, change_: Dataset, store: Store) -> int:
    kept = store.step(uid)
    if kept is None:
        return NO_SUCH_INSTANCE
    before, _, body = kept
    if before in FINAL:
        return PROCESSING_FAILURE
    after = str(change_.get("PerformedProcedureStepStatus", before))
    if after not in {IN_PROGRESS, *FINAL} or any(keyword in change_ for keyword in FIXED):
        return INVALID_VALUE
    step = Dataset.from_json(body)
    step.update(change_)
    if after in FINAL and any(not step.get(keyword) for keyword in NEEDED_AT_END):
        return MISSING_ATTRIBUTE
    store.change_step(uid, after, step.to_json_dict())
    return SUCCESS


def orders(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device orders`: every order with its patient and status."""
    del arguments
    with closing(store_of(home)) as store:
        entries = store.entries()
    listed = [{**asdict(entry.order), **asdict(entry.patient), "status": entry.status} for entry in entries]
    return begin("orders").end(DONE, orders=listed, count=len(listed))


def result(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device result PEER`: report an order, ORU^R01, or tell its status only, ORM^O01."""
    with closing(store_of(home)) as store:
        entry = store.entry(arguments.accession)
    if entry is None:
        raise UsageError(f"no order with accession number {arguments.accession}: `device orders` lists them")
    sender = Sender(home.device.node, arguments.target.node)
    write = partial(_status, sender, entry) if arguments.status_only else partial(_report, sender, entry)
    watch = begin("ORM^O01" if arguments.status_only else "ORU^R01", arguments.target.node)
    return watch.end(mllp.send(home, arguments.target, write(arguments.text)), accession=arguments.accession)


def _status(sender: Sender, entry: Entry, text: str) -> str:
    del text
    # HL7 table 0038
    code = {"SCHEDULED": "SC", "IN PROGRESS": "IP", "COMPLETED": "CM", "CANCELLED": "CA"}.get(entry.status, "DC")
    return messages.order_status(sender, entry.patient, entry.order.accession, code)


def _report(sender: Sender, entry: Entry, text: str) -> str:
    return messages.result(sender, entry.patient, entry.order, text)
