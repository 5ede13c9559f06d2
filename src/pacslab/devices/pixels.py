"""DICOM files -> SHA-256 of each instance's PixelData value, exactly as its bytes stand in the file."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from pacslab.devices.home import Home, UsageError
from pacslab.devices.observing import DONE, begin
from pacslab.model.device import Observation


@dataclass(frozen=True, slots=True)
class Instance:
    """A DICOM file and what it says it is."""

    path: Path
    sop_class: str
    sop_instance: str
    study: str
    transfer_syntax: str
    pixel_sha256: str | None  # None: it has no pixel data
    size_bytes: int
    sound: bool  # can go out byte by byte: its meta information agrees, and its length is even (PS3.5 7.1.1)


def read_instance(path: Path) -> Instance:
    """Read a file's identity and hash its pixel data without decoding it.

    Raises:
        ValueError: It is not a DICOM file with meta information, or has no SOP Instance UID.
    """
    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PixelData"]
    try:
        dataset = pydicom.dcmread(path, specific_tags=tags)
    except (InvalidDicomError, EOFError, KeyError) as error:
        raise ValueError(f"not a DICOM file: {error}") from error
    meta = dataset.file_meta
    if "SOPInstanceUID" not in dataset or "SOPClassUID" not in dataset or "TransferSyntaxUID" not in meta:
        raise ValueError("no SOP class or instance UID, or no transfer syntax")
    pixels = dataset.get_item("PixelData").value if "PixelData" in dataset else None
    return Instance(
        path=path,
        sop_class=str(dataset.SOPClassUID),
        sop_instance=str(dataset.SOPInstanceUID),
        study=str(dataset.get("StudyInstanceUID", "")),
        transfer_syntax=str(meta.TransferSyntaxUID),
        pixel_sha256=hashlib.sha256(pixels).hexdigest() if pixels is not None else None,
        size_bytes=path.stat().st_size,
        sound=path.stat().st_size % 2 == 0 and _agrees(dataset),
    )


def _agrees(dataset: pydicom.FileDataset) -> bool:
    meta = dataset.file_meta
    said = (meta.get("MediaStorageSOPClassUID"), meta.get("MediaStorageSOPInstanceUID"))
    return said == (dataset.SOPClassUID, dataset.SOPInstanceUID)


def list_files(paths: list[Path]) -> list[Path]:
    """List files, and what lies below folders, in the order of their names.

    Raises:
        UsageError: One of them is not there.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        found += sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    return [path for path in found if path.suffix != ".part" and path.name != "DICOMDIR"]


def hash_files(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device hash PATH...`: pixel SHA-256 per SOP Instance UID; paths may be relative to the data directory."""
    watch = begin("hash")
    paths = [path if path.exists() else home.data / path for path in arguments.paths]
    hashes: dict[str, str | None] = {}
    unreadable: list[str] = []
    for path in list_files(paths):
        try:
            instance = read_instance(path)
        except ValueError as error:
            unreadable.append(f"{path}: {error}")
            continue
        hashes[instance.sop_instance] = instance.pixel_sha256
    return watch.end(DONE, instances=len(hashes), pixel_sha256=hashes, unreadable=unreadable)
