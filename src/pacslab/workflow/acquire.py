"""Part `acquire`: the scanner asks its worklist, starts, acquires, stores, has it committed, and completes."""

from __future__ import annotations

from pacslab.model.workflow import PlannedStep, Step
from pacslab.workflow.course import Acts, Course, Finding, found, unmet


def _worklist(course: Course, planned: PlannedStep) -> Finding:
    study = course.study
    answer = course.ask(planned.source, "worklist", planned.destination, "--accession", study.accession)
    if not answer.observation.ok:
        return found(answer)
    matches = answer.observation.facts.get("matches", ())
    if len(matches) != 1:
        return unmet(answer, f"{len(matches)} worklist entries for accession number {study.accession}, not 1")
    said = (matches[0].get("AccessionNumber"), matches[0].get("PatientID"), matches[0].get("StudyInstanceUID"))
    if said != (study.accession, study.patient_id, study.study_uid):
        return unmet(answer, f"the entry is of accession, patient, study {said}")
    return found(answer, f"found patient {study.patient_id}")


def _identity(course: Course) -> tuple[str, ...]:
    study = course.study
    patient = ("--patient-id", study.patient_id, "--patient-name", study.patient_name)
    return ("--accession", study.accession, "--study-uid", study.study_uid, *patient)


def _start(course: Course, planned: PlannedStep) -> Finding:
    answer = course.ask(planned.source, "mpps", planned.destination, "--start", *_identity(course))
    course.learn(mpps_uid=str(answer.observation.facts.get("mpps_uid", "")))
    return found(answer, "procedure step in progress")


def _store(course: Course, planned: PlannedStep) -> Finding:
    study = course.study
    side = str(study.side_pixels)
    form = ("--slices", str(study.slices), "--rows", side, "--columns", side, "--seed", str(study.seed))
    answer = course.ask(planned.source, "acquire", *form, *_identity(course), "--send", planned.destination)
    if answer.observation.ok:
        course.learn(pixels=dict(answer.observation.facts.get("pixel_sha256", {})))
    return found(answer)


def _commit(course: Course, planned: PlannedStep) -> Finding:
    answer = course.ask(planned.source, "commit", planned.destination, "--study-uid", course.study.study_uid)
    return found(answer)


def _complete(course: Course, planned: PlannedStep) -> Finding:
    end = ("--complete", course.study.mpps_uid, "--study-uid", course.study.study_uid)
    return found(course.ask(planned.source, "mpps", planned.destination, *end), "procedure step completed")


ACTS: Acts = {
    Step.WORKLIST: _worklist,
    Step.START: _start,
    Step.STORE: _store,
    Step.COMMIT: _commit,
    Step.COMPLETE: _complete,
}
