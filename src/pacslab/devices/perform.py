"""A job and its next step -> the job one step further: in `device perform`, or in `serve` after a restart."""

from __future__ import annotations

import importlib
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pacslab.devices import jobs, scu, steps
from pacslab.devices.home import Home, Override, Target, choose_target, peer_for
from pacslab.devices.jobs import Job, Step
from pacslab.devices.observing import DONE, Outcome, say
from pacslab.model.device import Layer
from pacslab.model.dicom import DIMSE_APPLICATIONS, Operation

PATIENCE_PAUSE_S = 1.0
COMMITMENT_WAIT_S = 30.0
DUPLICATE_INSTANCE = "0x0111"  # PS3.7 C.5.7
NO_SUCH_INSTANCE = "0x0112"
FINAL_ALREADY = "0x0110"  # PS3.4 F.7.2.2.2: the step may no longer be updated
FAULTS_OF_PEER = frozenset({Layer.TCP, Layer.TLS})
# PS3.8 9.3.4: rejections that pass.
REJECTED_FOR_NOW = ("A-ASSOCIATE-RJ 2/3/1", "A-ASSOCIATE-RJ 2/3/2", "A-ABORT", "timed out", "connection closed")


def passes(outcome: Outcome) -> bool:
    """Say whether a failure may be gone in a moment: a peer that restarts, is full, or has lost its line."""
    if outcome.layer in FAULTS_OF_PEER:
        return True
    if outcome.status.startswith("0xA7"):  # PS3.4 B.2.3: out of resources
        return True
    return outcome.status.startswith(REJECTED_FOR_NOW)


def carry_on(home: Home, job: Job, patience_s: float, wait_s: float = COMMITMENT_WAIT_S) -> Job:
    """Do the steps that are due until all is done or one fails for longer than that; the job is saved after each.

    Args:
        home: This node.
        job: Held by this process.
        patience_s: How long failures that pass are tried again here; after that the queue has them.
        wait_s: How long the report of a storage commitment is waited for.
    """
    end = time.monotonic() + patience_s
    while (step := job.next_step) is not None:
        at = jobs.now()
        job, outcome = _do(home, job, step, wait_s)
        moment = jobs.moment(step, at, outcome)
        job = job.succeeded(moment) if outcome.ok else job.failed(moment)
        jobs.save(home, job)
        say(f"{step.value} of {job.uid}: {outcome.layer.value}: {outcome.status} {outcome.detail}".rstrip())
        if outcome.ok:
            continue
        if job.closed or not passes(outcome) or time.monotonic() + PATIENCE_PAUSE_S > end:
            return job
        time.sleep(PATIENCE_PAUSE_S)
    return job


def _do(home: Home, job: Job, step: Step, wait_s: float) -> tuple[Job, Outcome]:
    try:
        match step:
            case Step.START:
                return _start(home, job)
            case Step.ACQUIRE:
                return _acquire(home, job)
            case Step.STORE:
                return job, _store(home, job)
            case Step.COMMIT:
                return _commit(home, job, wait_s)
            case Step.FINISH:
                return job, _finish(home, job)
    except OSError as error:  # this node's own disk or TLS files
        return job, Outcome(False, Layer.LOCAL, type(error).__name__, str(error))
    raise AssertionError(step)


def target_of(home: Home, node: str) -> Target:
    """Whom to call when that node is meant."""
    return choose_target(home.device, node, DIMSE_APPLICATIONS, Override())


def _start(home: Home, job: Job) -> tuple[Job, Outcome]:
    assert job.order is not None
    attributes = steps.start_attributes(home.device, job.order, job.begun)
    outcome = steps.start(home, target_of(home, job.ris), job.uid, attributes)
    if outcome.status == DUPLICATE_INSTANCE and job.tries:
        return job, Outcome(True, outcome.layer, outcome.status, "the RIS had taken it before its answer was lost")
    if outcome.ok or passes(outcome):
        return job, outcome
    # Refused: nothing has begun anywhere, so there is nothing to carry on with.
    return replace(job, closed=f"not begun: {outcome.layer.value}: {outcome.status}"), outcome


def _acquire(home: Home, job: Job) -> tuple[Job, Outcome]:
    study = study_module()
    assert job.recipe is not None
    folder = home.folder("studies") / job.recipe.study / job.uid
    made = study.write_series(job.recipe, folder, job.begun)
    count = sum(len(series.instances) for series in made)
    return replace(job, series=made), Outcome(True, DONE.layer, DONE.status, f"{len(made)} series, {count} instances")


def study_module() -> ModuleType:
    """What makes images; imported late, for it takes numpy, which a server keeps out for a quicker start."""
    if sys.modules.get("numpy", sys) is None:
        del sys.modules["numpy"]
    return importlib.import_module("pacslab.devices.study")


