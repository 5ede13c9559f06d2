"""Every check pacslab makes: id, the requirement in one sentence, and what it answers to."""

from __future__ import annotations

from types import MappingProxyType

from pacslab.model.dicom import Operation
from pacslab.model.verdict import Check

REACH_ALLOWED = Check(
    "REACH-01",
    "reach",
    "A declared flow can be opened end to end, and the responder sees the initiator's own address.",
    ("CSF 2.0 PR.IR-01", "SP 800-53 AC-4", "IEC 62443-3-3 SR 5.1"),
)
REACH_DENIED = Check(
    "REACH-02",
    "reach",
    "What no flow permits does not reach the other node, and the firewall's own log accounts for it.",
    ("CSF 2.0 PR.IR-01", "SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2 RE1", "HICP 6.M.A"),
)
REACH_ACCOUNTED = Check(
    "REACH-03",
    "reach",
    "Every probe is accounted for: sent = arrived + dropped, and the firewall's counters advanced by what was dropped.",
    ("SP 800-53 AU-12", "CSF 2.0 DE.CM-01"),
)
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

CATALOGUE: tuple[Check, ...] = (
    REACH_ALLOWED,
    REACH_DENIED,
    REACH_ACCOUNTED,
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

SUITES: tuple[str, ...] = tuple(dict.fromkeys(check.suite for check in CATALOGUE))


def check(identity: str) -> Check:
    """The check of that id.

    Raises:
        KeyError: There is none.
    """
    for entry in CATALOGUE:
        if entry.id == identity:
            return entry
    raise KeyError(identity)
