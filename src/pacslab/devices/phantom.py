"""Modality, size and seed -> pixels of a synthetic body, the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacslab.devices.glyphs import burn
from pacslab.devices.protocol import Form

SCOUT_LINES = 64
SCOUT_DEPTH = 48

Image = NDArray[np.int16]
Draw = Callable[[NDArray[np.float64], NDArray[np.float64], float, int, int], Image]
Stored = NDArray[np.uint8] | NDArray[np.uint16]

AIR_HU = -1000
MARK_HU = 1500
MARK_MR = 1400
MARK_US = 255


@dataclass(frozen=True, slots=True)
class Tissue:
    """How bright each tissue of a head is in one MR sequence."""

    scalp: int
    skull: int
    grey: int
    white: int
    fluid: int
    lesion: int


# Integer noise and basic arithmetic only: sine and the like differ between processors in the last bit.
def noise(shape: tuple[int, int], seed: int, stream: int, spread: int) -> Image:
    """Noise of about `spread` standard deviation, from raw generator bits: numpy promises those stay the same."""
    raw = np.random.PCG64([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, stream]).random_raw(shape[0] * shape[1])
    octets = np.asarray(raw, dtype="<u8").view(np.uint8).reshape(*shape, 8)
    total = octets.sum(axis=2, dtype=np.int32) - 1020  # eight bytes: mean 1020, standard deviation 209
    scaled: Image = (total * spread // 209).astype(np.int16)
    return scaled


def slices(form: Form, rows: int, columns: int, count: int, seed: int) -> Iterator[Image]:
    """Make each slice of a series: CT in Hounsfield units, MR in signal units, US in grey values 0-255."""
    modality, mark, stream = _KIND[form]
    draw = _DRAW[form]
    y, x = _grid(rows, columns)
    scale = max(1, columns // 170)
    for index in range(count):
        height = (index + 0.5) / count * 2 - 1  # -1 feet to 1 head
        image = draw(y, x, height, seed, stream + index)
        burn(image, "SYNTHETIC", mark, top=scale * 2, left=scale * 2, scale=scale)
        burn(image, f"{modality} {index + 1}/{count}", mark, top=rows - scale * 9, left=scale * 2, scale=scale)
        yield image


def _grid(rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y = (np.arange(rows, dtype=np.float64) + 0.5) / rows * 2 - 1
    x = (np.arange(columns, dtype=np.float64) + 0.5) / columns * 2 - 1
    return y[:, None], x[None, :]


def _ellipse(
    y: NDArray[np.float64], x: NDArray[np.float64], centre: tuple[float, float], radius: tuple[float, float]
) -> NDArray[np.bool_]:
    dy = (y - centre[0]) / radius[0]
    dx = (x - centre[1]) / radius[1]
    inside: NDArray[np.bool_] = dy * dy + dx * dx <= 1
    return inside


def _ct(y: NDArray[np.float64], x: NDArray[np.float64], height: float, seed: int, index: int) -> Image:
    """A thorax: soft tissue, lungs, heart, spine, and a nodule whose place the seed chooses."""
    image = np.full((y.shape[0], x.shape[1]), AIR_HU, dtype=np.int16)
    image[_ellipse(y, x, (0.05, 0), (0.68, 0.88))] = -90  # fat
    image[_ellipse(y, x, (0.05, 0), (0.63, 0.83))] = 45  # muscle
    lung = 1 - height * height
    for side in (-1, 1):
        image[_ellipse(y, x, (0.0, 0.40 * side), (0.48 * lung + 0.02, 0.31 * lung + 0.02))] = -820
    image[_ellipse(y, x, (-0.10, 0.12), (0.26 * lung + 0.04, 0.24 * lung + 0.04))] = 60  # heart
    image[_ellipse(y, x, (0.45, 0), (0.13, 0.13))] = 420  # vertebra
    image[_ellipse(y, x, (0.45, 0), (0.05, 0.05))] = 20  # spinal canal
    spot = (seed % 97) / 97 - 0.5
    ball = 0.01 - (height - spot) * (height - spot) * 0.04
    if ball > 0:
        size = 0.04 + ball
        image[_ellipse(y, x, (0.3 * spot, -0.42), (size, size))] = 90
    image += noise(image.shape, seed, index, 18)
    return image.clip(-1024, 3071).astype(np.int16)


def _scout(y: NDArray[np.float64], x: NDArray[np.float64], height: float, seed: int, index: int) -> Image:
    """The thorax from the front: each line is the mean through the body at its height."""
    del height
    rows = y.shape[0]
    depth, _ = _grid(SCOUT_DEPTH, 1)
    lines = np.empty((SCOUT_LINES, x.shape[1]), dtype=np.int16)
    for line in range(SCOUT_LINES):
        level = 1 - (line + 0.5) / SCOUT_LINES * 2  # the head is at the top
        through = _ct(depth, x, level, seed, index)
        lines[line] = through.sum(axis=0, dtype=np.int32) // SCOUT_DEPTH
    picked = np.arange(rows) * SCOUT_LINES // rows
    image: Image = lines[picked] + noise((rows, x.shape[1]), seed, index, 6)
    return image.clip(-1024, 3071).astype(np.int16)


def _head(tissue: Tissue) -> Draw:
    """A head: scalp, skull, grey and white matter, ventricles, and a lesion whose place the seed chooses."""

    def draw(y: NDArray[np.float64], x: NDArray[np.float64], height: float, seed: int, index: int) -> Image:
        image = np.zeros((y.shape[0], x.shape[1]), dtype=np.int16)
        cut = 1 - 0.6 * height * height
        image[_ellipse(y, x, (0, 0), (0.86 * cut, 0.68 * cut))] = tissue.scalp
        image[_ellipse(y, x, (0, 0), (0.80 * cut, 0.62 * cut))] = tissue.skull
        image[_ellipse(y, x, (0, 0), (0.75 * cut, 0.57 * cut))] = tissue.grey
        image[_ellipse(y, x, (0, 0), (0.64 * cut, 0.47 * cut))] = tissue.white
        for side in (-1, 1):
            image[_ellipse(y, x, (-0.05, 0.10 * side), (0.24 * cut, 0.07 * cut))] = tissue.fluid
        spot = (seed % 89) / 89 - 0.5
        if abs(height - spot) < 0.2:
            image[_ellipse(y, x, (0.2 + 0.2 * spot, 0.25), (0.07, 0.06))] = tissue.lesion
        image += noise(image.shape, seed, index, 22)
        return image.clip(0, 4095).astype(np.int16)

    return draw


def _us(y: NDArray[np.float64], x: NDArray[np.float64], height: float, seed: int, index: int) -> Image:
    """A sector of speckle with a cyst, its bright far wall and a beating edge."""
    depth = y + 1.05
    reach = depth * depth + x * x
    sector = (np.abs(x) <= 0.75 * depth) & (reach <= 3.6) & (reach >= 0.02)
    grey = 70 + 40 * (2.05 - depth)
    speckle = noise((y.shape[0], x.shape[1]), seed, index, 100).astype(np.float64)
    image = grey + speckle * grey / 255
    beat = 0.03 * height
    cyst = _ellipse(y, x, (0.05, 0.1), (0.22 + beat, 0.26 + beat))
    wall = _ellipse(y, x, (0.08, 0.1), (0.26 + beat, 0.30 + beat)) & ~cyst
    image = np.where(wall, image + 70, image)
    image = np.where(cyst, image * 0.1, image)
    image = np.where(sector, image, 0)
    return image.clip(0, 255).astype(np.int16)


def coloured(image: Image, seed: int, beat: int) -> NDArray[np.uint8]:
    """Grey values -> red, green and blue, with a vessel whose flow turns from red to blue with each beat."""
    rows, columns = image.shape
    y, x = _grid(rows, columns)
    grey = image.clip(0, 255).astype(np.uint8)
    picture = np.stack([grey, grey, grey], axis=-1)
    vessel = _ellipse(y, x, (0.45, -0.15 + (seed % 31) / 200), (0.06, 0.30))
    speed = 120 + 8 * (beat % 12)
    picture[vessel] = (speed, 30, 20) if beat % 24 < 12 else (20, 30, speed)
    return picture


# What each form is of, how bright its mark is, and where its noise begins: two series never share a slice.
_KIND = {
    Form.SCOUT: ("CT", MARK_HU, 3_000_000),
    Form.AXIAL: ("CT", MARK_HU, 0),
    Form.THIN: ("CT", MARK_HU, 1_000_000),
    Form.T1: ("MR", MARK_MR, 0),
    Form.T2: ("MR", MARK_MR, 1_000_000),
    Form.FLAIR: ("MR", MARK_MR, 2_000_000),
    Form.STILL: ("US", MARK_US, 0),
    Form.CLIP: ("US", MARK_US, 1_000_000),
    Form.COLOUR: ("US", MARK_US, 2_000_000),
}
_DRAW: dict[Form, Draw] = {
    Form.SCOUT: _scout,
    Form.AXIAL: _ct,
    Form.THIN: _ct,
    Form.T1: _head(Tissue(scalp=900, skull=90, grey=480, white=680, fluid=160, lesion=1050)),
    Form.T2: _head(Tissue(scalp=620, skull=70, grey=760, white=520, fluid=1250, lesion=1150)),
    Form.FLAIR: _head(Tissue(scalp=600, skull=70, grey=700, white=560, fluid=110, lesion=1200)),
    Form.STILL: _us,
    Form.CLIP: _us,
    Form.COLOUR: _us,
}
