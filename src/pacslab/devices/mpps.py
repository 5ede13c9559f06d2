"""N-CREATE and N-SET of performed procedure steps -> steps in the store, and the DIMSE status of each (PS3.4 F.7)."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from pacslab.devices import scp, steps
from pacslab.devices.home import Home
from pacslab.devices.observing import say
from pacslab.devices.orders import Status, Step, Store
from pacslab.model.dicom import Operation, is_uid

# PS3.7 C
SUCCESS = 0x0000
INVALID_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
NO_SUCH_INSTANCE = 0x0112
INVALID_INSTANCE = 0x0117
MISSING_ATTRIBUTE = 0x0120
NOT_AUTHORIZED = 0x0124

MAY_NO_LONGER_BE_UPDATED = 0xA710  # PS3.4 F.7.2.2.2: error id beside 0x0110
FINAL = (Status.COMPLETED, Status.DISCONTINUED)
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


def _may(event: Any, home: Home, operation: Operation) -> bool:
    # One presentation context carries both MPPS operations, so admission alone cannot tell them apart.
    address = event.assoc.requestor.address
    callers = [peer for peer in home.device.peers if peer.ae_title == scp.caller(event)]
    return any(operation in peer.may_be_asked for peer in callers if str(peer.address) == address)


def create(event: Any, home: Home, store: Store) -> Reply:
    """Take in a new performed procedure step (PS3.4 F.7.2.1)."""
    uid = str(event.request.AffectedSOPInstanceUID or steps.new_uid())
    step, status, why = Dataset(), NOT_AUTHORIZED, ""
    if _may(event, home, Operation.N_CREATE_MPPS):
        step = event.attribute_list
        status, why = _create(uid, step, store)
    say(f"N-CREATE MPPS {uid} from {scp.caller(event)}: 0x{status:04X}{why and f': {why}'}")
    if status:
        return _failure(status, why), None
    step.SOPClassUID = ModalityPerformedProcedureStep
    step.SOPInstanceUID = uid
    return status, step


def _failure(status: int, why: str) -> Dataset:
    answer = Dataset()
    answer.Status = status
    if why:
        answer.ErrorComment = why[:64]  # PS3.7 C: LO
    return answer


def _create(uid: str, step: Dataset, store: Store) -> tuple[int, str]:
    if not is_uid(uid):
        return INVALID_INSTANCE, "not a UID"
    missing = [keyword for keyword in NEEDED_AT_START if not step.get(keyword)]
    if missing:
        return MISSING_ATTRIBUTE, ", ".join(missing)
    if step.PerformedProcedureStepStatus != Status.IN_PROGRESS:
        return INVALID_VALUE, f"begins {step.PerformedProcedureStepStatus}, not IN PROGRESS"
    items = step.ScheduledStepAttributesSequence
    accessions = [str(item.get("AccessionNumber", "")) for item in items]
    studies = [str(item.get("StudyInstanceUID", "")) for item in items]
    found = store.add_step(Step(uid, Status.IN_PROGRESS, step.to_json_dict()), accessions, studies)
    if found is None:
        return DUPLICATE_INSTANCE, "there is a step of that UID"
    if not found:
        say(f"step {uid}: nobody ordered it: accession number {', '.join(filter(None, accessions)) or 'not said'}")
    told = str(step.get("PatientID", ""))
    for entry in found:
        if told != entry.patient.patient_id:
            known = "merged into" if store.survivor(told) == entry.patient.patient_id else "not"
            say(f"step {uid}: its patient {told or 'not said'} is {known} order's {entry.patient.patient_id}")
    return SUCCESS, ""


def change(event: Any, home: Home, store: Store) -> Reply:
    """Bring a step further or to its end (PS3.4 F.7.2.2)."""
    uid = str(event.request.RequestedSOPInstanceUID)
    status, why = NOT_AUTHORIZED, ""
    if _may(event, home, Operation.N_SET_MPPS):
        status, why = _change(uid, event.modification_list, store)
    say(f"N-SET MPPS {uid} from {scp.caller(event)}: 0x{status:04X}{why and f': {why}'}")
    if status == SUCCESS:
        return status, None
    answer = _failure(status, why)
    if status == PROCESSING_FAILURE:
        answer.ErrorID = MAY_NO_LONGER_BE_UPDATED
    return answer, None


def _change(uid: str, modification: Dataset, store: Store) -> tuple[int, str]:
    kept = store.step(uid)
    if kept is None:
        return NO_SUCH_INSTANCE, "no step of that UID"
    if kept.status in FINAL:
        return PROCESSING_FAILURE, "Performed Procedure Step Object may no longer be updated"
    after = str(modification.get("PerformedProcedureStepStatus", kept.status.value))
    fixed = [keyword for keyword in FIXED if keyword in modification]
    if after not in {Status.IN_PROGRESS, *FINAL} or fixed:
        return INVALID_VALUE, f"may not be set: {', '.join(fixed)}" if fixed else f"status {after}"
    step = Dataset.from_json(kept.body)
    step.update(modification)
    missing = [keyword for keyword in NEEDED_AT_END if not step.get(keyword)]
    if after in FINAL and missing:
        return MISSING_ATTRIBUTE, ", ".join(missing)
    store.change_step(Step(uid, Status(after), step.to_json_dict()))
    return SUCCESS, ""
