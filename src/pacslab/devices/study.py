"""Recipe -> the files of a synthetic study: each series appears complete or not at all; `device acquire`."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from pacslab.devices import images
from pacslab.devices.files import sync_folder, uid_path
from pacslab.devices.home import Home, UsageError
from pacslab.devices.observing import DONE, begin, say
from pacslab.devices.protocol import DESCRIPTION, EXAMINATION, MODALITIES, SERIES_MAX, Form, forms
from pacslab.devices.recipe import Made, Recipe, Series
from pacslab.devices.scheduled import Scheduled
from pacslab.model.device import Device, Observation

SIDE_MIN_PIXELS = 32
SIDE_MAX_PIXELS = 4096


def acquire(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device acquire`: make a study, write it, and send it if asked."""
    watch = begin("acquire")
    recipe = _recipe(home, arguments)
    folder = arguments.out or home.folder(f"studies/{recipe.study}")
    made = write_series(recipe, folder, dt.datetime.now().astimezone())
    files = [instance for series in made for instance in series.instances]
    say(f"{recipe.modality}: {len(files)} instances in {folder}")
    facts: dict[str, Any] = {
        "modality": recipe.modality,
        "seed": recipe.seed,
        "study_uid": recipe.study,
        "accession": recipe.order.accession,
        "patient_id": recipe.order.patient_id,
        "folder": str(folder),
        "series": summary(made),
        "instances": len(files),
        "pixel_sha256": {item.sop_instance: item.pixel_sha256 for item in files},
    }
    if arguments.send_to is None:
        return watch.end(DONE, **facts)
    return _send(home, arguments, [Path(item.file) for item in files], facts)


def summary(made: tuple[Series, ...]) -> list[dict[str, Any]]:
    """Say of each series what it is and how much it holds, as JSON values."""
    return [
        {"series_uid": series.uid, "description": series.description, "instances": len(series.instances)}
        for series in made
    ]


def _send(home: Home, arguments: argparse.Namespace, files: list[Path], facts: dict[str, Any]) -> Observation:
    from pacslab.devices import scu  # noqa: PLC0415 - acquiring alone needs no network

    sent = scu.send(home, arguments.target, files)
    return replace(sent, facts={**facts, **sent.facts})


def _recipe(home: Home, arguments: argparse.Namespace) -> Recipe:
    modality = choose_modality(home.device, arguments.modality)
    order = Scheduled(
        study_uid=arguments.study_uid or "",
        accession=arguments.accession,
        patient_id=arguments.patient_id,
        patient_name=arguments.patient_name or f"SYNTHETIC^{modality}",
        birth_date="19700101",
        sex="O",
        modality=modality,
    )
    clip = arguments.multiframe and modality == "US"
    chosen = (Form.CLIP,) if clip else choose_forms(modality, arguments.series)
    return make_recipe(home.device, order, chosen, arguments)


def choose_modality(device: Device, asked: str | None) -> str:
    """The modality that was asked for, else the device's own.

    Raises:
        UsageError: There is neither.
    """
    modality = asked or device.modality
    if modality not in MODALITIES:
        raise UsageError(f"{device.node} has no modality of its own: give --modality CT, MR or US")
    return modality


def choose_forms(modality: str, series: int) -> tuple[Form, ...]:
    """The forms of a study of that many series.

    Raises:
        UsageError: No modality has so many.
    """
    if not 1 <= series <= SERIES_MAX:
        raise UsageError(f"a study has 1 to {SERIES_MAX} series, not {series}")
    return forms(modality, series)


def make_recipe(device: Device, order: Scheduled, chosen: tuple[Form, ...], arguments: argparse.Namespace) -> Recipe:
    """Put together what decides a study.

    Raises:
        UsageError: Nobody can make such images.
    """
    for side in (arguments.rows, arguments.columns):
        if not SIDE_MIN_PIXELS <= side <= SIDE_MAX_PIXELS:
            raise UsageError(f"rows and columns must lie between {SIDE_MIN_PIXELS} and {SIDE_MAX_PIXELS}, not {side}")
    if arguments.slices < 1:
        raise UsageError("a study has at least one slice")
    return Recipe(
        modality=order.modality,
        forms=chosen,
        slices=arguments.slices,
        rows=arguments.rows,
        columns=arguments.columns,
        seed=arguments.seed,
        order=order,
        node=device.node,
        manufacturer=device.manufacturer or "pacslab",
        model=device.model or f"synthetic {order.modality}",
    )


def write_series(recipe: Recipe, folder: Path, now: dt.datetime) -> tuple[Series, ...]:
    """Write every series of a study into a folder; what was begun and not finished before is begun again."""
    folder.mkdir(parents=True, exist_ok=True)
    made = tuple(_write_one(recipe, form, folder, now) for form in recipe.forms)
    sync_folder(folder)
    return made


def _write_one(recipe: Recipe, form: Form, folder: Path, now: dt.datetime) -> Series:
    part = folder / f".{form.value}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    made = [_write(dataset, part, folder) for dataset in images.instances(recipe, form, now)]
    for instance in made:
        (part / Path(instance.file).name).replace(instance.file)
    part.rmdir()
    description = f"SYNTHETIC {EXAMINATION[recipe.modality]} {DESCRIPTION[form]}"
    return Series(recipe.uid("series", form.value), description, tuple(made))


def _write(dataset: Dataset, part: Path, folder: Path) -> Made:
    uid = str(dataset.SOPInstanceUID)
    with uid_path(part, uid, suffix=".dcm").open("wb") as file:
        dataset.save_as(file, enforce_file_format=True)
        file.flush()
        os.fsync(file.fileno())
    pixels = hashlib.sha256(dataset.PixelData).hexdigest()
    return Made(str(uid_path(folder, uid, suffix=".dcm")), str(dataset.SOPClassUID), uid, pixels)
