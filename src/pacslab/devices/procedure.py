"""`device perform` and `device procedure`: a worklist entry -> a whole procedure, from its start to its final MPPS."""

from __future__ import annotations

import argparse
from dataclasses import replace

from pacslab.devices import jobs, perform, query, steps
from pacslab.devices.files import wait_until
from pacslab.devices.home import Home, UsageError, peer_for
from pacslab.devices.jobs import Job, Step
from pacslab.devices.observing import DONE, Outcome, Watch, begin, say
from pacslab.devices.scheduled import Scheduled, choose, read_entry
from pacslab.model.device import Layer, Observation
from pacslab.model.dicom import Operation

CLAIM_WAIT_S = 20.0


def perform_command(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device perform`: worklist, MPPS in progress, acquisition, storage, commitment, MPPS final."""
    study = perform.study_module()
    watch = begin("perform")
    study.choose_forms(study.choose_modality(home.device, None), arguments.series)  # usage errors come first
    ris, archive = perform.peers(home, arguments.ris, arguments.archive)
    uid = steps.new_uid()
    with jobs.held(home, uid):
        claimed = _claim(home, arguments, uid, ris, archive)
        if isinstance(claimed, Outcome):
            return replace(watch.end(claimed, accession=arguments.accession, timeline=[]), peer=ris)
        job = perform.carry_on(home, claimed, arguments.patience, arguments.wait)
    return _observation(home, watch, job)


def _claim(home: Home, arguments: argparse.Namespace, uid: str, ris: str, archive: str) -> Job | Outcome:
    """Choose a worklist entry and put the job into the queue before anyone else of this node chooses."""
    mine: list[Job | Outcome] = []

    def attempt() -> bool:
        with jobs.held(home, "worklist") as alone:
            if alone:
                mine.append(_choose(home, arguments, uid, ris, archive))
        return bool(mine)

    wait_until(attempt, CLAIM_WAIT_S)
    return mine[0] if mine else Outcome(False, Layer.LOCAL, "busy", "another process is choosing from the worklist")


def _choose(home: Home, arguments: argparse.Namespace, uid: str, ris: str, archive: str) -> Job | Outcome:
    begun = jobs.now()
    keys = {
        "modality": home.device.modality,
        "station_ae": home.device.ae_title or "",
        "accession": arguments.accession,
    }
    seen = query.ask_worklist(home, perform.target_of(home, ris), keys)
    outcome = Outcome(seen.ok, seen.layer, seen.status, seen.detail)
    if not outcome.ok:
        return replace(outcome, detail=f"worklist of {ris}: {outcome.detail}")
    taken = frozenset(job.order.accession for job in jobs.waiting(home) if job.order)
    if arguments.accession in taken:
        return Outcome(False, Layer.LOCAL, "in progress", f"{arguments.accession} is being performed: `device queue`")
    entries = _entries(seen.facts["matches"])
    entry = choose(entries, arguments.accession, taken)
    if entry is None:
        return Outcome(False, Layer.DIMSE, "no match", _nothing(home, ris, arguments.accession, len(entries)))
    job = _job(home, arguments, uid, entry)
    found = Outcome(True, outcome.layer, outcome.status, f"{len(entries)} entries; {entry.accession} chosen")
    job = replace(job, ris=ris, archive=archive, timeline=(jobs.moment(Step.WORKLIST, begun, found),))
    jobs.save(home, job)
    say(f"worklist of {ris}: {found.detail}, study {entry.study_uid}")
    return job


def _entries(matches: list[dict[str, object]]) -> list[Scheduled]:
    entries = []
    for match in matches:
        try:
            entries.append(read_entry(match))
        except ValueError as error:
            say(f"left out: {error}")
    return entries


def _nothing(home: Home, ris: str, accession: str, entries: int) -> str:
    which = f"with accession number {accession}" if accession else "that is not begun"
    whose = f"{home.device.modality} at {home.device.ae_title}"
    return f"{ris} has no worklist entry {which} for {whose} ({entries} matched)"


def _job(home: Home, arguments: argparse.Namespace, uid: str, entry: Scheduled) -> Job:
    study = perform.study_module()
    at = jobs.now()
    order = replace(entry, modality=home.device.modality)
    reason = arguments.discontinue or ""
    # What is discontinued ends after its first series.
    chosen = study.choose_forms(order.modality, arguments.series)[: 1 if reason else None]
    recipe = study.make_recipe(home.device, order, chosen, arguments)
    recipe = replace(recipe, performed_uid=uid, performed_id=steps.performed_id(at))
    return Job(uid=uid, steps=jobs.PROCEDURE, archive="", begun=at, order=order, recipe=recipe, reason=reason)


def _observation(home: Home, watch: Watch, job: Job) -> Observation:
    last = job.timeline[-1]
    outcome = Outcome(last.ok, last.layer, last.status, last.detail)
    if outcome.ok and job.next_step is None and not job.closed:
        status = "DISCONTINUED" if job.reason else "COMPLETED"
        outcome = Outcome(
            True, DONE.layer, status if Step.FINISH in job.steps else "delivered", f"{len(job.instances)} instances"
        )
    elif outcome.ok:
        due = job.next_step.value if job.next_step else ""
        outcome = Outcome(False, Layer.LOCAL, "in progress", f"{last.step.value} done, {due} due")
    else:
        outcome = replace(outcome, detail=f"{last.step.value}: {outcome.detail}")
    peer = job.ris if last.step in {Step.WORKLIST, Step.START, Step.FINISH} else job.archive
    return replace(watch.end(outcome, **perform.facts(home, job)), peer=peer)


def on_schedule(home: Home) -> Observation:
    """Do what is due by the clock: the next procedure; where there is no RIS, a study that nobody ordered."""
    from pacslab.devices.command import parser  # noqa: PLC0415 - the command line's defaults are the schedule's

    arguments = parser().parse_args(["perform", "--patience", "0"])
    if any(Operation.C_FIND_MWL in peer.may_request for peer in home.device.peers):
        return perform_command(home, arguments)
    return _unscheduled(home, arguments)


def _unscheduled(home: Home, arguments: argparse.Namespace) -> Observation:
    study, device = perform.study_module(), home.device
    watch, begun, uid = begin("perform"), jobs.now(), steps.new_uid()
    archive = peer_for(device, Operation.C_STORE)
    order = Scheduled(
        study_uid=steps.new_uid(),
        patient_id=begun.strftime("SYN-%y%m%d%H%M%S"),
        patient_name="SYNTHETIC^UNSCHEDULED",
        modality=device.modality,
    )
    recipe = study.make_recipe(device, order, study.choose_forms(device.modality, arguments.series), arguments)
    takes = (Step.ACQUIRE, *perform.delivery_steps(home, archive))
    job = Job(uid=uid, steps=takes, archive=archive, begun=begun, order=order, recipe=recipe)
    with jobs.held(home, uid):
        jobs.save(home, job)
        job = perform.carry_on(home, job, arguments.patience, arguments.wait)
    return _observation(home, watch, job)


def procedure(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device procedure`: how far a procedure has come, found by accession number or UID; waits for its end if asked.

    Raises:
        UsageError: This node knows of none such.
    """
    watch = begin("procedure")
    found = [job for job in (*jobs.finished(home), *jobs.waiting(home)) if _is(job, arguments)]
    if not found:
        raise UsageError("no such procedure here: `device queue` lists them")
    uid = found[-1].uid
    wait_until(lambda: not _unfinished(home, uid), arguments.wait, every_s=0.2)
    job = jobs.load(home, uid)
    assert job is not None
    return _observation(home, watch, job)


def _unfinished(home: Home, uid: str) -> bool:
    job = jobs.load(home, uid)
    return job is not None and job.next_step is not None


def _is(job: Job, arguments: argparse.Namespace) -> bool:
    if arguments.uid:
        return bool(job.uid == arguments.uid)
    return job.order is not None and job.order.accession == arguments.accession


def queue(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device queue`: what waits to be stored, committed or reported, and what was done last."""
    rows = [_row(home, job) for job in jobs.waiting(home)]
    done = [_row(home, job) for job in jobs.finished(home)][-arguments.last :]
    return begin("queue").end(DONE, waiting=rows, count=len(rows), done=done)


def _row(home: Home, job: Job) -> dict[str, object]:
    facts = perform.facts(home, job)
    last = job.timeline[-1] if job.timeline else None
    return {
        **{name: facts[name] for name in ("job", "accession", "study_uid", "mpps_status", "archive", "instances")},
        "stored": facts["stored"],
        "committed": Step.COMMIT in job.done,
        "next_step": facts["next_step"],
        "closed": job.closed,
        "tries": job.tries,
        "due": job.due.isoformat(timespec="seconds") if job.due else "",
        "begun": job.begun.isoformat(timespec="seconds"),
        "last": f"{last.step.value}: {last.layer.value}: {last.status} {last.detail}".rstrip() if last else "",
    }
