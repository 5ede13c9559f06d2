"""HL7 messages that come and go -> an inbox in which each counts once, an outbox that keeps each until answered."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from pacslab.devices import reading
from pacslab.devices.database import Database
from pacslab.devices.observing import Outcome
from pacslab.devices.reading import ERROR, KEY_DUPLICATE, MessageError
from pacslab.model.device import Layer

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    sender TEXT, control_id TEXT, kind TEXT, text TEXT, received TEXT, PRIMARY KEY (sender, control_id));
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, control_id TEXT, kind TEXT, text TEXT NOT NULL,
    queued TEXT, state TEXT NOT NULL, tries INTEGER DEFAULT 0, layer TEXT DEFAULT '', status TEXT DEFAULT '',
    detail TEXT DEFAULT '', answered TEXT DEFAULT '');
CREATE INDEX IF NOT EXISTS waiting ON outbox (receiver, number) WHERE state = 'waiting';
"""


class State(StrEnum):
    """What became of a message to be sent."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"  # for its content or its kind: sending it again would change nothing


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in the outbox, and the latest that was seen of it."""

    number: int
    receiver: str
    control_id: str
    kind: str
    text: str
    queued: str
    state: State
    tries: int
    layer: str
    status: str
    detail: str
    answered: str

    @property
    def outcome(self) -> Outcome:
        """How its latest try ended."""
        return Outcome(self.state is State.ACCEPTED, Layer(self.layer or Layer.LOCAL), self.status, self.detail)


_FIELDS = tuple(field.name for field in fields(Letter))


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


class Inbox:
    """What was received and accepted, by sender and control id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def holds(self, message: Any, sender: str) -> bool:
        """Whether this very message was accepted before: its sender has missed the answer.

        Raises:
            MessageError: Its control id was used for another message.
        """
        control = reading.value(message, "MSH", 10)
        kept = self._database.rows("SELECT text FROM messages WHERE sender = ? AND control_id = ?", sender, control)
        if kept and kept[0][0] != str(message):
            said = f"control id {control} was used for another message"
            raise MessageError(ERROR, KEY_DUPLICATE, said, "MSH-10")
        return bool(kept)

    def keep(self, message: Any, sender: str) -> None:
        """Keep an accepted message."""
        values = (sender, reading.value(message, "MSH", 10), reading.kind(message), str(message), _now())
        self._database.rows("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", *values)

    def kept(self) -> list[dict[str, str]]:
        """All messages, oldest first."""
        names = ("sender", "control_id", "kind", "text", "received")
        rows = self._database.rows(f"SELECT {', '.join(names)} FROM messages ORDER BY rowid")  # noqa: S608 - constants
        return [dict(zip(names, row, strict=True)) for row in rows]


class Outbox:
    """What is to be sent, in order for each receiver."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, receiver: str, text: str) -> int:
        """Queue a message; returns its number."""
        header = reading.header_of(text.encode())
        values = (receiver, header.control_id, header.kind, text, _now(), State.WAITING.value)
        fields = "receiver, control_id, kind, text, queued, state"
        statement = f"INSERT INTO outbox ({fields}) VALUES (?, ?, ?, ?, ?, ?) RETURNING number"  # noqa: S608 - constants
        return int(self._database.rows(statement, *values)[0][0])

    def next(self, receiver: str) -> Letter | None:
        """The oldest message that still waits for that receiver."""
        found = self._select("WHERE receiver = ? AND state = 'waiting' ORDER BY number LIMIT 1", receiver)
        return found[0] if found else None

    def letter(self, number: int) -> Letter:
        """The message of that number."""
        return self._select("WHERE number = ?", number)[0]

    def letters(self) -> list[Letter]:
        """Every message, oldest first."""
        return self._select("ORDER BY number")

    def _select(self, condition: str, *values: Any) -> list[Letter]:
        rows = self._database.rows(f"SELECT {', '.join(_FIELDS)} FROM outbox {condition}", *values)  # noqa: S608 - constants
        return [Letter(**dict(zip(_FIELDS, row, strict=True)) | {"state": State(row[6])}) for row in rows]

    def tried(self, letter: Letter, outcome: Outcome, state: State) -> None:
        """Keep how a try to send ended, and what follows from it."""
        answered = "" if state is State.WAITING else _now()
        self._database.rows(
            "UPDATE outbox SET state = ?, tries = tries + 1, layer = ?, status = ?, detail = ?, answered = ? "
            "WHERE number = ?",
            *(state.value, outcome.layer.value, outcome.status, outcome.detail, answered, letter.number),
        )
