"""What a suite calls its ends -> the zone they are in."""

from __future__ import annotations

import pytest

from pacslab.model.plan import Plan
from pacslab.report.seats import FABRIC, Seats


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("ct-1", "modality"),
        ("modality/ct-1", "modality"),
        ("modality/gateway", "modality"),
        ("gateway of modality", "modality"),
        ("198.18.20.1", "pacs-core"),
        ("198.18.20.200 (unassigned)", "pacs-core"),
        ("fabric", FABRIC),
        ("224.0.0.1", FABRIC),
        ("something new", FABRIC),
        ("", ""),
    ],
)
def test_the_zone_of_an_end(name: str, zone: str, minimal: Plan) -> None:
    assert Seats.of(minimal).zone(name) == zone


def test_a_lab_that_is_not_known_has_no_zones() -> None:
    assert Seats().zone("ct-1") == FABRIC
