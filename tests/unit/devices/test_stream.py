"""An image larger than the memory it may take goes out from the disk, byte for byte."""

import hashlib
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import CTImageStorage

from pacslab.devices.pixels import read_instance
from pacslab.model.device import parse_observation

from .conftest import World, make_device, make_peer

PIXELS_BYTES = 300 * 2**20
ROOM_BYTES = 120 * 2**20  # Python with pydicom and pynetdicom takes 60 MB

PROGRAM = """
import pathlib, sys
from pacslab.devices.command import main
code = main(["send", "pacs", sys.argv[1]])
status = pathlib.Path("/proc/self/status").read_text()
sys.stderr.write(next(line for line in status.splitlines() if line.startswith("VmHWM")))
sys.exit(code)
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    whole = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    pixels = read_instance(whole).pixels
    assert pixels is not None
    content = bytearray(whole.read_bytes()[: pixels[0]])
    content[-4:] = struct.pack("<I", PIXELS_BYTES)
    file = tmp_path / "large.dcm"
    with file.open("wb") as out:
        out.write(content)
        out.truncate(len(content) + PIXELS_BYTES)
    return file


def test_an_image_of_300_megabytes_takes_no_room(
    world: Callable[..., World], large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_config, "STORE_RECV_CHUNKED_DATASET", True)
    arrived: list[int] = []

    def take(event: evt.Event) -> int:
        arrived.append(event.dataset_path.stat().st_size)
        return 0

    ae = AE(ae_title="PACS")
    ae.maximum_pdu_size = 131072
    ae.dimse_timeout = ae.network_timeout = 120
    ae.add_supported_context(CTImageStorage)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    assert server is not None
    pacs = make_peer("pacs", "PACS", server.server_address[1])
    scanner = world(make_device("ct-1", "modality", ae_title="CT1", modality="CT", peers=(pacs,)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(large)],
        env=scanner.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    server.shutdown()
    seen = parse_observation(done.stdout)
    assert (done.returncode, seen.status) == (0, "0x0000"), seen
    assert arrived[0] >= PIXELS_BYTES
    peak_kib = int(done.stderr.split()[-2])
    assert peak_kib * 1024 < ROOM_BYTES
    zeros = hashlib.sha256()
    for _ in range(PIXELS_BYTES // 2**20):
        zeros.update(bytes(2**20))
    assert list(seen.facts["pixel_sha256"].values()) == [zeros.hexdigest()]
