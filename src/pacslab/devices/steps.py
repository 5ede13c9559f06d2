"""`device mpps` and `device commit`: progress of a procedure step, and who keeps the images -> observation."""

from __future__ import annotations

import argparse
import datetime as dt
import uuid
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
from pacslab.devices.home import Home, UsageError
from pacslab.devices.observing import Outcome, begin
from pacslab.devices.query import plain
from pacslab.model.device import Layer, Observation
from pacslab.model.dicom import is_uid

REQUEST_COMMITMENT = 1  # PS3.4 J.3.2: action type


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
    step = start_attributes(home, arguments, dt.datetime.now().astimezone())
    with call(home, arguments.target, [build_context(ModalityPerformedProcedureStep)]) as line:
        if line.established:
            send = line.association.send_n_create
            _, outcome = line.ask(send, step, ModalityPerformedProcedureStep, UID(uid))
        else:
            outcome = line.refusal()
    if outcome.ok:
        write_json(uid_path(home.folder("mpps"), uid, suffix=".json"), {"study_uid": _study(step)})
    return watch.end(outcome, mpps_uid=uid, study_uid=_study(step))


def _study(step: Dataset) -> str:
    return str(step.ScheduledStepAttributesSequence[0].StudyInstanceUID)


def start_attributes(home: Home, arguments: argparse.Namespace, now: dt.datetime) -> Dataset:
    """Write what a step in progress says (PS3.4 F.7.2.1: types 1 and 2 of the N-CREATE)."""
    scheduled = Dataset()
    scheduled.StudyInstanceUID = arguments.study_uid or new_uid()
    scheduled.ReferencedStudySequence = []
    scheduled.AccessionNumber = arguments.accession
    for keyword in (
        "RequestedProcedureID",
        "RequestedProcedureDescription",
        "ScheduledProcedureStepID",
        "ScheduledProcedureStepDescription",
    ):
        setattr(scheduled, keyword, "")
    scheduled.ScheduledProtocolCodeSequence = []
    step = Dataset()
    step.SpecificCharacterSet = "ISO_IR 192"
    step.ScheduledStepAttributesSequence = [scheduled]
    step.PatientName = arguments.patient_name
    step.PatientID = arguments.patient_id
    step.PatientBirthDate = ""
    step.PatientSex = ""
    step.ReferencedPatientSequence = []
    step.PerformedProcedureStepID = now.strftime("P%y%m%d%H%M%S")
    step.PerformedStationAETitle = home.device.ae_title or ""
    step.PerformedStationName = home.device.node[:16]
    step.PerformedLocation = ""
    step.PerformedProcedureStepStartDate = now.strftime("%Y%m%d")
    step.PerformedProcedureStepStartTime = now.strftime("%H%M%S")
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PerformedProcedureStepDescription = "SYNTHETIC"
    step.PerformedProcedureTypeDescription = ""
    step.ProcedureCodeSequence = []
    step.PerformedProcedureStepEndDate = ""
    step.PerformedProcedureStepEndTime = ""
    step.Modality = home.device.modality or "OT"
    step.StudyID = ""
    step.PerformedProtocolCodeSequence = []
    step.PerformedSeriesSequence = []
    return step


def _end(home: Home, arguments: argparse.Namespace, uid: str, *, completed: bool) -> Observation:
    watch = begin("N-SET-MPPS", arguments.target.node)
    now = dt.datetime.now().astimezone()
    note = uid_path(home.folder("mpps"), uid, suffix=".json")
    study = arguments.study_uid or (read_json(note)["study_uid"] if note.exists() else "")
    step = Dataset()
    step.PerformedProcedureStepStatus = "COMPLETED" if completed else "DISCONTINUED"
    step.PerformedProcedureStepEndDate = now.strftime("%Y%m%d")
    step.PerformedProcedureStepEndTime = now.strftime("%H%M%S")
    step.PerformedSeriesSequence = [_series(home, study)]
    with call(home, arguments.target, [build_context(ModalityPerformedProcedureStep)]) as line:
        if line.established:
            send = line.association.send_n_set
            reply, outcome = line.ask(send, step, ModalityPerformedProcedureStep, UID(uid))
        else:
            reply, outcome = Dataset(), line.refusal()
    return watch.end(outcome, mpps_uid=uid, study_uid=study, reply=plain(reply))


def _series(home: Home, study: str) -> Dataset:
    """Describe the series made (PS3.4 F.7.2.2), with the images of the study that were stored."""
    series = Dataset()
    series.PerformingPhysicianName = ""
    series.OperatorsName = ""
    series.ProtocolName = "SYNTHETIC"
    series.SeriesInstanceUID = new_uid()
    series.SeriesDescription = ""
    series.RetrieveAETitle = ""
    series.ReferencedImageSequence = [_reference(sop_class, uid) for uid, sop_class in sent(home, study).items()]
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
    notes = {path.stem: read_json(path) for path in sorted((home.data / "sent" / study).glob("*.json"))}
    return {uid: note["sop_class"] for uid, note in notes.items() if not peer or note["peer"] == peer}


def commit(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device commit PEER`: ask for storage commitment of what was sent (PS3.4 J), then wait for `serve` to be told."""
    instances = sent(home, arguments.study_uid, arguments.target.node)
    if not instances:
        raise UsageError(
            f"nothing of study {arguments.study_uid} was sent to {arguments.target.node}: `device send` it"
        )
    watch = begin("N-ACTION-STGCMT", arguments.target.node)
    transaction = new_uid()
    request = Dataset()
    request.TransactionUID = transaction
    request.ReferencedSOPSequence = [_reference(sop_class, uid) for uid, sop_class in instances.items()]
    with call(home, arguments.target, [build_context(StorageCommitmentPushModel)], timeout_s=WORK_TIMEOUT_S) as line:
        if line.established:
            model, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            send = line.association.send_n_action
            _, outcome = line.ask(send, request, REQUEST_COMMITMENT, model, instance)
        else:
            outcome = line.refusal()
    result: dict[str, Any] = {}
    if outcome.ok:
        path = uid_path(home.folder("commitments"), transaction, suffix=".json")
        if wait_until(path.exists, arguments.wait):
            result = read_json(path)
        outcome = _judge(outcome, result, len(instances), arguments.wait)
    return watch.end(
        outcome,
        transaction_uid=transaction,
        requested=len(instances),
        committed=len(result.get("committed", ())),
        failed=result.get("failed", {}),
        reported_by=result.get("from", ""),
    )


def _judge(outcome: Outcome, result: dict[str, Any], requested: int, waited_s: float) -> Outcome:
    if not result:
        return Outcome(False, Layer.DIMSE, "timed out", f"accepted, but no N-EVENT-REPORT came within {waited_s:g} s")
    if result["failed"] or len(result["committed"]) != requested:
        status = next(iter(result["failed"].values()), outcome.status)
        return Outcome(False, Layer.DIMSE, status, f"{len(result['committed'])} of {requested} instances committed")
    return Outcome(True, Layer.DIMSE, outcome.status, f"{requested} instances committed")
