"""What the RIS has on its books -> the study that a part run alone takes up where an earlier part left off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pacslab.errors import Exit, PacslabError
from pacslab.model.workflow import Part
from pacslab.workflow.asking import Devices
from pacslab.workflow.course import Study
from pacslab.workflow.stations import Stations
from pacslab.workflow.visits import Visit

VERIFY_PATIENT = "PACSLAB-VERIFY"  # whose studies are nobody's work
OPEN = ("SCHEDULED", "IN PROGRESS")
DONE = ("COMPLETED",)


def take_up(
    devices: Devices, stations: Iterable[Stations], part: Part, *, accession: str, count: int, form: Study
) -> tuple[Visit, ...]:
    """The studies whose turn it is: open orders for `acquire`, oldest first; else completed ones, latest first.

    Args:
        devices: The lab's devices.
        stations: Stations at which the part can be run.
        part: The part; not `order`, which takes up nothing.
        accession: This one, whatever its status; empty: whose turn it is.
        count: How many at most.
        form: Size and seed of what is still to be acquired.

    Raises:
        PacslabError: There is none, or the RIS does not say.
    """
    every = tuple(stations)
    ris = next(flow.destination for one in every for flow in (one.order, one.schedule) if flow is not None)
    seen = devices.ask(ris, "orders").observation
    if not seen.ok:
        raise PacslabError(f"{ris} does not say what is ordered: {seen.status} {seen.detail}".rstrip())
    orders = choose(seen.facts.get("orders", ()), every, part, accession)[:count]
    if not orders:
        raise PacslabError(_nothing(ris, part, accession), hint=_HINTS[part], exit_code=Exit.USAGE)
    return tuple(Visit(_study(devices, order, one, part, form), one) for order, one in orders)


def choose(
    orders: Iterable[Mapping[str, Any]], stations: tuple[Stations, ...], part: Part, accession: str
) -> list[tuple[Mapping[str, Any], Stations]]:
    """Orders with the stations that serve them, those whose turn it is first."""
    wanted = OPEN if part is Part.ACQUIRE else DONE
    found = [
        (order, one)
        for order in orders
        if (order["accession"] == accession if accession else _is_work(order) and order["status"] in wanted)
        if (one := _serving(order, stations)) is not None
    ]
    return sorted(found, key=lambda pair: _when(pair[0]), reverse=part is not Part.ACQUIRE)


def _is_work(order: Mapping[str, Any]) -> bool:
    return str(order["patient_id"]) != VERIFY_PATIENT


def _when(order: Mapping[str, Any]) -> tuple[str, str]:
    return str(order["scheduled"]), str(order["accession"])


def _serving(order: Mapping[str, Any], stations: tuple[Stations, ...]) -> Stations | None:
    """The scanner that is scheduled; where none is, one of that modality."""
    if order["station_ae"]:
        return next((one for one in stations if one.ae_title == order["station_ae"]), None)
    return next((one for one in stations if one.modality == order["modality"]), None)


def _study(devices: Devices, order: Mapping[str, Any], stations: Stations, part: Part, form: Study) -> Study:
    pixels: dict[str, str] = {}
    if part in {Part.ARCHIVE, Part.READ}:
        seen = devices.ask(stations.scanner, "procedure", "--accession", str(order["accession"])).observation
        pixels = dict(seen.facts.get("pixel_sha256", {}))
        if not pixels:
            raise PacslabError(
                f"{stations.scanner} has performed nothing for order {order['accession']}: {seen.detail}",
                hint=f"`pacslab run LAB acquire --accession {order['accession']}` makes them",
            )
    return Study(
        accession=str(order["accession"]),
        patient_id=str(order["patient_id"]),
        patient_name=str(order["name"]),
        study_uid=str(order["study_uid"]),
        slices=form.slices,
        series=form.series,
        side_pixels=form.side_pixels,
        seed=form.seed,
        pixels=pixels,
    )


def _nothing(ris: str, part: Part, accession: str) -> str:
    if accession:
        return f"{ris} has no order with accession number {accession} for any scanner that may be used here"
    return f"{ris} has no open order" if part is Part.ACQUIRE else f"{ris} has no completed order"


_HINTS = {
    Part.ACQUIRE: "`pacslab run LAB order` makes one",
    **dict.fromkeys(
        (Part.ARCHIVE, Part.READ, Part.REPORT), "`pacslab run LAB order`, then `pacslab run LAB acquire`, makes one"
    ),
}
