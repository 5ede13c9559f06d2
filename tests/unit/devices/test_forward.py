"""What waits is what the marks do not say, and a destination that fails holds up nobody."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

import pytest

from pacslab.devices.forward import LONGEST_PAUSE_S, Forwarder, Turns
from pacslab.devices.observing import Outcome
from pacslab.devices.orthanc import Rest, RestError
from pacslab.devices.queue import Mark, Trouble, held, marks_text, parse_marks
from pacslab.model.device import Layer, Peer
from pacslab.model.dicom import Application


@dataclass(frozen=True)
class Archive(Rest):
    """An archive in memory, with the part of Orthanc's REST that forwarding uses."""

    authorization: str = ""
    studies: dict[str, set[str]] = field(default_factory=dict)
    updates: dict[str, int] = field(default_factory=dict)
    growing: set[str] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    sent: list[tuple[str, list[str]]] = field(default_factory=list)
    refused: dict[str, RestError] = field(default_factory=dict)  # by study

    def store(self, study: str, *instances: str) -> None:
        self.studies.setdefault(study, set()).update(instances)
        self.updates[study] = self.updates.get(study, 0) + 1
        self._log("NewInstance", study)
        if study not in self.growing:
            self._log("StableStudy", study)

    def _log(self, kind: str, study: str) -> None:
        self.changes.append({"ChangeType": kind, "ID": study, "Seq": len(self.changes) + 1})

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = 0) -> bytes:
        del timeout_s
        return json.dumps(self._answer(method, path, body)).encode()

    def _answer(self, method: str, path: str, body: Any) -> Any:
        words = path.partition("?")[0].split("/")[1:]
        match method, words:
            case "GET", ["changes"] if path.endswith("?last"):
                return {"Last": len(self.changes), "Done": True}
            case "GET", ["changes"]:
                since = int(path.partition("since=")[2].partition("&")[0])
                return {"Changes": self.changes[since:], "Last": len(self.changes), "Done": True}
            case "POST", ["tools", "find"]:
                return [self._study(study) for study in self.studies]
            case "GET", ["studies", study] if study in self.studies:
                return self._study(study)
            case "GET", ["studies", study, "instances"]:
                return sorted(self.studies[study])
            case "GET", ["studies", study, "metadata"]:
                return self._study(study)["Metadata"]
            case "PUT", ["studies", study, "metadata", "forwarded"]:
                self.metadata[study] = body.decode()
                return None
            case "POST", _:
                self._take(path, body["Resources"])
                return {}
        raise RestError(Outcome(False, Layer.HTTP, "404"), 404)

    def _study(self, study: str) -> dict[str, Any]:
        marks = {"forwarded": self.metadata[study]} if study in self.metadata else {}
        return {
            "ID": study,
            "MainDicomTags": {"StudyInstanceUID": f"1.{study}"},
            "IsStable": study not in self.growing,
            "Metadata": {"LastUpdate": f"20261122T1200{self.updates[study]:02}", **marks},
        }

    def _take(self, path: str, instances: list[str]) -> None:
        for study, error in self.refused.items():
            if self.studies[study] & set(instances):
                raise error
        self.sent.append((path, instances))


FAILED = RestError(Outcome(False, Layer.TCP, "timed out", "Timeout"), 500)
ENDED = RestError(Outcome(False, Layer.HTTP, "connection refused"))


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def told() -> list[Trouble | None]:
    return []


def forwarder(
    archive: Archive, told: list[Trouble | None], application: Application = Application.DICOM_TLS
) -> Forwarder:
    peer = Peer("vna", IPv4Address("198.18.30.10"), application, 2762)
    return Forwarder(archive, peer, threading.Lock(), lambda _, trouble: told.append(trouble), lambda: "status 504")


def test_a_study_goes_once(archive: Archive, told: list[Trouble | None]) -> None:
    work = forwarder(archive, told)
    work.step()
    archive.store("1", "a", "b")
    for _ in range(5):
        work.step()
    assert archive.sent == [("/modalities/vna/store", ["a", "b"])]
    assert told == [None]
    assert not held(archive, "1")[0].waits_for("vna")


def test_a_web_front_is_stored_to_by_stow(archive: Archive, told: list[Trouble | None]) -> None:
    archive.store("1", "a")
    forwarder(archive, told, Application.HTTPS).step()
    assert archive.sent == [("/dicom-web/servers/vna/stow", ["a"])]


