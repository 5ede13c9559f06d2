"""`device find`, `worklist`, `move` and `get`: keys -> matches, sub-operation counts and the instances that arrived."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import ALL_TRANSFER_SYNTAXES, StoragePresentationContexts, build_role, evt
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityWorklistInformationFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)
from pynetdicom.status import code_to_category

from pacslab.devices.association import WORK_TIMEOUT_S, Call, call, outcome_of
from pacslab.devices.files import wait_until
from pacslab.devices.home import Home, Target
from pacslab.devices.observing import Outcome, begin
from pacslab.devices.pixels import pixel_sha256, read_instance
from pacslab.model.device import Layer, Observation

# PS3.4 C.6.2.1: what the study root model returns at each level.
KEYS = {
    "STUDY": (
        "StudyDate", "StudyTime", "AccessionNumber", "PatientName", "PatientID", "StudyID", "StudyInstanceUID",
        "StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
    ),
    "SERIES": ("Modality", "SeriesNumber", "SeriesInstanceUID", "SeriesDescription", "NumberOfSeriesRelatedInstances"),
    "IMAGE": ("InstanceNumber", "SOPInstanceUID", "SOPClassUID"),
}  # fmt: skip
GET_SYNTAX_LIMIT = 127  # contexts left beside the query's own (PS3.8 9.3.2.2)


def find(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device find PEER`: C-FIND in the study root model (PS3.4 C.4.1)."""
    query = Dataset()
    query.QueryRetrieveLevel = arguments.level
    for keyword in KEYS[arguments.level]:
        setattr(query, keyword, "")
    given = {
        "AccessionNumber": arguments.accession,
        "PatientID": arguments.patient_id,
        "PatientName": arguments.patient_name,
        "StudyInstanceUID": arguments.study_uid,
        "SeriesInstanceUID": arguments.series_uid,
    }
    for keyword, value in given.items():
        if value:
            setattr(query, keyword, value)
    return _find(home, arguments.target, "C-FIND", StudyRootQueryRetrieveInformationModelFind, query)


