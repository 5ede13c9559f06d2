"""Accession numbers and patients of a run."""

import datetime as dt
from dataclasses import replace

from pacslab.workflow.course import Study
from pacslab.workflow.stations import Stations
from pacslab.workflow.visits import accession_numbers, new_visits

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
FORM = Study("", "", seed=100)


def test_accession_numbers_fit_and_sort_by_time() -> None:
    numbers = accession_numbers(500, NOW, "D")
    assert len(set(numbers)) == 500
    assert {len(number) for number in numbers} == {16}  # PS3.5 6.2: SH
    later = accession_numbers(1, NOW + dt.timedelta(seconds=1), "D")
    assert max(numbers) < later[0]


def test_runs_of_one_second_are_kept_apart_by_chance() -> None:
    assert len({accession_numbers(1, NOW, "D") for _ in range(50)}) > 25


def test_scanners_take_turns_and_no_two_studies_are_alike(stations: Stations) -> None:
    other = replace(stations, scanner="ct-2")
    visits = new_visits((stations, other), 5, FORM)
    assert [visit.stations.scanner for visit in visits] == ["ct-1", "ct-2", "ct-1", "ct-2", "ct-1"]
    assert [visit.study.seed for visit in visits] == [100, 101, 102, 103, 104]
    assert len({visit.study.patient_id for visit in visits}) == 5


def test_an_accession_number_that_is_given_is_used(stations: Stations) -> None:
    (visit,) = new_visits((stations,), 1, FORM, accession="MINE")
    assert (visit.study.accession, visit.study.patient_id) == ("MINE", "SYN-MINE")


def test_one_patient_for_all_where_that_is_said(stations: Stations) -> None:
    visits = new_visits((stations,), 3, replace(FORM, patient_id="VERIFY"), prefix="V")
    assert {visit.study.patient_id for visit in visits} == {"VERIFY"}
    assert all(visit.study.accession.startswith("V") for visit in visits)