def test_a_large_study_goes_to_a_web_front_in_several_requests(archive: Archive, told: list[Trouble | None]) -> None:
    archive.store("1", *(f"{number:03}" for number in range(120)))
    forwarder(archive, told, Application.HTTPS).step()
    assert [len(instances) for _, instances in archive.sent] == [50, 50, 20]
    assert not held(archive, "1")[0].waits_for("vna")


def test_a_web_fronts_refusal_is_told_in_the_words_of_the_archives_log(
    archive: Archive, told: list[Trouble | None]
) -> None:
    archive.store("1", "a")
    archive.refused["1"] = FAILED
    forwarder(archive, told, Application.HTTPS).step()
    assert told == [Trouble("status 504", 1)]


def test_what_was_there_before_the_program_began_goes_too(archive: Archive, told: list[Trouble | None]) -> None:
    archive.store("1", "a")
    archive.changes.clear()  # and the log does not say so
    forwarder(archive, told).step()
    assert archive.sent == [("/modalities/vna/store", ["a"])]


def test_a_study_that_grows_waits_until_it_is_complete(archive: Archive, told: list[Trouble | None]) -> None:
    work = forwarder(archive, told)
    archive.growing.add("1")
    archive.store("1", "a")
    work.step()
    work.step()
    assert archive.sent == []
    assert held(archive, "1")[0].waits_for("vna")
    archive.growing.clear()
    archive.store("1", "b")
    work.step()
    assert archive.sent == [("/modalities/vna/store", ["a", "b"])]


def test_late_instances_follow_alone_also_past_a_restart(archive: Archive, told: list[Trouble | None]) -> None:
    archive.store("1", "a", "b")
    forwarder(archive, told).step()
    archive.store("1", "c")
    forwarder(archive, told).step()
    assert [instances for _, instances in archive.sent] == [["a", "b"], ["c"]]


def test_two_destinations_have_marks_of_their_own(archive: Archive, told: list[Trouble | None]) -> None:
    archive.store("1", "a")
    forwarder(archive, told).step()
    (study,) = held(archive, "1")
    assert study.waits_for("cloud-web")
    assert not study.waits_for("vna")


def test_a_failure_is_told_waited_for_and_tried_again(archive: Archive, told: list[Trouble | None]) -> None:
    work = forwarder(archive, told)
    archive.store("1", "a")
    archive.refused["1"] = FAILED
    pauses = [work.step() for _ in range(7)]
    assert pauses == [1, 2, 4, 8, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert told[-1] == Trouble("tcp: Timeout", 7)
    assert held(archive, "1")[0].waits_for("vna")
    archive.refused.clear()
    assert work.step() == 0
    assert told[-1] is None
    assert archive.sent == [("/modalities/vna/store", ["a"])]


def test_a_study_that_is_refused_holds_up_no_other(archive: Archive, told: list[Trouble | None]) -> None:
    work = forwarder(archive, told)
    archive.store("1", "a")
    archive.store("2", "b")
    archive.refused["1"] = FAILED
    for _ in range(4):
        work.step()
    assert archive.sent == [("/modalities/vna/store", ["b"])]
    assert held(archive, "1")[0].waits_for("vna")


def test_an_archive_that_ends_meanwhile_is_not_the_destinations_trouble(
    archive: Archive, told: list[Trouble | None]
) -> None:
    archive.store("1", "a")
    archive.refused["1"] = ENDED
    with pytest.raises(RestError):
        forwarder(archive, told).step()
    assert told == []


def test_a_study_that_is_deleted_is_forgotten(archive: Archive, told: list[Trouble | None]) -> None:
    work = forwarder(archive, told)
    archive.store("1", "a")
    archive.refused["1"] = FAILED
    work.step()
    del archive.studies["1"]
    archive.refused.clear()
    assert work.step() == 0
    assert archive.sent == []


def test_turns() -> None:
    turns = Turns()
    assert turns.next() is None
    turns.add(["1", "2", "1"])
    turns.later("1")
    assert turns.next() == "2"
    turns.done("2")
    turns.done("2")
    assert turns.next() == "1"


def test_marks_are_read_as_written() -> None:
    marks = {"vna": Mark("20261122T120001", frozenset({"a", "b"})), "cloud-web": Mark("20261122T120002", frozenset())}
    assert parse_marks(marks_text(marks)) == marks
