"""Where a file's elements lie, beside what pydicom reads of its own collection of real and broken files."""

import hashlib
import struct
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from pacslab.devices.layout import DEPTH_MAX
from pacslab.devices.pixels import INSTANCE_MAX_BYTES, pixel_sha256, read_instance, too_large

WHOLE = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "image_dfl.dcm",
    "examples_ybr_color.dcm", "SC_rgb_rle_2frame.dcm", "rtplan.dcm", "rtdose_expb.dcm", "liver_1frame.dcm",
)  # fmt: skip


def given(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


@pytest.mark.parametrize("name", WHOLE)
def test_the_pixel_data_are_those_that_pydicom_reads(name: str) -> None:
    with warnings.catch_warnings(action="ignore"):
        dataset = pydicom.dcmread(given(name))
        value = dataset.get_item("PixelData").value if "PixelData" in dataset else None
    seen = pixel_sha256(read_instance(given(name)))
    assert seen == (hashlib.sha256(value).hexdigest() if value is not None else None)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm", "examples_ybr_color.dcm"])
def test_a_file_cut_anywhere_is_never_taken_for_a_whole_one(name: str, tmp_path: Path) -> None:
    content = given(name).read_bytes()
    file = tmp_path / "cut.dcm"
    pixels = read_instance(given(name)).pixels
    assert pixels is not None
    for length in (*range(100, pixels[0], 97), pixels[0] + 1, pixels[1] - 1):
        file.write_bytes(content[:length])
        with warnings.catch_warnings(action="ignore"):
            try:
                instance = read_instance(file)
            except ValueError:
                continue
        assert instance.pixels is None  # cut exactly between two elements: then without its pixels


def test_sequences_deeper_than_anyone_writes_are_refused(tmp_path: Path) -> None:
    nested = struct.pack("<HHI", 0x0008, 0x1140, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ends = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    implicit = given("MR_small_implicit.dcm")
    begin = read_instance(implicit).data_begin
    content = implicit.read_bytes()
    file = tmp_path / "deep.dcm"
    file.write_bytes(content[:begin] + nested * (DEPTH_MAX + 2) + ends * (DEPTH_MAX + 2) + content[begin:])
    with warnings.catch_warnings(action="ignore"), pytest.raises(ValueError, match="deeper"):
        read_instance(file)


def test_an_image_above_the_limit_is_refused_without_being_read(tmp_path: Path) -> None:
    small = read_instance(given("CT_small.dcm"))
    assert small.pixels is not None
    file = tmp_path / "huge.dcm"
    content = bytearray(given("CT_small.dcm").read_bytes()[: small.pixels[0]])
    content[-4:] = struct.pack("<I", 2**31)
    with file.open("wb") as out:
        out.write(content)
        out.truncate(len(content) + 2**31)  # sparse: it takes no room
    instance = read_instance(file)
    assert instance.size_bytes > INSTANCE_MAX_BYTES
    assert "above the limit" in too_large(instance)
    assert too_large(small) == ""
