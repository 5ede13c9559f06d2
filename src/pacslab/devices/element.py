"""A DICOM file's bytes and where its pixel data begins -> the PixelData value as it stands; standard library only."""

from __future__ import annotations

import struct

EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
UNDEFINED = 0xFFFFFFFF
ITEM = (0xFFFE, 0xE000)


def pixel_value(file: bytes, offset: int, transfer_syntax: str) -> bytes:
    """Cut out the value of the element at `offset`; encapsulated ones with their items, without the delimiter.

    Raises:
        ValueError: There is no PixelData element, or it is cut short.
    """
    order = ">" if transfer_syntax == EXPLICIT_BIG_ENDIAN else "<"
    try:
        tag = struct.unpack_from(f"{order}HH", file, offset)
        if tag != (0x7FE0, 0x0010):
            raise ValueError(f"no PixelData at byte {offset}")
        # PS3.5 7.1.2: with explicit VR, OB and OW have two reserved bytes before a length of four.
        head = 8 if transfer_syntax == IMPLICIT_LITTLE_ENDIAN else 12
        (length,) = struct.unpack_from(f"{order}I", file, offset + head - 4)
        begin = offset + head
        end = _end_of_items(file, begin) if length == UNDEFINED else begin + length
    except struct.error as error:
        raise ValueError("PixelData is cut short") from error
    if end > len(file):
        raise ValueError("PixelData is cut short")
    return file[begin:end]


def _end_of_items(file: bytes, place: int) -> int:
    # PS3.5 A.4: items up to the sequence delimiter, always little endian.
    while True:
        group, element, length = struct.unpack_from("<HHI", file, place)
        if (group, element) != ITEM:
            return place
        place += 8 + length
