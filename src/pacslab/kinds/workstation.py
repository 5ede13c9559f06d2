"""A reading workstation: finds, retrieves, and takes delivery of images."""

from __future__ import annotations

from pacslab.kinds.device import device_files
from pacslab.kinds.kind import DICOM_TLS, MIB, Kind, Parts, Seat
from pacslab.model.dicom import Operation


def _parts(seat: Seat) -> Parts:
    return Parts(files=device_files(seat), keeps_data=True, memory_bytes=1024 * MIB)


KIND = Kind(
    name="workstation",
    title="reading workstation",
    image="workstation",
    services=lambda _: (DICOM_TLS,),
    parts=_parts,
    needs_ae_title=True,
    attempts=frozenset({Operation.C_ECHO, Operation.C_STORE, Operation.C_FIND, Operation.C_MOVE, Operation.C_GET}),
)
