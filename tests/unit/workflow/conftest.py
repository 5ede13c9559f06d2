"""A hospital of answers: devices that say what they are told to say, for the course of a day without a lab."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pacslab.engine.docker_values import Executed
from pacslab.model.plan import Plan
from pacslab.workflow.asking import Devices
from pacslab.workflow.stations import Stations, find_stations

Said = dict[str, Any] | Executed
Reply = Callable[[tuple[str, ...]], Said]
PIXELS = {"1.2.1": "aa", "1.2.2": "bb"}


def observation(operation: str, *, ok: bool = True, layer: str = "local", status: str = "done", **facts: Any) -> Said:
    common = {"operation": operation, "peer": "", "ok": ok, "layer": layer, "status": status}
    return {**common, "detail": "", "elapsed_s": 0.1, **facts}


def cut_off(exit_code: int = 137) -> Executed:
    """What is left of a command whose node was restarted."""
    return Executed(exit_code, b"", b"")


class Hospital:
    """Answers as a lab does in which all goes well, until an answer is replaced."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.replaced: dict[tuple[str, str], list[Said]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.reported: dict[str, str] = {}
        self._lock = threading.Lock()

    def exec(self, container: str, argv: tuple[str, ...]) -> Executed:
        node = container.split("-", 2)[2]
        with self._lock:
            self.asked.append((node, *argv[1:]))
            waiting = self.replaced.get((node, argv[1]))
            said = waiting.pop(0) if waiting else self._answer(argv[1:])
        if isinstance(said, Executed):
            return said
        return Executed(0 if said["ok"] else 1, json.dumps(said).encode(), b"")

    def _answer(self, argv: tuple[str, ...]) -> Said:
        given = dict(itertools.pairwise(argv))
        answers: Mapping[str, Callable[[Mapping[str, str]], Said]] = {
            "order": self._order,
            "orders": lambda _: observation("orders", orders=list(self.orders.values())),
            "perform": self.performed,
            "procedure": self.performed,
            "hash": self._held,
            "find": self._found,
            "search": self._found,
            "move": lambda _: observation("C-MOVE", layer="dimse", status="0x0000", pixel_sha256=PIXELS),
            "retrieve": lambda _: observation("WADO-RS", layer="http", status="200", pixel_sha256=PIXELS),
            "result": self._result,
            "results": lambda _: observation("results", results=self._results()),
        }
        return answers[argv[0]](given)

    def _order(self, given: Mapping[str, str]) -> Said:
        entry = {
            "accession": given["--accession"],
            "patient_id": given["--patient-id"],
            "name": given["--patient-name"],
            "modality": given["--modality"],
            "station_ae": given["--station-ae"],
            "scheduled": "202611221130",
            "procedure": "CT thorax",
            "study_uid": f"1.2.{3 + len(self.orders)}",
            "status": "SCHEDULED",
        }
        self.orders[given["--accession"]] = entry
        return observation("ORM^O01", layer="hl7", status="AA")

    def performed(self, given: Mapping[str, str]) -> Said:
        order = self.orders[given["--accession"]]
        order["status"] = "COMPLETED"
        names = ("worklist", "mpps-in-progress", "acquire", "store", "commit", "mpps-final")
        moments = [
            {"step": n, "at": f"2026-11-22T11:30:0{i}.000+00:00", "elapsed_s": 1.0, "ok": True, "layer": "dimse",
             "status": "0x0000", "detail": n} for i, n in enumerate(names)
        ]  # fmt: skip
        who = {name: order[name] for name in ("accession", "patient_id", "study_uid")}
        return observation("perform", status="COMPLETED", timeline=moments, pixel_sha256=PIXELS, next_step="", **who)

    def _held(self, given: Mapping[str, str]) -> Said:
        order = next(order for order in self.orders.values() if order["study_uid"] == given["--study-uid"])
        who = {name: order[name] for name in ("accession", "patient_id")}
        return observation("hash", pixel_sha256=PIXELS, **who)

    def _found(self, given: Mapping[str, str]) -> Said:
        match = {"StudyInstanceUID": self.orders[given["--accession"]]["study_uid"]}
        match["NumberOfStudyRelatedInstances"] = str(len(PIXELS))
        return observation("C-FIND", layer="dimse", status="0x0000", matches=[match], count=1)

    def _result(self, given: Mapping[str, str]) -> Said:
        self.reported[given["--accession"]] = given["--text"]
        return observation("ORU^R01", layer="hl7", status="AA")

    def _results(self) -> list[dict[str, Any]]:
        history = [{"status": status} for status in ("IN PROGRESS", "COMPLETED")]
        return [
            {
                "accession": accession,
                "patient_id": order["patient_id"],
                "history": history if order["status"] == "COMPLETED" else [],
                "reports": [{"text": self.reported[accession]}] if accession in self.reported else [],
            }
            for accession, order in self.orders.items()
        ]


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


@pytest.fixture
def devices(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> Devices:
    """Its devices, with a patience of ten seconds and none of the waiting."""
    return hurried(Devices(hospital, "test", 10.0), monkeypatch)


def hurried(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> Devices:
    """Devices on a clock that only pauses move."""
    clock = [1000.0]
    pause = devices.pause

    def skip(seconds: float) -> None:
        pause(0)
        clock[0] += seconds

    monkeypatch.setattr(devices, "pause", skip)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    return devices


@pytest.fixture
def stations(reference: Plan) -> Stations:
    """Those of the reference lab's CT."""
    return find_stations(reference)[0]
