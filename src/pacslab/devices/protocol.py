"""Modality and a number of series -> the forms of image it acquires, in the order a technologist would."""

from __future__ import annotations

from enum import StrEnum

SERIES_MAX = 3


class Form(StrEnum):
    """One kind of series."""

    SCOUT = "scout"
    AXIAL = "axial"
    THIN = "thin"
    T1 = "t1"
    T2 = "t2"
    FLAIR = "flair"
    STILL = "still"
    CLIP = "clip"
    COLOUR = "colour"


_FORMS = {
    "CT": ((Form.AXIAL,), (Form.SCOUT, Form.AXIAL), (Form.SCOUT, Form.AXIAL, Form.THIN)),
    "MR": ((Form.T1,), (Form.T1, Form.T2), (Form.T1, Form.T2, Form.FLAIR)),
    "US": ((Form.STILL,), (Form.STILL, Form.CLIP), (Form.STILL, Form.CLIP, Form.COLOUR)),
}
MODALITIES = tuple(_FORMS)
MULTIFRAME = frozenset({Form.CLIP, Form.COLOUR})
EXAMINATION = {"CT": "CT thorax", "MR": "MR head", "US": "US abdomen"}
BODY_PART = {"CT": "CHEST", "MR": "HEAD", "US": "ABDOMEN"}
DESCRIPTION = {
    Form.SCOUT: "scout",
    Form.AXIAL: "axial 2.5 mm",
    Form.THIN: "thin 1.25 mm",
    Form.T1: "T1 spin echo",
    Form.T2: "T2 spin echo",
    Form.FLAIR: "T2 FLAIR",
    Form.STILL: "still images",
    Form.CLIP: "clip",
    Form.COLOUR: "colour Doppler clip",
}


def forms(modality: str, series: int) -> tuple[Form, ...]:
    """The forms of a study of that many series, 1 to `SERIES_MAX`."""
    return _FORMS[modality][series - 1]


def pictures(form: Form, slices: int) -> int:
    """How many pictures a series has where an ordinary one has `slices`: one scout, twice as many thin slices."""
    match form:
        case Form.SCOUT:
            return 1
        case Form.THIN:
            return 2 * slices
        case _:
            return slices
