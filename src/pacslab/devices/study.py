"""Phantom slices and a patient -> a synthetic study of DICOM files (PS3.3 A.3 CT, A.4 MR, A.6 and A.7 US)."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from pacslab import __version__
from pacslab.devices import phantom
from pacslab.devices.home import Home, UsageError
from pacslab.devices.observing import DONE, begin, say
from pacslab.model.device import Observation
from pacslab.model.dicom import is_uid

CT_IMAGE = UID("1.2.840.10008.5.1.4.1.1.2")
MR_IMAGE = UID("1.2.840.10008.5.1.4.1.1.4")
US_IMAGE = UID("1.2.840.10008.5.1.4.1.1.6.1")
US_MULTIFRAME = UID("1.2.840.10008.5.1.4.1.1.3.1")
IMPLEMENTATION = UID("2.25.148264305916307452861739205014372980417")

NOTICE = "SYNTHETIC IMAGE made by pacslab from random numbers; no patient; not for diagnosis"
HU_OFFSET = 1024  # CT: stored value = Hounsfield units + 1024, so twelve unsigned bits hold -1024 to 3071
SPACING_MM = {"CT": 380.0, "MR": 240.0}  # field of view, divided by the columns
THICKNESS_MM = 2.5
DESCRIPTION = {"CT": "CT thorax", "MR": "MR head T1", "US": "US abdomen"}
BODY_PART = {"CT": "CHEST", "MR": "HEAD", "US": "ABDOMEN"}
SIDE_MIN_PIXELS = 32
SIDE_MAX_PIXELS = 4096


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a study; the same recipe gives the same pixels and UIDs."""

    modality: str
    slices: int
    rows: int
    columns: int
    seed: int
    patient_id: str
    patient_name: str
    accession: str
    node: str
    manufacturer: str
    model: str
    multiframe: bool = False
    study_uid: str = ""

    def uid(self, *parts: object) -> str:
        """A UID that depends on the recipe only (PS3.5 B.2: 2.25 and a UUID)."""
        given = (self.modality, self.slices, self.rows, self.columns, self.seed, self.multiframe)
        whom = (self.node, self.patient_id, self.accession, self.study_uid)
        text = repr((given, whom, parts))
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, text).int}"

    @property
    def study(self) -> str:
        """The study's UID: given by the order, else made from the recipe."""
        return self.study_uid or self.uid("study")


