"""A procedure's progress and its images -> MPPS and storage commitment with a peer: `device mpps`, `device commit`."""

from __future__ import annotations

import argparse
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from pacslab.devices.association import WORK_TIMEOUT_S, call
from pacslab.devices.files import read_json, uid_path, wait_until, write_json
from pacslab.devices.home import Home, Target, UsageError
from pacslab.devices.observing import Outcome, begin
from pacslab.devices.query import plain
from pacslab.devices.recipe import Made, Series
from pacslab.devices.scheduled import Scheduled
from pacslab.model.device import Device, Layer, Observation
from pacslab.model.dicom import is_uid

REQUEST_COMMITMENT = 1  # PS3.4 J.3.2: action type

# PS3.16 CID 9300: why a procedure was discontinued.
REASONS = {
    "doctor-cancelled": ("110500", "Doctor canceled procedure"),
    "equipment-failure": ("110501", "Equipment failure"),
    "incorrect-procedure": ("110502", "Incorrect procedure ordered"),
    "patient-refused": ("110505", "Patient refused to continue procedure"),
    "patient-did-not-arrive": ("110507", "Patient did not arrive"),
    "unspecified": ("110513", "Discontinued for unspecified reason"),
    "incorrect-entry": ("110514", "Incorrect worklist entry selected"),
}


def new_uid() -> str:
    """Make a UID nobody has (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def mpps(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device mpps PEER`: N-CREATE a step in progress, or N-SET it to its end (PS3.4 F.7)."""
    if arguments.start:
        return _start(home, arguments)
    return _end(home, arguments, arguments.complete or arguments.discontinue, completed=bool(arguments.complete))


def _start(home: Home, arguments: argparse.Namespace) -> Observation:
    watch = begin("N-CREATE-MPPS", arguments.target.node)
    uid = arguments.uid or new_uid()
    order = Scheduled(
        study_uid=arguments.study_uid or new_uid(),
        accession=arguments.accession,
        patient_id=arguments.patient_id,
        patient_name=arguments.patient_name,
    )
    outcome = start(home, arguments.target, uid, start_attributes(home.device, order, dt.datetime.now().astimezone()))
    if outcome.ok:
        write_json(uid_path(home.folder("mpps"), uid, suffix=".json"), {"study_uid": order.study_uid})
    return watch.end(outcome, mpps_uid=uid, study_uid=order.study_uid)


def start(home: Home, target: Target, uid: str, attributes: Dataset) -> Outcome:
    """N-CREATE a performed procedure step (PS3.4 F.7.2.1)."""
    with call(home, target, [build_context(ModalityPerformedProcedureStep)]) as line:
        if not line.established:
            return line.refusal()
        _, outcome = line.ask(line.association.send_n_create, attributes, ModalityPerformedProcedureStep, UID(uid))
        return outcome


def performed_id(now: dt.datetime) -> str:
    """The Performed Procedure Step ID of a step begun now; at most 16 characters."""
    return now.strftime("P%y%m%d%H%M%S")


def start_attributes(device: Device, order: Scheduled, now: dt.datetime) -> Dataset:
    """Write what a step in progress says (PS3.4 F.7.2.1: types 1 and 2 of the N-CREATE)."""
    scheduled = Dataset()
    scheduled.StudyInstanceUID = order.study_uid
    scheduled.ReferencedStudySequence = []
    scheduled.AccessionNumber = order.accession
    scheduled.RequestedProcedureID = order.procedure_id
    scheduled.RequestedProcedureDescription = order.procedure
    scheduled.ScheduledProcedureStepID = order.step_id
    scheduled.ScheduledProcedureStepDescription = order.step
    scheduled.ScheduledProtocolCodeSequence = []
    step = Dataset()
    step.SpecificCharacterSet = "ISO_IR 192"
    step.ScheduledStepAttributesSequence = [scheduled]
    step.PatientName = order.patient_name
    step.PatientID = order.patient_id
    step.PatientBirthDate = order.birth_date
    step.PatientSex = order.sex if order.sex in {"F", "M", "O"} else ""
    step.ReferencedPatientSequence = []
    step.PerformedProcedureStepID = performed_id(now)
    step.PerformedStationAETitle = device.ae_title or ""
    step.PerformedStationName = device.node[:16]
    step.PerformedLocation = ""
    step.PerformedProcedureStepStartDate = now.strftime("%Y%m%d")
    step.PerformedProcedureStepStartTime = now.strftime("%H%M%S")
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PerformedProcedureStepDescription = f"SYNTHETIC {order.procedure}".strip()[:64]
    step.PerformedProcedureTypeDescription = ""
    step.ProcedureCodeSequence = []
    step.PerformedProcedureStepEndDate = ""
    step.PerformedProcedureStepEndTime = ""
    step.Modality = order.modality or device.modality or "OT"
    step.StudyID = order.procedure_id[:16]
    step.PerformedProtocolCodeSequence = []
    step.PerformedSeriesSequence = []
    return step


def _end(home: Home, arguments: argparse.Namespace, uid: str, *, completed: bool) -> Observation:
    watch = begin("N-SET-MPPS", arguments.target.node)
    note = uid_path(home.folder("mpps"), uid, suffix=".json")
    study = arguments.study_uid or (read_json(note)["study_uid"] if note.exists() else "")
    images = tuple(Made("", sop_class, uid, None) for uid, sop_class in sent(home, study).items())
    reason = "" if completed else "unspecified"
    attributes = end_attributes((Series(new_uid(), "", images),), "", reason, dt.datetime.now().astimezone())
    outcome, reply = end(home, arguments.target, uid, attributes)
    return watch.end(outcome, mpps_uid=uid, study_uid=study, reply=plain(reply))