def worklist(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device worklist PEER`: C-FIND in the modality worklist model (PS3.4 K.6)."""
    return ask_worklist(home, arguments.target, vars(arguments))


def ask_worklist(home: Home, target: Target, keys: dict[str, Any]) -> Observation:
    """Ask a peer's worklist by the keys of `worklist_query`."""
    return _find(home, target, "C-FIND-MWL", ModalityWorklistInformationFind, worklist_query(keys))


def worklist_query(keys: dict[str, Any]) -> Dataset:
    """Write the identifier of a worklist query (PS3.4 K.6.1.2.2); empty keys match everything."""
    step = Dataset()
    step.Modality = keys.get("modality", "")
    step.ScheduledStationAETitle = keys.get("station_ae", "")
    step.ScheduledProcedureStepStartDate = keys.get("date", "")
    for keyword in (
        "ScheduledProcedureStepStartTime",
        "ScheduledPerformingPhysicianName",
        "ScheduledProcedureStepDescription",
        "ScheduledProcedureStepID",
        "ScheduledProcedureStepStatus",
    ):
        setattr(step, keyword, "")
    query = Dataset()
    query.ScheduledProcedureStepSequence = [step]
    query.PatientName = keys.get("patient_name", "")
    query.PatientID = keys.get("patient_id", "")
    query.AccessionNumber = keys.get("accession", "")
    for keyword in (
        "PatientBirthDate",
        "PatientSex",
        "RequestedProcedureID",
        "RequestedProcedureDescription",
        "StudyInstanceUID",
        "ReferringPhysicianName",
    ):
        setattr(query, keyword, "")
    return query


def _find(home: Home, target: Target, operation: str, model: str, query: Dataset) -> Observation:
    watch = begin(operation, target.node)
    matches: list[dict[str, Any]] = []
    with call(home, target, [build_context(model)]) as line:
        if line.established:
            outcome, answers = _pending(line, line.association.send_c_find, query, model)
            matches = [plain(answer) for answer in answers]
        else:
            outcome = line.refusal()
    return watch.end(outcome, matches=matches, count=len(matches))


def _pending(line: Call, send: Any, *arguments: Any) -> tuple[Outcome, list[Dataset]]:
    """Collect the identifiers of pending responses and the final outcome; each response has the whole time-out."""
    answers: list[Dataset] = []
    asked_at = time.monotonic()
    try:
        for status, identifier in send(*arguments):
            if "Status" not in status:
                return line.ended(asked_at), answers
            asked_at = time.monotonic()
            if code_to_category(status.Status) != "Pending":
                return outcome_of(status), answers
            if identifier is not None:
                answers.append(identifier)
    except RuntimeError:  # the association ended before the request could be sent
        pass
    except ValueError as error:
        return Outcome(False, Layer.ASSOCIATION, "presentation context rejected", str(error)), answers
    return line.ended(asked_at), answers


def plain(dataset: Dataset) -> dict[str, Any]:
    """Turn a data set into JSON values by keyword; sequences become lists."""
    result: dict[str, Any] = {}
    for element in dataset:
        if element.VR == "SQ":
            result[element.keyword] = [plain(item) for item in element.value]
        elif element.keyword and element.VR not in {"OB", "OW", "UN"}:
            multiple = element.VM > 1
            result[element.keyword] = [str(value) for value in element.value] if multiple else str(element.value or "")
    return result


def move(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device move PEER`: C-MOVE of a study (PS3.4 C.4.2), then waits until `serve` has received what was delivered."""
    watch = begin("C-MOVE", arguments.target.node)
    destination = arguments.to or home.device.ae_title or ""
    folder = home.folder("received") / arguments.study_uid
    begun_ns = time.time_ns()
    counts: dict[str, int] = {}
    with call(home, arguments.target, [build_context(StudyRootQueryRetrieveInformationModelMove)],
              timeout_s=WORK_TIMEOUT_S) as line:  # fmt: skip
        if line.established:
            outcome = _retrieve(line, line.association.send_c_move, counts, _study(arguments.study_uid), destination,
                                StudyRootQueryRetrieveInformationModelMove)  # fmt: skip
        else:
            outcome = line.refusal()
    expected = counts.get("completed", 0) + counts.get("warning", 0)
    hashes: dict[str, str | None] = {}
    if destination == home.device.ae_title:
        wait_until(lambda: len(_since(folder, begun_ns)) >= expected, arguments.wait)
        hashes = _hashes(_since(folder, begun_ns))
        if outcome.ok and len(hashes) < expected:
            outcome = Outcome(False, Layer.DIMSE, outcome.status, f"{len(hashes)} of {expected} instances arrived here")
    return watch.end(outcome, destination=destination, counts=counts, delivered=len(hashes), pixel_sha256=hashes)


def _study(uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = uid
    return query


def _retrieve(line: Call, send: Any, counts: dict[str, int], *arguments: Any) -> Outcome:
    """Follow a C-MOVE or C-GET to its final response, keeping the latest sub-operation counts (PS3.7 9.1.4)."""

    def watched() -> Iterator[tuple[Dataset, Dataset | None]]:
        for status, identifier in send(*arguments):
            counts.pop("remaining", None)
            for name in ("Remaining", "Completed", "Failed", "Warning"):
                value = status.get(f"NumberOf{name}Suboperations")
                if value is not None:
                    counts[name.lower()] = int(value)
            yield status, identifier

    outcome, _ = _pending(line, watched)
    if outcome.ok and counts.get("failed"):
        return Outcome(False, Layer.DIMSE, outcome.status, f"{counts['failed']} sub-operations failed")
    return outcome


def _since(folder: Path, begun_ns: int) -> list[Path]:
    # A file system's clock may run some milliseconds behind time.time().
    early_ns = begun_ns - 20_000_000
    return [path for path in sorted(folder.glob("*.dcm")) if path.stat().st_mtime_ns >= early_ns]


def _hashes(paths: list[Path]) -> dict[str, str | None]:
    instances = [read_instance(path) for path in paths]
    return {instance.sop_instance: pixel_sha256(instance) for instance in instances}


def get(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device get PEER`: C-GET of a study (PS3.4 C.4.3); the instances come back on the same association."""
    from pacslab.devices import workstation  # noqa: PLC0415 - the only operation that stores as well as asks

    watch = begin("C-GET", arguments.target.node)
    folder = home.folder("received") / arguments.study_uid
    begun_ns = time.time_ns()
    counts: dict[str, int] = {}
    storage = [str(context.abstract_syntax) for context in StoragePresentationContexts][:GET_SYNTAX_LIMIT]
    model = StudyRootQueryRetrieveInformationModelGet
    contexts: list[PresentationContext] = [build_context(model)]
    contexts += [build_context(sop_class, ALL_TRANSFER_SYNTAXES) for sop_class in storage]
    roles = tuple(build_role(sop_class, scp_role=True) for sop_class in storage)
    handlers = ((evt.EVT_C_STORE, workstation.store, [home]),)
    with call(home, arguments.target, contexts, roles=roles, handlers=handlers, timeout_s=WORK_TIMEOUT_S) as line:
        if line.established:
            outcome = _retrieve(line, line.association.send_c_get, counts, _study(arguments.study_uid), model)
        else:
            outcome = line.refusal()
    hashes = _hashes(_since(folder, begun_ns))
    return watch.end(outcome, counts=counts, received=len(hashes), pixel_sha256=hashes)
