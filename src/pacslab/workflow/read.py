"""Part `read`: the workstation finds the study by its accession number, has it delivered, and reads it in the web."""

from __future__ import annotations

from pacslab.model.workflow import Part, PlannedStep, Step
from pacslab.workflow.asking import Answer
from pacslab.workflow.course import Acts, Course, Finding, found, unmet


def _find(course: Course, planned: PlannedStep) -> Finding:
    answer = course.ask(planned.source, "find", planned.destination, "--accession", course.study.accession)
    return _one_study(course, answer)


def _search(course: Course, planned: PlannedStep) -> Finding:
    answer = course.ask(planned.source, "search", planned.destination, "--accession", course.study.accession)
    return _one_study(course, answer)


def _one_study(course: Course, answer: Answer) -> Finding:
    """The accession number leads to this study, whole, and to no other."""
    study = course.study
    if not answer.observation.ok:
        return found(answer)
    matches = answer.observation.facts.get("matches", ())
    if [match.get("StudyInstanceUID") for match in matches] != [study.study_uid]:
        return unmet(answer, f"{len(matches)} studies for accession number {study.accession}, not the one made")
    count = str(matches[0].get("NumberOfStudyRelatedInstances", ""))
    if count and count != str(len(study.pixels)):
        return unmet(answer, f"the study has {count} instances, not {len(study.pixels)}")
    return found(answer, f"1 study, {len(study.pixels)} instances")


def _deliver(course: Course, planned: PlannedStep) -> Finding:
    answer = course.ask(planned.source, "move", planned.destination, "--study-uid", course.study.study_uid)
    return _same(course, answer, planned.source, "delivered")


def _retrieve(course: Course, planned: PlannedStep) -> Finding:
    answer = course.ask(planned.source, "retrieve", planned.destination, "--study-uid", course.study.study_uid)
    return _same(course, answer, f"{planned.source} (DICOMweb)", "retrieved")


def _same(course: Course, answer: Answer, place: str, how: str) -> Finding:
    if not answer.observation.ok:
        return found(answer)
    difference = course.compare(place, answer.observation.facts.get("pixel_sha256", {}))
    if difference:
        return unmet(answer, difference)
    return found(answer, f"{len(course.study.pixels)} instances {how}, pixels the same")


ACTS: Acts = {Step.FIND: _find, Step.DELIVER: _deliver, Step.SEARCH: _search, Step.RETRIEVE: _retrieve}


def run(course: Course) -> None:
    """Take the part's steps.

    Raises:
        StepFailedError: One did not hold.
    """
    course.walk(Part.READ, ACTS)
