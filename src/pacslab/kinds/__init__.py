"""Node kinds: what each kind listens with, what may be set on it, and which files its container gets."""

from __future__ import annotations

from types import MappingProxyType

from pacslab.kinds import bastion, container, database, ehr, modality, orthanc, probe, ris, web_gateway, workstation
from pacslab.kinds.kind import CLEAR, Kind, Parts, Seat, SettingSpec

KINDS: MappingProxyType[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            modality.KIND,
            orthanc.KIND,
            web_gateway.KIND,
            database.KIND,
            workstation.KIND,
            ris.KIND,
            ehr.KIND,
            bastion.KIND,
            probe.KIND,
            container.KIND,
        )
    },
)

__all__ = ["CLEAR", "KINDS", "Kind", "Parts", "Seat", "SettingSpec"]
