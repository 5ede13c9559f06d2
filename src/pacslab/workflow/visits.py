"""Stations -> new patients with one study each, under accession numbers that nobody has."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass, replace
from itertools import cycle, islice

from pacslab.workflow.course import Study
from pacslab.workflow.stations import Stations

NAMES = ("ADA", "BLAISE", "CHIEN", "DAMODAR", "EMMY", "FIDEL", "GRACE", "HYPATIA")
_TELLS_APART = 4096


@dataclass(frozen=True, slots=True)
class Visit:
    """One study to be done, and the stations it will pass."""

    study: Study
    stations: Stations


def new_visits(
    stations: tuple[Stations, ...], count: int, form: Study, *, prefix: str = "D", accession: str = ""
) -> tuple[Visit, ...]:
    """New studies, the scanners in turn.

    Args:
        stations: Where.
        count: How many.
        form: Size and first seed; a patient id that is said there is kept for all.
        prefix: First letter of the accession numbers.
        accession: This number instead; then one study.
    """
    numbers = (accession,) if accession else accession_numbers(count, dt.datetime.now().astimezone(), prefix)
    return tuple(
        Visit(
            replace(
                form,
                accession=number,
                patient_id=form.patient_id or f"SYN-{number}",
                patient_name=f"SYNTHETIC^{NAMES[index % len(NAMES)]}",
                seed=form.seed + index,
            ),
            one,
        )
        for index, (number, one) in enumerate(zip(numbers, islice(cycle(stations), len(numbers)), strict=True))
    )


def accession_numbers(count: int, now: dt.datetime, prefix: str) -> tuple[str, ...]:
    """Numbers of 16 characters (PS3.5 6.2: SH) that sort by time; chance keeps runs of one second apart."""
    first = secrets.randbelow(_TELLS_APART)
    return tuple(f"{prefix}{now:%y%m%d%H%M%S}{(first + index) % _TELLS_APART:03X}" for index in range(count))
