"""What decides a synthetic study, and what was made of it; values only, for programs that look into no image."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from pacslab.devices.protocol import Form
from pacslab.devices.scheduled import Scheduled


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a study; the same recipe gives the same pixels and UIDs."""

    modality: str
    forms: tuple[Form, ...]
    slices: int
    rows: int
    columns: int
    seed: int
    order: Scheduled
    node: str
    manufacturer: str
    model: str
    performed_uid: str = ""  # the performed procedure step that the images belong to
    performed_id: str = ""

    def uid(self, *parts: object) -> str:
        """A UID that depends on the recipe only (PS3.5 B.2: 2.25 and a UUID)."""
        given = (self.modality, self.forms, self.slices, self.rows, self.columns, self.seed, self.performed_uid)
        whom = (self.node, self.order.patient_id, self.order.accession, self.order.study_uid)
        text = repr((given, whom, parts))
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, text).int}"

    @property
    def study(self) -> str:
        """The study's UID: given by the order, else made from the recipe."""
        return self.order.study_uid or self.uid("study")


@dataclass(frozen=True, slots=True)
class Made:
    """One instance as a file of this node."""

    file: str
    sop_class: str
    sop_instance: str
    pixel_sha256: str | None


@dataclass(frozen=True, slots=True)
class Series:
    """The instances of one series, in the order of their numbers."""

    uid: str
    description: str
    instances: tuple[Made, ...]
