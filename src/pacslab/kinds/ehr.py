"""An electronic health record: sends orders, receives status and results by HL7."""

from __future__ import annotations

from pacslab.kinds.device import device_files
from pacslab.kinds.kind import Kind, Parts, Seat
from pacslab.model.dicom import Application
from pacslab.model.lab import Service


def _parts(seat: Seat) -> Parts:
    return Parts(files=device_files(seat), keeps_data=True)


KIND = Kind(
    name="ehr",
    title="electronic health record",
    image="ris",
    services=lambda _: (Service("hl7-tls", Application.HL7_TLS, 2576),),
    parts=_parts,
)