def _store(home: Home, job: Job) -> Outcome:
    """One association for each series; what the archive has is not sent again."""
    target = target_of(home, job.archive)
    outcome = Outcome(True, Layer.DIMSE, "0x0000", "nothing to store")
    for series in job.series:
        there = jobs.stored(home, job.uid)
        paths = [Path(image.file) for image in series.instances if image.sop_instance not in there]
        if not paths:
            continue
        seen = scu.send(home, target, paths, lambda image: jobs.note_stored(home, job.uid, image.sop_instance))
        outcome = Outcome(seen.ok, seen.layer, seen.status, seen.detail)
        if not seen.ok:
            left = len(job.instances) - len(jobs.stored(home, job.uid))
            return replace(
                outcome, detail=f"{outcome.detail}; {left} of {len(job.instances)} instances wait".lstrip("; ")
            )
    return replace(outcome, detail=f"{len(job.instances)} instances in {len(job.series)} series")


def _commit(home: Home, job: Job, wait_s: float) -> tuple[Job, Outcome]:
    """Ask once, then wait; a report that came meanwhile, also for an earlier question, is taken."""
    images = {image.sop_instance: image.sop_class for image in job.instances}
    accepted = Outcome(True, Layer.DIMSE, "0x0000")
    for transaction in reversed(job.transactions):
        result = steps.reported(home, transaction, 0)
        if result and steps.judge_commitment(accepted, result, frozenset(images), 0).ok:
            return job, steps.judge_commitment(accepted, result, frozenset(images), 0)
    transaction = steps.new_uid()
    job = replace(job, transactions=(*job.transactions, transaction)[-20:])
    jobs.save(home, job)  # before it is asked: the report may come to another process, after a restart
    outcome = steps.ask_commitment(home, target_of(home, job.archive), transaction, images)
    if not outcome.ok:
        return job, outcome
    result = steps.reported(home, transaction, wait_s)
    judged = steps.judge_commitment(outcome, result, frozenset(images), wait_s)
    if result and not judged.ok:
        # The archive lost some: they are stored again before it is asked again.
        jobs.forget_stored(home, job.uid, frozenset(images) - set(result["committed"]))
        job = replace(job, done=tuple(step for step in job.done if step is not Step.STORE))
    return job, judged


def _finish(home: Home, job: Job) -> Outcome:
    archive = target_of(home, job.archive)
    attributes = steps.end_attributes(job.series, archive.called_ae, job.reason, jobs.now())
    outcome, _ = steps.end(home, target_of(home, job.ris), job.uid, attributes)
    if outcome.status == FINAL_ALREADY and job.tries:
        return Outcome(True, outcome.layer, outcome.status, "the RIS had taken it before its answer was lost")
    return outcome


def facts(home: Home, job: Job) -> dict[str, Any]:
    """What an observation says of a job, as JSON values."""
    result = steps.reported(home, job.transactions[-1], 0) if job.transactions else {}
    order, there = job.order, jobs.stored(home, job.uid)
    committed = Step.COMMIT in job.done
    return {
        "job": job.uid,
        "mpps_uid": job.uid if Step.FINISH in job.steps else "",
        "mpps_status": _mpps_status(job),
        "accession": order.accession if order else "",
        "study_uid": order.study_uid if order else "",
        "patient_id": order.patient_id if order else "",
        "seed": job.recipe.seed if job.recipe else None,
        "archive": job.archive,
        "series": [
            {"series_uid": item.uid, "description": item.description, "instances": len(item.instances)}
            for item in job.series
        ],
        "instances": len(job.instances),
        "stored": len(job.instances) if Step.STORE in job.done else len(there),
        "pixel_sha256": {image.sop_instance: image.pixel_sha256 for image in job.instances},
        "commitment": {
            "transaction_uid": job.transactions[-1] if job.transactions else "",
            "committed": len(job.instances) if committed else len(result.get("committed", ())),
            "failed": result.get("failed", {}),
            "reported_by": result.get("from", ""),
            "ok": committed,
        },
        "next_step": job.next_step.value if job.next_step else "",
        "closed": job.closed,
        "timeline": [
            {
                "step": moment.step.value,
                "at": moment.at.isoformat(timespec="milliseconds"),
                "elapsed_s": moment.elapsed_s,
                "ok": moment.ok,
                "layer": moment.layer.value,
                "status": moment.status,
                "detail": moment.detail,
            }
            for moment in job.timeline
        ],
    }


def _mpps_status(job: Job) -> str:
    if Step.FINISH in job.done:
        return "DISCONTINUED" if job.reason else "COMPLETED"
    return "IN PROGRESS" if Step.START in job.done else ""


def peers(home: Home, ris: str | None, archive: str | None) -> tuple[str, str]:
    """The RIS and the archive of this device's policy, or those that are named."""
    return (
        peer_for(home.device, Operation.C_FIND_MWL, ris),
        peer_for(home.device, Operation.C_STORE, archive),
    )


def delivery_steps(home: Home, archive: str) -> tuple[Step, ...]:
    """What it takes to bring images to an archive; commitment only where the policy lets it be asked."""
    asks = {op for peer in home.device.peers if peer.node == archive for op in peer.may_request}
    return jobs.DELIVERY if Operation.N_ACTION_STGCMT in asks else (Step.STORE,)
