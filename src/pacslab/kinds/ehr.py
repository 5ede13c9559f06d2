"""An electronic health record: sends orders, receives status and results by HL7."""

from __future__ import annotations

from pacslab.kinds.device import device_files
from pacslab.kinds.kind import HL7_TLS, Kind, Parts, Seat


def _parts(seat: Seat) -> Parts:
    return Parts(files=device_files(seat), keeps_data=True)


KIND = Kind(
    name="ehr",
    title="electronic health record",
    image="ris",
    services=lambda _: (HL7_TLS,),
    parts=_parts,
)
