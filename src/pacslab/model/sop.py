"""Node kind and operation -> the SOP classes and transfer syntaxes that it accepts and proposes, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pacslab.model.dicom import Operation
from pacslab.model.registry import (
    MPPS,
    OTHER_STORAGE,
    PATIENT_FIND,
    PATIENT_GET,
    PATIENT_MOVE,
    RETIRED_TRANSFER_SYNTAXES,
    STORAGE,
    STORAGE_COMMITMENT,
    STUDY_FIND,
    STUDY_GET,
    STUDY_MOVE,
    TRANSFER_SYNTAXES,
    VERIFICATION,
    WORKLIST,
    Uid,
)

IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN = TRANSFER_SYNTAXES[:4]
UNCOMPRESSED = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)


@dataclass(frozen=True, slots=True)
class Offer:
    """The presentation contexts of one operation."""

    operation: Operation
    sop_classes: tuple[Uid, ...]
    transfer_syntaxes: tuple[Uid, ...] = UNCOMPRESSED
    roles_reversed: bool = False  # whoever opens the association is the SCP (PS3.7 D.3.3.4)
    note: str = ""

    @property
    def syntax_uids(self) -> list[str]:
        """The transfer syntaxes as their UIDs."""
        return [syntax.uid for syntax in self.transfer_syntaxes]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an implementation says of itself, and how far it goes."""

    implementation: str
    class_uid: str
    version_name: str
    max_pdu_bytes: int
    associations_max: int | None  # as acceptor, at a time; None: the program sets no limit of its own
    idle_timeout_s: int
    answer_timeout_s: int


_PYNETDICOM = Limits("pacslab's device, on pynetdicom", "1.2.826.0.1.3680043.9.3811.3.0.4", "PYNETDICOM_304",
                     131_072, 100, 15, 5)  # fmt: skip
_ORTHANC = Limits("Orthanc, on DCMTK", "1.2.276.0.7230010.3.0.3.6.9", "OFFIS_DCMTK_369", 131_072, None, 30, 10)
LIMITS: Mapping[str, Limits] = MappingProxyType(
    {"modality": _PYNETDICOM, "ris": _PYNETDICOM, "workstation": _PYNETDICOM, "orthanc": _ORTHANC}
)

ECHO = Offer(Operation.C_ECHO, (VERIFICATION,))
RIS = (
    Offer(Operation.C_FIND_MWL, (WORKLIST,)),
    Offer(Operation.N_CREATE_MPPS, (MPPS,)),
    Offer(Operation.N_SET_MPPS, (MPPS,)),
)
COMMITMENT_RESULT = Offer(Operation.N_EVENT_REPORT_STGCMT, (STORAGE_COMMITMENT,), roles_reversed=True)
RECEIVED = Offer(Operation.C_STORE, STORAGE, TRANSFER_SYNTAXES)  # nothing is decoded there, so anything may come

_DCMTK = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
# Orthanc knows none of the newest: seen by proposing everything to it.
_NOT_ORTHANC = frozenset({"1.2.840.10008.5.1.4.1.1.9.100.1", "1.2.840.10008.5.1.4.1.1.9.100.2"})
_ARCS = (
    "",
    ".1",
    ".1.99",
    ".2",
    *(f".4.{n}" for n in (50, 51, 57, 70, 80, 81, *range(90, 96), *range(100, 109))),
    ".5",
)
_ORTHANC_SYNTAXES = tuple(
    syntax for syntax in TRANSFER_SYNTAXES if syntax.uid.removeprefix("1.2.840.10008.1.2") in _ARCS
)
ORTHANC = (
    Offer(Operation.C_ECHO, (VERIFICATION,), _DCMTK),
    Offer(
        Operation.C_STORE,
        (*(sop for sop in STORAGE if sop.uid not in _NOT_ORTHANC), *OTHER_STORAGE),
        (*_ORTHANC_SYNTAXES, *RETIRED_TRANSFER_SYNTAXES),
    ),
    Offer(Operation.C_FIND, (PATIENT_FIND, STUDY_FIND), _DCMTK),
    Offer(Operation.C_MOVE, (PATIENT_MOVE, STUDY_MOVE), _DCMTK),
    Offer(Operation.C_GET, (PATIENT_GET, STUDY_GET), _DCMTK),
    Offer(Operation.N_ACTION_STGCMT, (STORAGE_COMMITMENT,), _DCMTK),
)

# As acceptor, by kind. Our own devices accept of these what the caller may ask; Orthanc accepts all of them from
# every known caller, and aborts on a command that the caller may not give (FACTS 1.6).
ACCEPTED: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"ris": (ECHO, *RIS), "modality": (ECHO, COMMITMENT_RESULT), "workstation": (ECHO, RECEIVED), "orthanc": ORTHANC}
)
ACCEPTS_ALL = frozenset({"orthanc"})

_SENT = Offer(Operation.C_STORE, (), (), note="the SOP class of each instance, in the transfer syntax that it has")
# As requestor, by kind.
PROPOSED: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {
        "modality": (ECHO, _SENT, *RIS, Offer(Operation.N_ACTION_STGCMT, (STORAGE_COMMITMENT,))),
        "workstation": (
            ECHO,
            _SENT,
            Offer(Operation.C_FIND, (STUDY_FIND,)),
            Offer(Operation.C_MOVE, (STUDY_MOVE,)),
            Offer(Operation.C_GET, (STUDY_GET,), note="beside it 127 storage SOP classes, as SCP"),
        ),
        "orthanc": (
            Offer(Operation.C_ECHO, (VERIFICATION,), _DCMTK),
            replace(_SENT, note=f"{_SENT.note}; beside it whatever else fits into 128 contexts"),
            Offer(Operation.C_FIND, (PATIENT_FIND, STUDY_FIND, WORKLIST), _DCMTK),
            Offer(Operation.C_MOVE, (PATIENT_MOVE, STUDY_MOVE), _DCMTK),
            Offer(Operation.C_GET, (PATIENT_GET, STUDY_GET), _DCMTK, note="beside it storage SOP classes, as SCP"),
            Offer(Operation.N_EVENT_REPORT_STGCMT, (STORAGE_COMMITMENT,), (IMPLICIT, EXPLICIT), roles_reversed=True),
        ),
        "ris": (),
    }
)
# PS3.3 A: what a modality makes by itself, by its `modality` setting, in explicit VR little endian.
ACQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "CT": ("1.2.840.10008.5.1.4.1.1.2",),
        "MR": ("1.2.840.10008.5.1.4.1.1.4",),
        "US": ("1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"),
    }
)


def offers(table: Mapping[str, tuple[Offer, ...]], kind: str, operations: tuple[Operation, ...]) -> tuple[Offer, ...]:
    """The offers of a kind for these operations."""
    return tuple(offer for offer in table.get(kind, ()) if offer.operation in operations)
