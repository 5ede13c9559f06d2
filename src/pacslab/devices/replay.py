"""`device replay FOLDER`: files of any origin -> checked one by one, then stored and committed study by study."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AllStoragePresentationContexts

from pacslab.devices import jobs, perform, steps
from pacslab.devices.files import sync_folder, uid_path
from pacslab.devices.home import Home, peer_for
from pacslab.devices.jobs import Job
from pacslab.devices.observing import DONE, Outcome, begin, say
from pacslab.devices.pixels import Instance, list_files, pixel_sha256, read_instance, too_large
from pacslab.devices.recipe import Made, Series
from pacslab.model.device import Layer, Observation
from pacslab.model.dicom import Operation, is_uid

STORAGE_CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that stays behind, and why."""

    file: str
    error: str


def replay(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device replay FOLDER`: what can be sent is sent, what cannot is said, each with its own reason."""
    archive = peer_for(home.device, Operation.C_STORE, arguments.archive)
    watch = begin("replay", archive)
    folder = arguments.folder if arguments.folder.exists() else home.data / arguments.folder
    good, problems = check(list_files([folder]))
    for problem in problems:
        say(f"left out: {problem.file}: {problem.error}")
    studies = []
    for number, instances in enumerate(_by_study(good)):
        if number:
            time.sleep(arguments.interval)
        studies.append(_deliver(home, archive, instances, arguments))
    facts: dict[str, Any] = {
        "files": len(good) + len(problems),
        "instances": len(good),
        "problems": [{"file": problem.file, "error": problem.error} for problem in problems],
        "studies": [perform.facts(home, job) for job in studies],
    }
    return watch.end(_outcome(studies, problems, len(good)), **facts)


def _outcome(studies: list[Job], problems: list[Problem], instances: int) -> Outcome:
    behind = next((job for job in studies if job.next_step is not None), None)
    if behind is not None:
        last = behind.timeline[-1]
        waiting = sum(job.next_step is not None for job in studies)
        return Outcome(False, last.layer, last.status, f"{waiting} studies wait in the queue: {last.detail}")
    if problems:
        return Outcome(False, Layer.LOCAL, "refused", f"{len(problems)} files left out: {problems[0].error}")
    return replace(DONE, detail=f"{instances} instances of {len(studies)} studies")


def check(paths: Iterable[Path]) -> tuple[list[Instance], list[Problem]]:
    """Part what can be sent from what cannot."""
    good: list[Instance] = []
    problems: list[Problem] = []
    seen: dict[str, Path] = {}
    for path in paths:
        try:
            instance = read_instance(path)
            error = refusal(instance)
        except (ValueError, OSError) as failure:
            error = str(failure)
        else:
            if not error and instance.sop_instance in seen:
                error = f"it has the SOP Instance UID of {seen[instance.sop_instance]}"
        if error:
            problems.append(Problem(str(path), error))
        else:
            seen[instance.sop_instance] = path
            good.append(instance)
    return good, problems


def refusal(instance: Instance) -> str:
    """Say why an instance cannot be sent; empty if it can."""
    uids = {
        "SOP Instance UID": instance.sop_instance,
        "Study Instance UID": instance.study,
        "Series Instance UID": instance.series,
    }
    for name, uid in uids.items():
        if not is_uid(uid):
            return f"{name} {uid!r} is not a UID (PS3.5 9.1)"
    if instance.sop_class not in STORAGE_CLASSES:
        return f"SOP class {instance.sop_class!r} is not a storage class of PS3.4 B.5"
    if UID(instance.transfer_syntax).is_private:
        return f"transfer syntax {instance.transfer_syntax!r} is private"
    return too_large(instance)


def _by_study(instances: Iterable[Instance]) -> list[list[Instance]]:
    studies: dict[str, list[Instance]] = {}
    for instance in instances:
        studies.setdefault(instance.study, []).append(instance)
    return list(studies.values())


def _deliver(home: Home, archive: str, instances: list[Instance], arguments: argparse.Namespace) -> Job:
    uid = steps.new_uid()
    with jobs.held(home, uid):
        job = Job(uid=uid, steps=perform.delivery_steps(home, archive), archive=archive, begun=jobs.now())
        job = replace(job, series=_take_in(home, uid, instances, new_uids=arguments.new_uids))
        jobs.save(home, job)
        return perform.carry_on(home, job, arguments.patience, arguments.wait)


def _take_in(home: Home, job: str, instances: list[Instance], *, new_uids: bool) -> tuple[Series, ...]:
    """Keep the files for as long as the job needs them, whatever becomes of where they came from."""
    folder = uid_path(home.folder("replay"), job)
    folder.mkdir(parents=True, exist_ok=True)
    uids: dict[str, str] = {}
    series: dict[str, list[Made]] = {}
    for instance in instances:
        taken = _renewed(instance, folder, uids) if new_uids else _linked(instance, folder)
        made = Made(str(taken.path), taken.sop_class, taken.sop_instance, pixel_sha256(taken))
        series.setdefault(taken.series, []).append(made)
    sync_folder(folder)
    return tuple(Series(uid, "replayed", tuple(made)) for uid, made in series.items())


def _linked(instance: Instance, folder: Path) -> Instance:
    path = uid_path(folder, instance.sop_instance, suffix=".dcm")
    path.unlink(missing_ok=True)
    try:
        os.link(instance.path, path)
    except OSError:  # another file system
        shutil.copyfile(instance.path, path)
    return replace(instance, path=path)


def _renewed(instance: Instance, folder: Path, uids: dict[str, str]) -> Instance:
    """Write the instance under new UIDs, the same old one always becoming the same new one."""
    with instance.path.open("rb") as file:
        head = pydicom.dcmread(file, stop_before_pixels=True)
        for old in (instance.study, instance.series, instance.sop_instance):
            uids.setdefault(old, steps.new_uid())
        head.walk(lambda dataset, element: _renew(dataset, element.tag, uids))
        head.file_meta.MediaStorageSOPInstanceUID = head.SOPInstanceUID
        text = BytesIO()
        head.save_as(text, enforce_file_format=True)
        path = uid_path(folder, str(head.SOPInstanceUID), suffix=".dcm")
        with path.open("wb") as out:
            out.write(text.getvalue())
            if instance.pixels is not None:
                file.seek(instance.pixels_begin)
                shutil.copyfileobj(file, out, 2**20)
            out.flush()
            os.fsync(out.fileno())
    return read_instance(path)


def _renew(dataset: Dataset, tag: Any, uids: dict[str, str]) -> None:
    element = dataset[tag]
    if element.VR == "UI" and isinstance(element.value, str) and str(element.value) in uids:
        element.value = uids[str(element.value)]
