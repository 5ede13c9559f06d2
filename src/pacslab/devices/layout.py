"""A DICOM file -> where each of its elements lies, read from headers only; a file that is cut short is said to be."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
META_BEGIN = 132
# PS3.5 7.1.2: these have two reserved bytes and a length of four.
LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
DEPTH_MAX = 32
CUT_SHORT = "cut short"


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a data set's elements are written."""

    implicit: bool
    big_endian: bool = False


IMPLICIT = Syntax(implicit=True)
EXPLICIT = Syntax(implicit=False)


@dataclass(frozen=True, slots=True)
class Place:
    """One element: its tag, where it begins, and where its value begins and ends; of items up to the last one."""

    tag: int
    head: int
    begin: int
    end: int


def top_level(file: BinaryIO, begin: int, syntax: Syntax) -> Iterator[Place]:
    """List the elements of a data set that goes to the end of the file.

    Raises:
        ValueError: It is cut short, or no data set.
    """
    size = os.fstat(file.fileno()).st_size
    place = begin
    while place < size:
        found, place = _element(file, place, size, syntax, 0)
        yield found


def meta_information(file: BinaryIO) -> tuple[tuple[Place, ...], int]:
    """List the elements of the meta information (PS3.10 7.1), and say where the data set after them begins.

    Raises:
        ValueError: The file is cut short before.
    """
    size = os.fstat(file.fileno()).st_size
    place, found = META_BEGIN, []
    while place + 2 <= size and _read(file, place, 2, size) == b"\x02\x00":
        element, place = _element(file, place, size, EXPLICIT, 0)
        found.append(element)
    return tuple(found), place


def _element(file: BinaryIO, place: int, end: int, syntax: Syntax, depth: int) -> tuple[Place, int]:
    """One element, and where the next one begins."""
    tag, vr, length, begin = _header(file, place, end, syntax)
    if length != UNDEFINED:
        if begin + length > end:
            raise ValueError(f"{_name(tag)} at byte {place} is {CUT_SHORT}: {length} bytes said, {end - begin} there")
        return Place(tag, place, begin, begin + length), begin + length
    if depth >= DEPTH_MAX:
        raise ValueError(f"sequences within sequences, deeper than {DEPTH_MAX}, at byte {place}")
    # PS3.5 6.2.2: within an UN of undefined length everything is implicit.
    inner = IMPLICIT if vr == b"UN" else syntax
    after = _items(file, begin, end, inner, depth)
    return Place(tag, place, begin, after - 8), after


def _header(file: BinaryIO, place: int, end: int, syntax: Syntax) -> tuple[int, bytes, int, int]:
    order = ">" if syntax.big_endian else "<"
    head = _read(file, place, 8, end)
    group, element = struct.unpack(f"{order}HH", head[:4])
    tag = group << 16 | element
    if syntax.implicit or group == 0xFFFE:
        return tag, b"", struct.unpack(f"{order}I", head[4:])[0], place + 8
    vr = head[4:6]
    if not vr.isalpha():
        raise ValueError(f"no element at byte {place}: {vr!r} is not a value representation")
    if vr in LONG:
        return tag, vr, struct.unpack(f"{order}I", _read(file, place + 8, 4, end))[0], place + 12
    return tag, vr, struct.unpack(f"{order}H", head[6:8])[0], place + 8


def _items(file: BinaryIO, place: int, end: int, syntax: Syntax, depth: int) -> int:
    """Pass over items (PS3.5 7.5, A.4) up to the end of their sequence."""
    while True:
        tag, _, length, begin = _header(file, place, end, syntax)
        if tag == SEQUENCE_END:
            return begin
        if tag != ITEM:
            raise ValueError(f"{_name(tag)} at byte {place} stands where an item should")
        if length != UNDEFINED:
            if begin + length > end:
                raise ValueError(f"the item at byte {place} is {CUT_SHORT}")
            place = begin + length
            continue
        place = begin
        while True:
            tag, _, _, begin = _header(file, place, end, syntax)
            if tag == ITEM_END:
                place = begin
                break
            _, place = _element(file, place, end, syntax, depth + 1)


def _read(file: BinaryIO, place: int, count: int, end: int) -> bytes:
    if place + count > end:
        raise ValueError(f"the file is {CUT_SHORT} at byte {end}")
    file.seek(place)
    return file.read(count)


def _name(tag: int) -> str:
    return "PixelData" if tag == PIXEL_DATA else f"element ({tag >> 16:04X},{tag & 0xFFFF:04X})"
