"""Synthetic studies: valid by dciodvfy, reproducible, and marked as what they are."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from pacslab.devices.glyphs import bitmap
from pacslab.devices.phantom import MARK_HU

from .conftest import World, make_device

DCIODVFY = Path(sys.executable).with_name("dciodvfy")
SMALL = ("--rows", "96", "--columns", "128", "--slices", "3")


@pytest.fixture
def scanner(world: Callable[..., World]) -> World:
    return world(make_device("ct-1", "modality", ae_title="CT1", modality="CT", manufacturer="pacslab", model="X"))


@pytest.mark.parametrize(
    ("modality", "more", "files"),
    [
        ("CT", (), 3),
        ("MR", (), 3),
        ("US", (), 3),
        ("US", ("--multiframe",), 1),
        ("CT", ("--accession", "A1", "--patient-name", "SYNTHETIC^Änne", "--study-uid", "1.2.3"), 3),
    ],
)
def test_dciodvfy_finds_no_error(scanner: World, modality: str, more: tuple[str, ...], files: int) -> None:
    _, made = scanner.run("acquire", "--modality", modality, *SMALL, *more)
    paths = sorted(Path(made.facts["folder"]).iterdir())
    assert len(paths) == files
    for path in paths:
        checked = subprocess.run([DCIODVFY, "-new", str(path)], capture_output=True, text=True, check=False)
        report = checked.stdout + checked.stderr
        assert {"CT": "CTImage", "MR": "MRImage", "US": "US"}[modality] in report
        assert [line for line in report.splitlines() if line.startswith("Error")] == []


def test_dciodvfy_would_find_an_error(scanner: World, tmp_path: Path) -> None:
    _, made = scanner.run("acquire", *SMALL)
    dataset = pydicom.dcmread(next(Path(made.facts["folder"]).iterdir()))
    del dataset.RescaleIntercept
    dataset.save_as(tmp_path / "bad.dcm")
    checked = subprocess.run([DCIODVFY, "-new", tmp_path / "bad.dcm"], capture_output=True, text=True, check=False)
    assert "Error" in checked.stdout + checked.stderr


@pytest.mark.parametrize("modality", ["CT", "MR", "US"])
def test_the_same_seed_makes_the_same_pixels_and_uids(scanner: World, modality: str) -> None:
    made = [scanner.run("acquire", "--modality", modality, *SMALL, "--seed", seed)[1].facts for seed in ("5", "5", "6")]
    assert made[0]["pixel_sha256"] == made[1]["pixel_sha256"]
    assert made[0]["study_uid"] == made[1]["study_uid"]
    assert not set(made[0]["pixel_sha256"].items()) & set(made[2]["pixel_sha256"].items())
    assert not set(made[0]["pixel_sha256"].values()) & set(made[2]["pixel_sha256"].values())


def test_pixels_are_the_same_on_every_machine(scanner: World) -> None:
    _, made = scanner.run(
        "acquire", "--modality", "CT", "--rows", "64", "--columns", "64", "--slices", "1", "--seed", "1"
    )
    assert list(made.facts["pixel_sha256"].values()) == [PINNED]


PINNED = "dd71ec51c03e59b24ac8aa89e0358762cdf4e143eae9dceb416eef945043ac3a"  # numpy 2.2.4 and 2.4.6


def test_a_study_says_that_it_is_synthetic_and_shows_it(scanner: World) -> None:
    _, made = scanner.run("acquire", "--slices", "1", "--seed", "3")
    dataset = pydicom.dcmread(next(Path(made.facts["folder"]).iterdir()))
    assert str(dataset.PatientName).startswith("SYNTHETIC")
    assert "SYNTHETIC" in dataset.ImageComments
    assert (dataset.BurnedInAnnotation, dataset.QualityControlImage) == ("YES", "YES")
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    hounsfield = dataset.pixel_array.astype(int) * int(dataset.RescaleSlope) + int(dataset.RescaleIntercept)
    scale = 512 // 170
    mark = bitmap("SYNTHETIC", scale)
    field = hounsfield[2 * scale : 2 * scale + mark.shape[0], 2 * scale : 2 * scale + mark.shape[1]]
    assert (field[mark] == MARK_HU).all()
    assert (field[~mark] < MARK_HU).all()
    assert -1024 <= hounsfield.min() < -900
    assert 30 < hounsfield[256, 46:58].mean() < 60  # muscle


def test_a_hundred_slices_take_seconds(scanner: World) -> None:
    started = time.monotonic()
    _, made = scanner.run("acquire", "--slices", "100")
    assert made.facts["instances"] == 100
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "options",
    [("--rows", "8"), ("--columns", "100000"), ("--slices", "0"), ("--study-uid", "../x"), ("--modality", "PT")],
)
def test_impossible_studies_are_usage_errors(scanner: World, options: tuple[str, ...]) -> None:
    done = scanner.raw("acquire", *options)
    assert (done.returncode, done.stdout) == (2, "")
