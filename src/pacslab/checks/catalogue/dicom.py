"""Suite `dicom`: what each peer may do once it is connected."""

from __future__ import annotations

from types import MappingProxyType

from pacslab.model.dicom import Operation
from pacslab.model.verdict import Check

DICOM_ECHO = Check(
    "DICOM-01", "dicom", "A declared C-ECHO succeeds from the initiator's own seat.", ("PS3.7 9.1.5", "PS3.4 A")
)
DICOM_STORE = Check(
    "DICOM-02", "dicom", "A declared C-STORE stores an image from the initiator's own seat.", ("PS3.4 B", "IHE RAD-8")
)
DICOM_FIND = Check(
    "DICOM-03",
    "dicom",
    "A declared C-FIND finds a stored study from the initiator's own seat.",
    ("PS3.4 C.4.1", "IHE RAD-14"),
)
DICOM_MOVE = Check(
    "DICOM-04", "dicom", "A declared C-MOVE delivers a stored study to the initiator.", ("PS3.4 C.4.2", "IHE RAD-16")
)
DICOM_GET = Check(
    "DICOM-05", "dicom", "A declared C-GET recalls a stored study over the same association.", ("PS3.4 C.4.3",)
)

CHECKS: tuple[Check, ...] = (
    DICOM_ECHO,
    DICOM_STORE,
    DICOM_FIND,
    DICOM_MOVE,
    DICOM_GET,
)

BY_OPERATION: MappingProxyType[Operation, Check] = MappingProxyType(
    {
        Operation.C_ECHO: DICOM_ECHO,
        Operation.C_STORE: DICOM_STORE,
        Operation.C_FIND: DICOM_FIND,
        Operation.C_MOVE: DICOM_MOVE,
        Operation.C_GET: DICOM_GET,
    },
)
