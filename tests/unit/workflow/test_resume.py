"""Whose turn it is when a part is run alone."""

import pytest
from tests.unit.workflow.conftest import PIXELS, Hospital

from pacslab.errors import Exit, PacslabError
from pacslab.model.plan import Plan
from pacslab.model.workflow import Part
from pacslab.workflow.asking import Devices
from pacslab.workflow.course import Study
from pacslab.workflow.resume import VERIFY_PATIENT, choose, take_up
from pacslab.workflow.stations import Stations, find_stations

FORM = Study("", "", slices=7, seed=5)


def _order(accession: str, status: str, scheduled: str, *, station_ae: str = "CT1", **more: str) -> dict[str, str]:
    when = {"accession": accession, "status": status, "scheduled": scheduled, "station_ae": station_ae}
    return {**when, "modality": "CT", "patient_id": "P", "name": "N", "study_uid": "1.2.3", **more}


ORDERS = [
    _order("A1", "SCHEDULED", "202601010900"),
    _order("A2", "SCHEDULED", "202601010800"),
    _order("A3", "COMPLETED", "202601010700"),
    _order("A4", "COMPLETED", "202601010730"),
    _order("A5", "CANCELLED", "202601010600"),
    _order("V1", "SCHEDULED", "202601010100", patient_id=VERIFY_PATIENT),
    _order("V2", "COMPLETED", "202601012300", patient_id=VERIFY_PATIENT),
    _order("X1", "SCHEDULED", "202601010100", station_ae="ELSEWHERE"),
    _order("M1", "SCHEDULED", "202601010850", station_ae="", modality="MR"),
]


@pytest.fixture
def stations(reference: Plan) -> tuple[Stations, ...]:
    return find_stations(reference)


def test_the_oldest_open_order_is_acquired_first(stations: tuple[Stations, ...]) -> None:
    found = [(order["accession"], one.scanner) for order, one in choose(ORDERS, stations, Part.ACQUIRE, "")]
    assert found == [("A2", "ct-1"), ("M1", "mr-1"), ("A1", "ct-1")]


def test_the_latest_completed_order_is_read_first(stations: tuple[Stations, ...]) -> None:
    assert [order["accession"] for order, _ in choose(ORDERS, stations, Part.READ, "")] == ["A4", "A3"]


def test_an_order_that_is_named_is_taken_whatever_its_status(stations: tuple[Stations, ...]) -> None:
    assert [order["accession"] for order, _ in choose(ORDERS, stations, Part.READ, "V1")] == ["V1"]


def test_a_study_is_taken_up_with_what_its_scanner_made(
    hospital: Hospital, devices: Devices, stations: tuple[Stations, ...]
) -> None:
    hospital.orders = {order["accession"]: dict(order) for order in ORDERS}
    (visit,) = take_up(devices, stations, Part.READ, accession="", count=1, form=FORM)
    assert (visit.study.accession, visit.study.patient_id, visit.study.pixels) == ("A4", "P", PIXELS)
    assert ("ct-1", "procedure", "--accession", "A4") in hospital.asked


def test_nothing_is_asked_of_the_scanner_before_it_has_acquired(
    hospital: Hospital, devices: Devices, stations: tuple[Stations, ...]
) -> None:
    hospital.orders = {order["accession"]: dict(order) for order in ORDERS}
    visits = take_up(devices, stations, Part.ACQUIRE, accession="", count=2, form=FORM)
    assert [visit.study.accession for visit in visits] == ["A2", "M1"]
    assert visits[0].study.slices == 7
    assert [words[1] for words in hospital.asked] == ["orders"]


@pytest.mark.parametrize(
    ("part", "accession", "words", "hint"),
    [
        (Part.ACQUIRE, "", "ris has no open order", "run LAB order"),
        (Part.REPORT, "", "ris has no completed order", "run LAB acquire"),
        (Part.REPORT, "A9", "ris has no order with accession number A9", "run LAB order"),
    ],
)
def test_nothing_to_take_up_is_said(
    devices: Devices, stations: tuple[Stations, ...], *, part: Part, accession: str, words: str, hint: str
) -> None:
    with pytest.raises(PacslabError, match=words) as caught:
        take_up(devices, stations, part, accession=accession, count=1, form=FORM)
    assert caught.value.exit_code is Exit.USAGE
    assert hint in caught.value.hint
