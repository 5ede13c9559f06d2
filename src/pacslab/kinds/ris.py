"""A radiology information system: orders in by HL7, worklist and procedure steps out by DICOM."""

from __future__ import annotations

from pacslab.kinds.device import device_files
from pacslab.kinds.kind import Kind, Parts, Seat
from pacslab.model.dicom import Application, Operation
from pacslab.model.lab import Service


def _parts(seat: Seat) -> Parts:
    return Parts(files=device_files(seat), keeps_data=True)


KIND = Kind(
    name="ris",
    title="radiology information system",
    image="ris",
    services=lambda _: (
        Service("hl7-tls", Application.HL7_TLS, 2576),
        Service("dicom", Application.DICOM, 11112),
    ),
    parts=_parts,
    needs_ae_title=True,
    attempts=frozenset({Operation.C_ECHO, Operation.C_FIND, Operation.C_STORE, Operation.C_MOVE}),
)
