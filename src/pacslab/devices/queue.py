"""What an archive holds and what it has delivered where -> the studies that still wait for a destination."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacslab.devices.files import read_json, write_json
from pacslab.devices.home import Home
from pacslab.devices.observing import DONE, begin
from pacslab.devices.orthanc import Rest, RestError, open_rest
from pacslab.model.device import FORWARDED, Observation

TROUBLE_FILE = "forwarding.json"  # destination -> the last error; of interest to people, not needed to go on


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last attempt at a destination failed, and how many have since one succeeded."""

    error: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What of a study has been delivered to one destination, kept with the study in the archive's index."""

    update: str  # the study's LastUpdate when its instances were listed
    instances: frozenset[str]  # the archive's own ids


@dataclass(frozen=True, slots=True)
class Held:
    """A study in the archive."""

    id: str
    uid: str
    accession: str
    update: str  # YYYYMMDDTHHMMSS, UTC: when its latest instance came
    stable: bool  # nothing came for StableAge seconds
    marks: dict[str, Mark]

    def waits_for(self, destination: str) -> bool:
        """Whether something came since it was last delivered there."""
        mark = self.marks.get(destination)
        return mark is None or mark.update != self.update

    @property
    def since(self) -> str:
        """When its latest instance came, as ISO 8601."""
        return dt.datetime.strptime(self.update, "%Y%m%dT%H%M%S").replace(tzinfo=dt.UTC).isoformat()


def held(rest: Rest, study: str | None = None) -> tuple[Held, ...]:
    """Every study that the archive holds, or only one of them; none if it is gone.

    Raises:
        RestError: The archive does not answer.
    """
    if study is None:
        query = {"Level": "Study", "Query": {}, "Expand": True,
                 "ResponseContent": ["MainDicomTags", "Metadata", "IsStable"]}  # fmt: skip
        return tuple(_held(item) for item in rest.json("POST", "/tools/find", query))
    try:
        item = rest.json("GET", f"/studies/{study}")
        metadata = rest.json("GET", f"/studies/{study}/metadata?expand")
    except RestError as error:
        if error.code == 404:
            return ()
        raise
    return (_held({**item, "Metadata": metadata}),)


def _held(item: dict[str, Any]) -> Held:
    metadata = item["Metadata"]
    return Held(
        id=item["ID"],
        uid=item["MainDicomTags"].get("StudyInstanceUID", ""),
        accession=item["MainDicomTags"].get("AccessionNumber", ""),
        update=metadata["LastUpdate"],
        stable=bool(item["IsStable"]),
        marks=parse_marks(metadata.get(FORWARDED, "{}")),
    )


def parse_marks(text: str) -> dict[str, Mark]:
    """Read what `marks_text` wrote."""
    return {
        destination: Mark(mark["update"], frozenset(mark["instances"]))
        for destination, mark in json.loads(text).items()
    }


def marks_text(marks: dict[str, Mark]) -> str:
    """Write marks for the archive's index."""
    plain = {name: {"update": mark.update, "instances": sorted(mark.instances)} for name, mark in marks.items()}
    return json.dumps(plain, sort_keys=True)


def missing(rest: Rest, study: Held, destination: str) -> tuple[tuple[str, ...], Mark]:
    """The instances of a study not yet delivered, and the mark that says that they are.

    Raises:
        RestError: The archive does not answer.
    """
    present = rest.json("GET", f"/studies/{study.id}/instances?expand=false")
    mark = study.marks.get(destination)
    delivered = mark.instances if mark else frozenset()
    return tuple(sorted(set(present) - delivered)), Mark(study.update, delivered | set(present))


def queue(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device queue`: for each destination, which studies wait, since when, and why the last attempt failed."""
    del arguments
    watch = begin("queue")
    rest = open_rest(home)
    trouble = read_trouble(home.data)
    try:
        studies = held(rest)
        queues = [_queue(rest, studies, name, trouble.get(name)) for name in home.device.forwards]
    except RestError as error:
        return watch.end(error.outcome, queues=[])
    return watch.end(DONE, queues=queues)


def _queue(rest: Rest, studies: tuple[Held, ...], destination: str, trouble: Trouble | None) -> dict[str, Any]:
    waiting = sorted((study for study in studies if study.waits_for(destination)), key=lambda study: study.update)
    return {
        "destination": destination,
        "waiting": len(waiting),
        "oldest_since": waiting[0].since if waiting else "",
        "last_error": trouble.error if trouble and waiting else "",
        "failed_attempts": trouble.attempts if trouble and waiting else 0,
        "studies": [_entry(rest, study, destination) for study in waiting],
    }


def _entry(rest: Rest, study: Held, destination: str) -> dict[str, Any]:
    return {
        "study_uid": study.uid,
        "accession": study.accession,
        "instances": len(missing(rest, study, destination)[0]),
        "complete": study.stable,  # still growing studies wait until they are quiet
        "since": study.since,
    }


def read_trouble(data: Path) -> dict[str, Trouble]:
    """What went wrong last, by destination."""
    try:
        return {name: Trouble(item["error"], item["attempts"]) for name, item in read_json(data / TROUBLE_FILE).items()}
    except (OSError, ValueError):
        return {}


def write_trouble(data: Path, trouble: dict[str, Trouble]) -> None:
    """Keep what went wrong last, by destination, for `device queue`.

    Raises:
        OSError: It cannot be written, as on a full disk.
    """
    write_json(data / TROUBLE_FILE, {name: {"error": t.error, "attempts": t.attempts} for name, t in trouble.items()})
