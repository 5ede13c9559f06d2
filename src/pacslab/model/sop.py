"""Node kind and operation -> the SOP classes and transfer syntaxes that it accepts and proposes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pacslab.model.dicom import Operation
from pacslab.model.registry import (
    MPPS,
    STORAGE,
    STORAGE_COMMITMENT,
    TRANSFER_SYNTAXES,
    VERIFICATION,
    WORKLIST,
    Uid,
)

ALL = tuple(item.uid for item in TRANSFER_SYNTAXES)
IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN = ALL[:4]
UNCOMPRESSED = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one operation needs of an association."""

    operation: Operation
    sop_classes: tuple[Uid, ...]
    transfer_syntaxes: tuple[str, ...] = UNCOMPRESSED
    roles_reversed: bool = False  # whoever opens the association is the SCP (PS3.7 D.3.3.4)


ECHO = Offer(Operation.C_ECHO, (VERIFICATION,))
RIS = (
    Offer(Operation.C_FIND_MWL, (WORKLIST,)),
    Offer(Operation.N_CREATE_MPPS, (MPPS,)),
    Offer(Operation.N_SET_MPPS, (MPPS,)),
)
MODALITY = (Offer(Operation.N_EVENT_REPORT_STGCMT, (STORAGE_COMMITMENT,), roles_reversed=True),)
WORKSTATION = (Offer(Operation.C_STORE, STORAGE, ALL),)  # nothing is decoded there, so anything may come

# What our own devices accept, by kind. C-ECHO is answered wherever it may be asked.
ACCEPTED: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"ris": (ECHO, *RIS), "modality": (ECHO, *MODALITY), "workstation": (ECHO, *WORKSTATION)}
)
