"""HL7 messages and performed steps -> patients, orders and steps in one file, and the status messages that follow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pacslab.devices import intake, messages, post, reading
from pacslab.devices.database import Database
from pacslab.devices.messages import Order, Patient, Sender
from pacslab.devices.observing import say
from pacslab.devices.post import Inbox, Outbox
from pacslab.devices.reading import ERROR, INTERNAL, KEY_DUPLICATE, KEY_UNKNOWN, VALUE_UNKNOWN, MessageError


class Status(StrEnum):
    """How far an order is."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELLED = "CANCELLED"


OPEN = (Status.SCHEDULED, Status.IN_PROGRESS)
# HL7 table 0038
CODES = MappingProxyType(
    {
        Status.SCHEDULED: "SC",
        Status.IN_PROGRESS: "IP",
        Status.COMPLETED: "CM",
        Status.DISCONTINUED: "DC",
        Status.CANCELLED: "CA",
    }
)

_VERSION = 2
_ORDER = ", ".join(f"{field.name} TEXT" for field in fields(Order) if field.name != "accession")
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS patients (patient_id TEXT PRIMARY KEY, name TEXT, birth_date TEXT, sex TEXT);
CREATE TABLE IF NOT EXISTS merged (patient_id TEXT PRIMARY KEY, survivor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    accession TEXT PRIMARY KEY, {_ORDER}, patient_id TEXT NOT NULL REFERENCES patients, status TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS steps (uid TEXT PRIMARY KEY, status TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS performed (uid TEXT, accession TEXT, PRIMARY KEY (uid, accession));
{post.SCHEMA}
"""
_ORDER_FIELDS = tuple(field.name for field in fields(Order))
_PATIENT_FIELDS = tuple(field.name for field in fields(Patient))


@dataclass(frozen=True, slots=True)
class Entry:
    """An order with its patient and its progress: one line of the worklist."""

    order: Order
    patient: Patient
    status: Status


@dataclass(frozen=True, slots=True)
class Step:
    """A performed procedure step, as its modality told it."""

    uid: str
    status: Status
    body: dict[str, Any]  # DICOM JSON


class Store:
    """What a RIS or an EHR remembers; safe to use from several threads and processes."""

    def __init__(self, path: Path, node: str = "", told: Iterable[str] = ()) -> None:
        self._database = Database(path, _SCHEMA, _VERSION)
        self._node = node
        self._told = frozenset(told)  # who hears of an order's progress, if the order is theirs
        self.inbox = Inbox(self._database)
        self.outbox = Outbox(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def take(self, message: Any, sender: str) -> None:
        """Take in one message, wholly or not at all; one sent again by a sender who missed the answer changes nothing.

        Raises:
            MessageError: Its content cannot be accepted.
        """
        with self._database.transaction():
            if self.inbox.holds(message, sender):
                say(f"{reading.kind(message)} from {sender} came again: answered as before")
                return
            match reading.kind(message):
                case "ADT^A40":
                    self._merge(message)
                case "ADT^A01" | "ADT^A08" as kind:
                    self._take_patient(message, changed=kind == "ADT^A08")
                case "ORM^O01":
                    self._take_order(message, sender)
            self.inbox.keep(message, sender)

    def keep(self, message: Any, sender: str) -> None:
        """Keep a message as it is.

        Raises:
            MessageError: It does not say which patient or which order it is about.
        """
        intake.patient_of(message)
        intake.accession_of(message)
        with self._database.transaction():
            if not self.inbox.holds(message, sender):
                self.inbox.keep(message, sender)

    # Patients

    def _take_patient(self, message: Any, *, changed: bool) -> None:
        patient = intake.patient_of(message)
        self._refuse_retired(patient.patient_id)
        if changed:
            self._require_patient(patient.patient_id)
        self._put_patient(patient)

    def _put_patient(self, patient: Patient) -> None:
        values = (patient.patient_id, patient.name, patient.birth_date, patient.sex)
        self._database.rows("INSERT OR REPLACE INTO patients VALUES (?, ?, ?, ?)", *values)

    def _merge(self, message: Any) -> None:
        """Give the retired patient's orders to the survivor (HL7 3.3.40); worklist entries follow at once."""
        patient, retired = intake.patient_of(message), intake.retired_id(message)
        if retired == patient.patient_id:
            raise MessageError(ERROR, VALUE_UNKNOWN, f"patient {retired} cannot be merged into itself", "MRG-1")
        self._refuse_retired(patient.patient_id)
        self._refuse_retired(retired, "MRG-1")
        self._require_patient(retired, "MRG-1")
        self._put_patient(patient)
        moved = "UPDATE orders SET patient_id = ? WHERE patient_id = ? RETURNING accession"
        accessions = [row[0] for row in self._database.rows(moved, patient.patient_id, retired)]
        self._database.rows("DELETE FROM patients WHERE patient_id = ?", retired)
        self._database.rows("INSERT INTO merged VALUES (?, ?)", retired, patient.patient_id)
        say(f"patient {retired} is now {patient.patient_id}, with {', '.join(accessions) or 'no orders'}")

    def survivor(self, patient_id: str) -> str:
        """The identifier under which a patient is known today."""
        while found := self._database.rows("SELECT survivor FROM merged WHERE patient_id = ?", patient_id):
            patient_id = found[0][0]
        return patient_id

    def _refuse_retired(self, patient_id: str, where: str = "PID-3") -> None:
        now = self.survivor(patient_id)
        if now != patient_id:
            raise MessageError(ERROR, KEY_UNKNOWN, f"patient {patient_id} was merged into {now}", where)

    def _require_patient(self, patient_id: str, where: str = "PID-3") -> None:
        if not self._database.rows("SELECT 1 FROM patients WHERE patient_id = ?", patient_id):
            raise MessageError(ERROR, KEY_UNKNOWN, f"patient {patient_id} is not registered", where)

    # Orders

    def _take_order(self, message: Any, sender: str) -> None:
        accession = intake.accession_of(message)
        existing = self.entry(accession)
        match reading.value(message, "ORC", 1):
            case "NW":
                self._new_order(message, accession, existing, sender)
            case "CA" | "XO" as control:
                self._change_order(message, control, accession, existing)
            case control:
                said = f"order control {control!r} is none of NW, CA, XO"
                raise MessageError(ERROR, VALUE_UNKNOWN, said, "ORC-1")

    def _new_order(self, message: Any, accession: str, existing: Entry | None, sender: str) -> None:
        if existing:
            raise MessageError(ERROR, KEY_DUPLICATE, f"accession number {accession} is ordered already", "OBR-18")
        patient = intake.patient_of(message)
        self._refuse_retired(patient.patient_id)
        self._require_patient(patient.patient_id)
        ordered = intake.order_of(message, accession, None, sender)
        self._put_order(ordered, patient.patient_id, Status.SCHEDULED)
        self._tell(accession)

    def _change_order(self, message: Any, control: str, accession: str, existing: Entry | None) -> None:
        if existing is None:
            raise MessageError(ERROR, KEY_UNKNOWN, f"no order with accession number {accession}", "OBR-18")
        patient = intake.patient_of(message).patient_id
        self._refuse_retired(patient)
        if patient != existing.patient.patient_id:
            said = f"order {accession} is patient {existing.patient.patient_id}'s, not {patient}'s"
            raise MessageError(ERROR, KEY_UNKNOWN, said, "PID-3")
        if existing.status is not Status.SCHEDULED:
            what = "cancelled" if control == "CA" else "changed"
            said = f"the order is {existing.status.lower()}: it can no longer be {what}"
            # HL7 table 0357 has no condition for a state that forbids it; 207 is its word for all others.
            raise MessageError(ERROR, INTERNAL, said, "ORC-1")
        if control == "CA":
            self._set_status(accession, Status.CANCELLED)
        else:
            ordered = intake.order_of(message, accession, existing.order, existing.order.placer)
            self._put_order(ordered, existing.patient.patient_id, existing.status)

    def _put_order(self, ordered: Order, patient_id: str, status: Status) -> None:
        values = {**asdict(ordered), "patient_id": patient_id, "status": status.value}
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        statement = f"INSERT OR REPLACE INTO orders ({names}) VALUES ({marks})"  # noqa: S608 - names of fields
        self._database.rows(statement, *values.values())

    def _set_status(self, accession: str, status: Status, note: str = "") -> None:
        """Bring an order to a status; whoever placed it hears of it, and nobody twice."""
        changed = "UPDATE orders SET status = ? WHERE accession = ? AND status <> ? RETURNING accession"
        if self._database.rows(changed, status.value, accession, status.value):
            self._tell(accession, note)

    def _tell(self, accession: str, note: str = "") -> None:
        entry = self.entry(accession)
        if entry is not None and entry.order.placer in self._told:
            sender = Sender(self._node, entry.order.placer)
            text = messages.order_status(sender, entry.patient, entry.order, CODES[entry.status], note)
            self.outbox.put(entry.order.placer, text)

    def entries(self, *statuses: Status) -> list[Entry]:
        """Every order of these statuses (all, if none is said) with its patient, in the order of their times."""
        marks = ", ".join("?" for _ in statuses)
        condition = f"WHERE status IN ({marks})" if statuses else ""
        return self._select(f"{condition} ORDER BY scheduled, accession", *statuses)

    def entry(self, accession: str) -> Entry | None:
        """The order with that accession number."""
        return next(iter(self._select("WHERE accession = ?", accession)), None)

    def _select(self, condition: str, *values: str) -> list[Entry]:
        names = ", ".join((*_ORDER_FIELDS, *_PATIENT_FIELDS, "status"))
        statement = f"SELECT {names} FROM orders JOIN patients USING (patient_id) {condition}"  # noqa: S608 - names of fields
        split = len(_ORDER_FIELDS)
        rows = self._database.rows(statement, *(str(value) for value in values))
        return [Entry(Order(*row[:split]), Patient(*row[split:-1]), Status(row[-1])) for row in rows]

    # Performed procedure steps

    def add_step(self, step: Step, accessions: Iterable[str], studies: Iterable[str]) -> list[Entry] | None:
        """Keep a new step; the orders it performs, by accession number or study UID, follow. None: the UID is taken."""
        with self._database.transaction():
            if self.step(step.uid) is not None:
                return None
            self._database.rows("INSERT INTO steps VALUES (?, ?, ?)", step.uid, step.status, json.dumps(step.body))
            performs = [entry for number in accessions if (entry := self.entry(number))]
            performs = performs or [entry for uid in studies for entry in self._select("WHERE study_uid = ?", uid)]
            for accession in {entry.order.accession for entry in performs}:
                self._database.rows("INSERT INTO performed VALUES (?, ?)", step.uid, accession)
            self._follow(step.uid)
            return performs

    def step(self, uid: str) -> Step | None:
        """The step of that UID."""
        rows = self._database.rows("SELECT status, body FROM steps WHERE uid = ?", uid)
        return Step(uid, Status(rows[0][0]), json.loads(rows[0][1])) if rows else None

    def change_step(self, step: Step) -> None:
        """Replace a step's status and data; its orders follow it."""
        with self._database.transaction():
            values = (step.status.value, json.dumps(step.body), step.uid)
            self._database.rows("UPDATE steps SET status = ?, body = ? WHERE uid = ?", *values)
            self._follow(step.uid)

    def _follow(self, uid: str) -> None:
        for (accession,) in self._database.rows("SELECT accession FROM performed WHERE uid = ?", uid):
            before = self.entry(accession)
            steps = "SELECT status FROM steps JOIN performed USING (uid) WHERE accession = ?"
            found = {Status(row[0]) for row in self._database.rows(steps, accession)}
            # One order may take several steps: it is done when none is under way, and any was completed.
            after = next(s for s in (Status.IN_PROGRESS, Status.COMPLETED, Status.DISCONTINUED) if s in found)
            note = ""
            if before and before.status is Status.CANCELLED:
                note = "performed although cancelled"
                say(f"order {accession} was cancelled: it is performed all the same")
            self._set_status(accession, after, note)
