"""A DICOM file and an association -> C-STORE from the disk straight onto the wire, in pieces of the peer's size."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.uid import UID

from pacslab.devices.association import MAX_PDU_BYTES, WORK_TIMEOUT_S, Call, outcome_of
from pacslab.devices.files import wait_until
from pacslab.devices.observing import Outcome
from pacslab.devices.pixels import Instance, pixel_sha256
from pacslab.model.device import Layer

# PS3.8 9.3.5 and annex E
P_DATA_TF = 0x04
PDV_OVERHEAD_BYTES = 6
COMMAND_LAST = 0x03
DATA = 0x00
DATA_LAST = 0x02
# PS3.7 9.3.1.1
C_STORE_RQ = 0x0001
MEDIUM = 0x0000
WITH_DATA_SET = 0x0001
RESPONDED_TO, STATUS, ERROR_COMMENT = 0x0120, 0x0900, 0x0902
READ_S = 2.0
WRITE_BYTES = 2**18


@contextmanager
def quiet(line: Call) -> Iterator[None]:
    """Keep pynetdicom's reactor from taking responses for requests, for a whole series.

    Its own `send_c_store` does so for each image; what was paused a moment ago and wakes late then still looks paused,
    and takes the response away: its sender waits for it until it times out.
    """
    association = line.association
    association._reactor_checkpoint.clear()  # noqa: SLF001 - there is no public way to send what is encoded already
    while not association._is_paused and association.is_alive() and line.established:  # noqa: SLF001
        time.sleep(0.0001)
    try:
        yield
    finally:
        association._reactor_checkpoint.set()  # noqa: SLF001


def store(line: Call, instance: Instance, number: int) -> tuple[Outcome, str | None]:
    """C-STORE one file within `quiet`; also the SHA-256 of its pixel data.

    pynetdicom queues all fragments of a file before the first has left: an image of 2 GB would lie in memory.
    """
    association = line.association
    try:
        context = association._get_valid_context(  # noqa: SLF001
            UID(instance.sop_class), UID(instance.transfer_syntax), "scu", allow_conversion=False
        )
    except ValueError as error:
        return Outcome(False, Layer.ASSOCIATION, "presentation context rejected", str(error)), None
    started = time.monotonic()
    accepts = association.acceptor.maximum_length or MAX_PDU_BYTES
    room = min(accepts, MAX_PDU_BYTES) - PDV_OVERHEAD_BYTES
    timeout_s = association.dimse_timeout or WORK_TIMEOUT_S
    try:
        with instance.path.open("rb") as file, line.wire.turn():
            pieces = _fragments(file, instance, room)
            line.wire.write(_pdus(context.context_id or 0, _command(instance, number), pieces))
            hashed = pixel_sha256(instance)  # while the archive writes
            answer = _response(line, timeout_s)
    except TimeoutError:
        answer = {}
        association._reactor_checkpoint.set()  # noqa: SLF001 - it ends the association
        association._handle_no_response()  # noqa: SLF001
    except (OSError, ValueError) as error:  # this node's disk: half an image is on its way, and must not look whole
        association._reactor_checkpoint.set()  # noqa: SLF001
        association.abort()
        return Outcome(False, Layer.LOCAL, "unreadable", str(error)), None
    if not answer:
        return _ended(line, started), None
    if answer.get(RESPONDED_TO) != struct.pack("<H", number) or STATUS not in answer:
        association._reactor_checkpoint.set()  # noqa: SLF001
        association.abort()
        return Outcome(False, Layer.DIMSE, "invalid response", "it answers another request; association aborted"), None
    status = Dataset()
    status.Status = int.from_bytes(answer[STATUS], "little")
    status.ErrorComment = answer.get(ERROR_COMMENT, b"").decode("ascii", "replace").strip("\0 ")
    return outcome_of(status), hashed


def _ended(line: Call, started: float) -> Outcome:
    """Say why no answer came, once pynetdicom's thread has read what came instead."""
    wait_until(lambda: not line.established, READ_S)
    return line.ended(started)


def _response(line: Call, timeout_s: float) -> dict[int, bytes]:
    """The command set of a response, from as many PDUs as it comes in; empty if something else came."""
    command = bytearray()
    while body := line.wire.read_data(timeout_s):
        place = 0
        while place < len(body):  # PS3.8 9.3.5.1: PDVs, each with its length, context and control header
            length, _, control = struct.unpack_from(">IBB", body, place)
            command += body[place + PDV_OVERHEAD_BYTES : place + 4 + length]
            place += 4 + length
            if control & COMMAND_LAST == COMMAND_LAST:
                return _elements(bytes(command))
    return {}


def _elements(command: bytes) -> dict[int, bytes]:
    """The elements of group 0 of a command set (PS3.7 6.3.1), by element number."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 8 <= len(command):
        _, element, length = struct.unpack_from("<HHI", command, place)
        found[element] = command[place + 8 : place + 8 + length]
        place += 8 + length
    return found


def _command(instance: Instance, number: int) -> bytes:
    """The command set of a C-STORE request (PS3.7 9.3.1.1, always implicit little endian, 6.3.1)."""
    elements = (
        (0x0002, _uid(instance.sop_class)),
        (0x0100, struct.pack("<H", C_STORE_RQ)),
        (0x0110, struct.pack("<H", number)),
        (0x0700, struct.pack("<H", MEDIUM)),
        (0x0800, struct.pack("<H", WITH_DATA_SET)),
        (0x1000, _uid(instance.sop_instance)),
    )
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _uid(text: str) -> bytes:
    value = text.encode("ascii")
    return value + b"\0" * (len(value) % 2)


def _fragments(file: BinaryIO, instance: Instance, room: int) -> Iterator[bytes]:
    place = instance.data_begin
    file.seek(place)
    while piece := file.read(room):
        place += len(piece)
        yield piece
    if place != instance.size_bytes:
        raise OSError(f"{instance.path} changed while it was sent")


def _pdus(context: int, command: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """P-DATA-TF PDUs of one PDV each, several to a write where they are small."""
    ready = bytearray(_pdu(context, COMMAND_LAST, command))
    before = next(pieces, b"")
    for piece in pieces:
        ready += _pdu(context, DATA, before)
        before = piece
        if len(ready) >= WRITE_BYTES:
            yield bytes(ready)
            ready.clear()
    yield bytes(ready + _pdu(context, DATA_LAST, before))


def _pdu(context: int, control: int, value: bytes) -> bytes:
    return struct.pack(">BxIIBB", P_DATA_TF, len(value) + 6, len(value) + 2, context, control) + value