def end(home: Home, target: Target, uid: str, attributes: Dataset) -> tuple[Outcome, Dataset]:
    """N-SET a performed procedure step (PS3.4 F.7.2.2)."""
    with call(home, target, [build_context(ModalityPerformedProcedureStep)]) as line:
        if not line.established:
            return line.refusal(), Dataset()
        reply, outcome = line.ask(line.association.send_n_set, attributes, ModalityPerformedProcedureStep, UID(uid))
        return outcome, reply


def end_attributes(series: Sequence[Series], retrieve_ae: str, reason: str, now: dt.datetime) -> Dataset:
    """Write what a step says at its end (PS3.4 F.7.2.2).

    Args:
        series: What was made, also when it is discontinued.
        retrieve_ae: Who has the images.
        reason: One of `REASONS` for a step that is discontinued; empty for one that is completed.
        now: When it ended.
    """
    step = Dataset()
    step.PerformedProcedureStepStatus = "DISCONTINUED" if reason else "COMPLETED"
    step.PerformedProcedureStepEndDate = now.strftime("%Y%m%d")
    step.PerformedProcedureStepEndTime = now.strftime("%H%M%S")
    # PS3.4 table F.7.2-1: at least one series is needed in the final state, also where nothing was made.
    step.PerformedSeriesSequence = [_series(item, retrieve_ae) for item in series or (Series(new_uid(), "", ()),)]
    if reason:
        code = Dataset()
        code.CodeValue, code.CodeMeaning = REASONS[reason]
        code.CodingSchemeDesignator = "DCM"
        step.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code]
    return step


def _series(made: Series, retrieve_ae: str) -> Dataset:
    series = Dataset()
    series.PerformingPhysicianName = ""
    series.OperatorsName = ""
    series.ProtocolName = "SYNTHETIC"
    series.SeriesInstanceUID = made.uid
    series.SeriesDescription = made.description[:64]
    series.RetrieveAETitle = retrieve_ae
    series.ReferencedImageSequence = [_reference(image.sop_class, image.sop_instance) for image in made.instances]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    return series


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return item


def sent(home: Home, study: str, peer: str = "") -> dict[str, str]:
    """The instances of a study that were stored on a peer (any, if not said): SOP Instance UID -> SOP Class UID."""
    if not is_uid(study):
        return {}
    path = sent_file(home, study)
    if not path.exists():
        return {}
    notes = [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()]
    return {uid: sop_class for by, sop_class, uid in (note for note in notes if len(note) == 3) if peer in {"", by}}


def sent_file(home: Home, study: str) -> Path:
    """Where it is noted what peers have stored of a study: a line each, `PEER SOP-CLASS SOP-INSTANCE`."""
    return uid_path(home.folder("sent"), study, suffix=".txt")


def commit(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device commit PEER`: ask for storage commitment of what was sent (PS3.4 J), then wait for `serve` to be told."""
    images = sent(home, arguments.study_uid, arguments.target.node)
    if not images:
        raise UsageError(
            f"nothing of study {arguments.study_uid} was sent to {arguments.target.node}: `device send` it"
        )
    watch = begin("N-ACTION-STGCMT", arguments.target.node)
    transaction = new_uid()
    outcome = ask_commitment(home, arguments.target, transaction, images)
    result: dict[str, Any] = {}
    if outcome.ok:
        result = reported(home, transaction, arguments.wait)
        outcome = judge_commitment(outcome, result, frozenset(images), arguments.wait)
    return watch.end(outcome, **commitment_facts(transaction, len(images), result))


def ask_commitment(home: Home, target: Target, transaction: str, images: Mapping[str, str]) -> Outcome:
    """N-ACTION a storage commitment request (PS3.4 J.3.2) for SOP Instance UIDs with their SOP Class UIDs."""
    request = Dataset()
    request.TransactionUID = transaction
    request.ReferencedSOPSequence = [_reference(sop_class, uid) for uid, sop_class in images.items()]
    with call(home, target, [build_context(StorageCommitmentPushModel)], timeout_s=WORK_TIMEOUT_S) as line:
        if not line.established:
            return line.refusal()
        model, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        return line.ask(line.association.send_n_action, request, REQUEST_COMMITMENT, model, instance)[1]


def reported(home: Home, transaction: str, wait_s: float) -> dict[str, Any]:
    """What `serve` was told of a storage commitment, as soon as it was; empty if it was not in time."""
    path = uid_path(home.folder("commitments"), transaction, suffix=".json")
    return dict(read_json(path)) if wait_until(path.exists, wait_s) else {}


def judge_commitment(accepted: Outcome, result: dict[str, Any], asked: frozenset[str], waited_s: float) -> Outcome:
    """Say whether every image that was asked for is committed."""
    if not result:
        return Outcome(False, Layer.DIMSE, "timed out", f"accepted, but no N-EVENT-REPORT came within {waited_s:g} s")
    committed = asked & set(result["committed"])
    if committed != asked:
        status = next(iter(result["failed"].values()), accepted.status)
        return Outcome(False, Layer.DIMSE, status, f"{len(committed)} of {len(asked)} instances committed")
    return Outcome(True, Layer.DIMSE, accepted.status, f"{len(asked)} instances committed")


def commitment_facts(transaction: str, requested: int, result: dict[str, Any]) -> dict[str, Any]:
    """What an observation says of a storage commitment, as JSON values."""
    return {
        "transaction_uid": transaction,
        "requested": requested,
        "committed": len(result.get("committed", ())),
        "failed": result.get("failed", {}),
        "reported_by": result.get("from", ""),
    }
