"""A radiology information system: orders in by HL7, worklist and procedure steps out by DICOM."""

from __future__ import annotations

from pacslab.kinds.device import device_files
from pacslab.kinds.kind import DICOM_TLS, HL7_TLS, Kind, Parts, Seat
from pacslab.model.dicom import Operation


def _parts(seat: Seat) -> Parts:
    return Parts(files=device_files(seat), keeps_data=True)


KIND = Kind(
    name="ris",
    title="radiology information system",
    image="ris",
    services=lambda _: (HL7_TLS, DICOM_TLS),
    parts=_parts,
    needs_ae_title=True,
    attempts=frozenset({Operation.C_ECHO, Operation.C_FIND, Operation.C_STORE, Operation.C_MOVE}),
)
