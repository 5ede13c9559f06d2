"""DICOM files -> what each one is, and the SHA-256 of its PixelData value exactly as its bytes stand in the file."""

from __future__ import annotations

import argparse
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from pacslab.devices.home import Home, UsageError
from pacslab.devices.layout import META_BEGIN, PIXEL_DATA, Place, Syntax, meta_information, top_level
from pacslab.devices.observing import DONE, begin
from pacslab.model.device import Observation

CHUNK_BYTES = 2**20
# Many archives keep lengths in 31 bits; above that nobody could say what they kept.
INSTANCE_MAX_BYTES = 2**31 - 1
META_SOP_CLASS, META_SOP_INSTANCE, META_SYNTAX = 0x00020002, 0x00020003, 0x00020010
META = frozenset({META_SOP_CLASS, META_SOP_INSTANCE, META_SYNTAX})
SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
IDENTITY = frozenset({SOP_CLASS, SOP_INSTANCE, STUDY, SERIES})
TEXT_MAX_BYTES = 256  # a UID has at most 64; what is longer is shown to be none


@dataclass(frozen=True, slots=True)
class Instance:
    """A DICOM file and what it says it is."""

    path: Path
    sop_class: str
    sop_instance: str
    study: str
    series: str
    transfer_syntax: str
    size_bytes: int
    data_begin: int  # where the data set begins, after the meta information
    pixels: tuple[int, int] | None  # where the PixelData value begins and ends; None: it has none
    pixels_begin: int  # where the PixelData element begins; 0: it has none
    sound: bool  # can go out byte by byte: its meta information agrees, and its length is even (PS3.5 7.1.1)


def read_instance(path: Path) -> Instance:
    """Read a file's identity and look at the headers of all its elements; pixel data stay on the disk.

    Raises:
        ValueError: It is not a DICOM file with meta information, has no UIDs, or is cut short.
    """
    with path.open("rb") as file:
        if file.read(META_BEGIN)[-4:] != b"DICM":
            raise ValueError("not a DICOM file: it has no DICM after 128 bytes (PS3.10 7.1)")
        places, data_begin = meta_information(file)
        meta = {place.tag: _text(file, place) for place in places if place.tag in META}
        if META_SYNTAX not in meta:
            raise ValueError("its meta information names no transfer syntax")
        syntax = UID(meta[META_SYNTAX])
        if syntax.is_deflated:  # PS3.5 A.5: nothing in it has a place before it is inflated
            said, pixels = _inflated(path), None
        else:
            said, pixels = _walk(file, data_begin, syntax)
    if not {SOP_CLASS, SOP_INSTANCE} <= said.keys():
        raise ValueError("no SOP class or instance UID")
    size = path.stat().st_size
    same = (meta.get(META_SOP_CLASS), meta.get(META_SOP_INSTANCE)) == (said[SOP_CLASS], said[SOP_INSTANCE])
    return Instance(
        path=path,
        sop_class=said[SOP_CLASS],
        sop_instance=said[SOP_INSTANCE],
        study=said.get(STUDY, ""),
        series=said.get(SERIES, ""),
        transfer_syntax=str(syntax),
        size_bytes=size,
        data_begin=data_begin,
        pixels=(pixels.begin, pixels.end) if pixels else None,
        pixels_begin=pixels.head if pixels else 0,
        sound=size % 2 == 0 and same,
    )


def _walk(file: BinaryIO, begin: int, syntax: UID) -> tuple[dict[int, str], Place | None]:
    """The UIDs of a data set, and where its pixel data lie."""
    written = Syntax(implicit=syntax == ImplicitVRLittleEndian, big_endian=syntax == ExplicitVRBigEndian)
    said: dict[int, str] = {}
    pixels = None
    for place in top_level(file, begin, written):
        if place.tag in IDENTITY:
            said[place.tag] = _text(file, place)
        elif place.tag == PIXEL_DATA:
            pixels = place
    return said, pixels


def _text(file: BinaryIO, place: Place) -> str:
    file.seek(place.begin)
    return file.read(min(place.end - place.begin, TEXT_MAX_BYTES)).decode("ascii", "replace").rstrip("\0 ")


def _inflated(path: Path) -> dict[int, str]:
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, EOFError, zlib.error) as error:
        raise ValueError(f"cut short: {error}") from error
    return {tag: str(dataset[tag].value) for tag in IDENTITY if tag in dataset}


def too_large(instance: Instance) -> str:
    """Say that an instance is larger than what is sent as one; empty if it is not."""
    if instance.size_bytes <= INSTANCE_MAX_BYTES:
        return ""
    return f"{instance.size_bytes} bytes are above the limit of {INSTANCE_MAX_BYTES} for one instance: split it"


def _pixels(file: BinaryIO, begin: int, syntax: UID) -> Place | None:
    found = None
    written = Syntax(implicit=syntax == ImplicitVRLittleEndian, big_endian=syntax == ExplicitVRBigEndian)
    for place in top_level(file, begin, written):
        if place.tag == PIXEL_DATA:
            found = place
    return found


def pixel_sha256(instance: Instance) -> str | None:
    """Hash the pixel data of a file, a piece at a time; None if it has none."""
    if UID(instance.transfer_syntax).is_deflated:  # PS3.5 A.5: nothing in it has a place before it is inflated
        value = pydicom.dcmread(instance.path).get("PixelData")
        return hashlib.sha256(value).hexdigest() if value is not None else None
    if instance.pixels is None:
        return None
    place, end = instance.pixels
    digest = hashlib.sha256()
    with instance.path.open("rb") as file:
        file.seek(place)
        while place < end:
            piece = file.read(min(CHUNK_BYTES, end - place))
            if not piece:
                raise ValueError(f"{instance.path} became shorter while it was read")
            digest.update(piece)
            place += len(piece)
    return digest.hexdigest()


def list_files(paths: list[Path]) -> list[Path]:
    """List files, and what lies below folders, in the order of their names; what is not finished is left out.

    Raises:
        UsageError: One of them is not there.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        inside = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        found += [item for item in inside if not any(part.endswith(".part") for part in item.relative_to(path).parts)]
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
        hashes[instance.sop_instance] = pixel_sha256(instance)
    return watch.end(DONE, instances=len(hashes), pixel_sha256=hashes, unreadable=unreadable)
