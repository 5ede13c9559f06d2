"""Text -> bitmap of a 5 x 7 font, for the marks burnt into synthetic images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HEIGHT = 7
WIDTH = 5

# One hexadecimal pair for each of the seven rows, the five low bits from left to right.
_FONT = {
    "A": "0e11111f111111", "B": "1e11111e11111e", "C": "0e11101010110e", "D": "1e11111111111e",
    "E": "1f10101e10101f", "F": "1f10101e101010", "G": "0e11101711110f", "H": "1111111f111111",
    "I": "0e04040404040e", "J": "0702020202120c", "K": "11121418141211", "L": "1010101010101f",
    "M": "111b1515111111", "N": "11111915131111", "O": "0e11111111110e", "P": "1e11111e101010",
    "Q": "0e11111115120d", "R": "1e11111e141211", "S": "0f10100e01011e", "T": "1f040404040404",
    "U": "1111111111110e", "V": "11111111110a04", "W": "11111115151b11", "X": "11110a040a1111",
    "Y": "11110a04040404", "Z": "1f01020408101f", "0": "0e11131519110e", "1": "040c040404040e",
    "2": "0e11010204081f", "3": "1f02040201110e", "4": "02060a121f0202", "5": "1f101e0101110e",
    "6": "0608101e11110e", "7": "1f010204080808", "8": "0e11110e11110e", "9": "0e11110f01020c",
    "-": "0000001f000000", "/": "00010204081000", ".": "00000000000c0c", ":": "000c0c000c0c00",
}  # fmt: skip


def bitmap(text: str, scale: int = 1) -> NDArray[np.bool_]:
    """Draw one line of text, `scale` pixels to a dot; characters without a glyph are left blank."""
    line = np.zeros((HEIGHT, max(1, len(text)) * (WIDTH + 1)), dtype=np.bool_)
    for place, character in enumerate(text.upper()):
        rows = bytes.fromhex(_FONT.get(character, "00" * HEIGHT))
        for y, bits in enumerate(rows):
            for x in range(WIDTH):
                line[y, place * (WIDTH + 1) + x] = bool(bits >> (WIDTH - 1 - x) & 1)
    return np.kron(line, np.ones((scale, scale), dtype=np.bool_)).astype(np.bool_)


def burn(image: NDArray[np.int16], text: str, value: int, *, top: int, left: int, scale: int = 1) -> None:
    """Write text into an image in place, its dots set to `value`; clipped at the borders."""
    mark = bitmap(text, scale)
    field = image[top : top + mark.shape[0], left : left + mark.shape[1]]
    mark = mark[: field.shape[0], : field.shape[1]]
    field[mark] = value