def acquire(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device acquire`: make a study, write it, and send it if asked."""
    watch = begin("acquire")
    recipe = _recipe(home, arguments)
    folder = arguments.out or home.folder(f"studies/{recipe.study}")
    folder.mkdir(parents=True, exist_ok=True)
    hashes: dict[str, str] = {}
    files: list[Path] = []
    for dataset in datasets(recipe, dt.datetime.now().astimezone()):
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        write(dataset, path)
        files.append(path)
        hashes[str(dataset.SOPInstanceUID)] = hashlib.sha256(dataset.PixelData).hexdigest()
    say(f"{recipe.modality}: {recipe.slices} slices in {folder}")
    facts: dict[str, Any] = {
        "modality": recipe.modality,
        "seed": recipe.seed,
        "study_uid": recipe.study,
        "accession": recipe.accession,
        "patient_id": recipe.patient_id,
        "folder": str(folder),
        "instances": len(files),
        "pixel_sha256": hashes,
    }
    if arguments.send_to is None:
        return watch.end(DONE, **facts)
    return _send(home, arguments, files, facts)


def _send(home: Home, arguments: argparse.Namespace, files: list[Path], facts: dict[str, Any]) -> Observation:
    from pacslab.devices import scu  # noqa: PLC0415 - acquiring alone needs no network

    sent = scu.send(home, arguments.target, files)
    return Observation(
        operation=sent.operation,
        peer=sent.peer,
        ok=sent.ok,
        layer=sent.layer,
        status=sent.status,
        detail=sent.detail,
        elapsed_s=sent.elapsed_s,
        facts={**facts, **sent.facts},
    )


def _recipe(home: Home, arguments: argparse.Namespace) -> Recipe:
    device = home.device
    modality = arguments.modality or device.modality
    if modality not in DESCRIPTION:
        raise UsageError(f"{device.node} has no modality of its own: give --modality CT, MR or US")
    for side in (arguments.rows, arguments.columns):
        if not SIDE_MIN_PIXELS <= side <= SIDE_MAX_PIXELS:
            raise UsageError(f"rows and columns must lie between {SIDE_MIN_PIXELS} and {SIDE_MAX_PIXELS}, not {side}")
    if arguments.slices < 1:
        raise UsageError("a study has at least one slice")
    return Recipe(
        modality=modality,
        slices=arguments.slices,
        rows=arguments.rows,
        columns=arguments.columns,
        seed=arguments.seed,
        patient_id=arguments.patient_id,
        patient_name=arguments.patient_name or f"SYNTHETIC^{modality}",
        accession=arguments.accession,
        node=device.node,
        manufacturer=device.manufacturer or "pacslab",
        model=device.model or f"synthetic {modality}",
        multiframe=arguments.multiframe and modality == "US",
        study_uid=arguments.study_uid or "",
    )


def write(dataset: Dataset, path: Path) -> None:
    """Write a file with meta information, under its name only when complete."""
    if not is_uid(path.stem):
        raise ValueError(f"{path.stem!r} is not a UID")
    part = path.with_suffix(".part")
    dataset.save_as(part, enforce_file_format=True)
    part.replace(path)


def datasets(recipe: Recipe, now: dt.datetime) -> Iterator[Dataset]:
    """Make the instances of a study, in the order of their numbers."""
    images = phantom.slices(recipe.modality, recipe.rows, recipe.columns, recipe.slices, recipe.seed)
    if recipe.multiframe:
        frames = np.stack([image.astype(np.uint8) for image in images])
        yield _instance(recipe, now, 0, _even(frames.tobytes()))
        return
    for index, image in enumerate(images):
        yield _instance(recipe, now, index, _even(_stored(recipe.modality, image).tobytes()))


def _stored(modality: str, image: phantom.Image) -> phantom.Stored:
    if modality == "US":
        return image.astype(np.uint8)
    return (image + HU_OFFSET if modality == "CT" else image).astype("<u2")


def _even(value: bytes) -> bytes:
    # PS3.5 7.1.1: values have an even length; padded here so that the hash is over what the file holds.
    return value + b"\0" if len(value) % 2 else value


def _instance(recipe: Recipe, now: dt.datetime, index: int, pixels: bytes) -> Dataset:
    dataset = Dataset()
    _patient_and_study(dataset, recipe, now)
    _series_and_equipment(dataset, recipe, now)
    _image(dataset, recipe, now, index)
    {"CT": _ct, "MR": _mr, "US": _us}[recipe.modality](dataset, recipe, index)
    _pixels(dataset, recipe, pixels)
    dataset.file_meta = _meta(dataset)
    return dataset


def _meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = f"PACSLAB_{__version__}"[:16]
    return meta


def _patient_and_study(dataset: Dataset, recipe: Recipe, now: dt.datetime) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = recipe.patient_name
    dataset.PatientID = recipe.patient_id
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "O"
    dataset.PatientComments = NOTICE
    dataset.StudyInstanceUID = recipe.study
    dataset.StudyDate = now.strftime("%Y%m%d")
    dataset.StudyTime = now.strftime("%H%M%S")
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = str(recipe.seed)[:16]
    dataset.AccessionNumber = recipe.accession
    dataset.StudyDescription = f"SYNTHETIC {DESCRIPTION[recipe.modality]}"


def _series_and_equipment(dataset: Dataset, recipe: Recipe, now: dt.datetime) -> None:
    dataset.Modality = recipe.modality
    dataset.SeriesInstanceUID = recipe.uid("series")
    dataset.SeriesNumber = 1
    dataset.SeriesDate = now.strftime("%Y%m%d")
    dataset.SeriesTime = now.strftime("%H%M%S")
    dataset.SeriesDescription = f"SYNTHETIC {DESCRIPTION[recipe.modality]}"
    dataset.BodyPartExamined = BODY_PART[recipe.modality]
    dataset.PatientPosition = "HFS"
    dataset.Manufacturer = recipe.manufacturer
    dataset.ManufacturerModelName = recipe.model
    dataset.StationName = recipe.node[:16]
    dataset.DeviceSerialNumber = recipe.node
    dataset.SoftwareVersions = f"pacslab {__version__}"


def _image(dataset: Dataset, recipe: Recipe, now: dt.datetime, index: int) -> None:
    dataset.SOPInstanceUID = recipe.uid("image", index)
    dataset.InstanceNumber = index + 1
    dataset.AcquisitionNumber = 1
    for moment in ("Acquisition", "Content"):
        setattr(dataset, f"{moment}Date", now.strftime("%Y%m%d"))
        setattr(dataset, f"{moment}Time", now.strftime("%H%M%S"))
    dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.PatientOrientation = ""
    dataset.ImageComments = NOTICE
    dataset.BurnedInAnnotation = "YES"  # the word SYNTHETIC and the slice number
    dataset.RecognizableVisualFeatures = "NO"
    dataset.QualityControlImage = "YES"  # PS3.3 C.7.6.1: of a phantom
    dataset.LossyImageCompression = "00"


def _plane(dataset: Dataset, recipe: Recipe, index: int) -> None:
    spacing = SPACING_MM[recipe.modality] / recipe.columns
    location = index * THICKNESS_MM
    dataset.FrameOfReferenceUID = recipe.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.PixelSpacing = [f"{spacing:.6f}", f"{spacing:.6f}"]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    corner = [-spacing * (recipe.columns - 1) / 2, -spacing * (recipe.rows - 1) / 2, location]
    dataset.ImagePositionPatient = [f"{value:.4f}" for value in corner]
    dataset.SliceThickness = f"{THICKNESS_MM}"
    dataset.SliceLocation = f"{location:.2f}"
    del dataset.PatientOrientation  # PS3.3 C.7.6.1: only where the plane is not given


def _ct(dataset: Dataset, recipe: Recipe, index: int) -> None:
    """CT Image Module (PS3.3 C.8.2.1): stored values are Hounsfield units plus 1024."""
    dataset.SOPClassUID = CT_IMAGE
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    _plane(dataset, recipe, index)
    dataset.RescaleIntercept = f"{-HU_OFFSET}"
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "HU"
    dataset.KVP = "120"
    dataset.GantryDetectorTilt = "0"
    dataset.ScanOptions = "SYNTHETIC"
    dataset.ConvolutionKernel = "SYNTHETIC"
    dataset.WindowCenter = "40"
    dataset.WindowWidth = "400"


def _mr(dataset: Dataset, recipe: Recipe, index: int) -> None:
    """MR Image Module (PS3.3 C.8.3.1)."""
    dataset.SOPClassUID = MR_IMAGE
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    _plane(dataset, recipe, index)
    dataset.ScanningSequence = "SE"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = "500"
    dataset.EchoTime = "15"
    dataset.EchoTrainLength = "1"
    dataset.MagneticFieldStrength = "1.5"
    dataset.SpacingBetweenSlices = f"{THICKNESS_MM}"
    dataset.WindowCenter = "500"
    dataset.WindowWidth = "1000"


def _us(dataset: Dataset, recipe: Recipe, index: int) -> None:
    """US Image Module (PS3.3 C.8.5.6), with frames where the study is one clip (C.7.6.5, C.7.6.6)."""
    del index
    dataset.SOPClassUID = US_MULTIFRAME if recipe.multiframe else US_IMAGE
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]
    if recipe.multiframe:
        dataset.NumberOfFrames = recipe.slices
        dataset.FrameTime = "40"
        dataset.FrameIncrementPointer = 0x00181063


def _pixels(dataset: Dataset, recipe: Recipe, pixels: bytes) -> None:
    allocated, stored = (8, 8) if recipe.modality == "US" else (16, 12)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = recipe.rows
    dataset.Columns = recipe.columns
    dataset.BitsAllocated = allocated
    dataset.BitsStored = stored
    dataset.HighBit = stored - 1
    dataset.PixelRepresentation = 0
    dataset.add_new(0x7FE00010, "OB" if allocated == 8 else "OW", pixels)
