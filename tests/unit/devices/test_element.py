"""The standard library's way to the PixelData value against pydicom's, over real files."""

from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from pacslab.devices.element import pixel_value
from pacslab.devices.orthanc import attribute
from pacslab.model.device import Layer

FILES = (
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "JPEG2000.dcm",
    "MR_small_RLE.dcm",
)


@pytest.mark.parametrize("name", FILES)
def test_the_value_is_pydicoms(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    dataset = pydicom.dcmread(path)
    tag = b"\x7f\xe0\x00\x10" if name == "MR_small_bigendian.dcm" else b"\xe0\x7f\x10\x00"
    content = path.read_bytes()
    value = pixel_value(content, content.rindex(tag), str(dataset.file_meta.TransferSyntaxUID))
    assert value == dataset.PixelData
    with pytest.raises(ValueError, match="cut short"):
        pixel_value(
            content[: len(content) - len(value) // 2 - 200],
            content.rindex(tag),
            str(dataset.file_meta.TransferSyntaxUID),
        )
    with pytest.raises(ValueError, match="no PixelData"):
        pixel_value(content, 0, "")


# Bodies of Orthanc 1.12.7, as it sent them.
@pytest.mark.parametrize(
    ("details", "layer", "status"),
    [
        (
            'DicomAssociation - connecting to AET "X": TCP Initialization Error: Connection refused',
            Layer.TCP,
            "connection refused",
        ),
        (
            'DicomAssociation - connecting to AET "X": TCP Initialization Error: Network is unreachable',
            Layer.TCP,
            "network is unreachable",
        ),
        ('DicomAssociation - connecting to AET "X": DUL Association Rejected', Layer.ASSOCIATION, "A-ASSOCIATE-RJ"),
        ('DicomAssociation - connecting to AET "X": Unrecognized PDU type: 48', Layer.ASSOCIATION, "not DICOM"),
        ('Unable to negotiate a presentation context with AET "X"', Layer.ASSOCIATION, "presentation context rejected"),
        ("No modality with symbolic name: nobody", Layer.HTTP, "500"),
    ],
)
def test_orthancs_sayings_are_attributed(details: str, layer: Layer, status: str) -> None:
    seen = attribute(
        500, b'{"Message": "Error in the network protocol", "Details": "%s"}' % details.replace('"', '\\"').encode()
    )
    assert (seen.ok, seen.layer, seen.status) == (False, layer, status)
