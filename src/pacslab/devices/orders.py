"""HL7 messages and performed steps -> patients, orders and steps in one sqlite file that survives a restart."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacslab.devices import messages
from pacslab.devices.messages import MessageError, Order, Patient
from pacslab.model.dicom import is_uid

SCHEDULED = "SCHEDULED"
IN_PROGRESS = "IN PROGRESS"
CANCELLED = "CANCELLED"
OPEN = (SCHEDULED, IN_PROGRESS)

# HL7 table 0357
FIELD_MISSING = 101
VALUE_UNKNOWN = 103
KEY_UNKNOWN = 204
KEY_DUPLICATE = 205

_SCHEMA = """
CREATE TABLE IF NOT EXISTS patients (patient_id TEXT PRIMARY KEY, name TEXT, birth_date TEXT, sex TEXT);
CREATE TABLE IF NOT EXISTS orders (
    accession TEXT PRIMARY KEY, patient_id TEXT, modality TEXT, procedure TEXT, scheduled TEXT, station_ae TEXT,
    study_uid TEXT, status TEXT);
CREATE TABLE IF NOT EXISTS steps (uid TEXT PRIMARY KEY, status TEXT, accession TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS messages (
    sender TEXT, control_id TEXT, kind TEXT, text TEXT, received TEXT, PRIMARY KEY (sender, control_id));
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An order with its patient and its progress: one line of the worklist."""

    order: Order
    patient: Patient
    status: str


class Store:
    """Patients, orders, steps and messages; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._sql = sqlite3.connect(path, check_same_thread=False, timeout=5)
        with self._sql:
            self._sql.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        # No commit here: what one message or one step changes is committed as a whole by its method.
        with self._lock:
            return self._sql.execute(statement, values).fetchall()

    def take(self, message: Any, sender: str) -> None:
        """Take in one message, wholly or not at all; one sent again by a sender who missed the answer changes nothing.

        Raises:
            MessageError: Its content cannot be accepted.
        """
        with self._lock, self._sql:
            if self._is_repeated(message, sender):
                return
            kind = messages.kind(message)
            if kind.startswith("ADT"):
                self._take_patient(message, changed=kind == "ADT^A08")
            elif kind == "ORM^O01":
                self._take_order(message)
            self._keep(message, sender)

    def keep(self, message: Any, sender: str) -> None:
        """Keep a message as it is.

        Raises:
            MessageError: It does not say which patient or which order it is about.
        """
        with self._lock, self._sql:
            _patient_of(message)
            if not messages.value(message, "OBR", 2):
                raise MessageError("AE", FIELD_MISSING, "OBR-2, the placer order number, is missing")
            if not self._is_repeated(message, sender):
                self._keep(message, sender)

    def _is_repeated(self, message: Any, sender: str) -> bool:
        control = messages.value(message, "MSH", 10)
        rows = self._rows("SELECT text FROM messages WHERE sender = ? AND control_id = ?", sender, control)
        if rows and rows[0][0] != str(message):
            raise MessageError("AE", KEY_DUPLICATE, f"control id {control} was used for another message")
        return bool(rows)

    def _keep(self, message: Any, sender: str) -> None:
        now = dt.datetime.now(dt.UTC).isoformat()
        values = (sender, messages.value(message, "MSH", 10), messages.kind(message), str(message), now)
        self._rows("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", *values)

    def kept(self) -> list[dict[str, str]]:
        """All messages, oldest first."""
        names = ("sender", "control_id", "kind", "text", "received")
        return [dict(zip(names, row, strict=True)) for row in self._rows("SELECT * FROM messages ORDER BY received")]

    def _take_patient(self, message: Any, *, changed: bool) -> None:
        patient = _patient_of(message)
        known = self._rows("SELECT 1 FROM patients WHERE patient_id = ?", patient.patient_id)
        if changed and not known:
            raise MessageError("AE", KEY_UNKNOWN, f"patient {patient.patient_id} is not registered")
        self._put_patient(patient)

    def _put_patient(self, patient: Patient) -> None:
        values = (patient.patient_id, patient.name, patient.birth_date, patient.sex)
        self._rows("INSERT OR REPLACE INTO patients VALUES (?, ?, ?, ?)", *values)

    def _take_order(self, message: Any) -> None:
        control = messages.value(message, "ORC", 1)
        accession = messages.value(message, "OBR", 18) or messages.value(message, "ORC", 2)
        if not accession:
            raise MessageError("AE", FIELD_MISSING, "neither OBR-18 nor ORC-2 holds an accession number")
        existing = self.entry(accession)
        match control:
            case "NW":
                self._new_order(message, accession, existing)
            case "CA" | "XO":
                self._change_order(message, control, accession, existing)
            case _:
                raise MessageError("AE", VALUE_UNKNOWN, f"ORC-1: order control {control!r} is none of NW, CA, XO")

    def _new_order(self, message: Any, accession: str, existing: Entry | None) -> None:
        if existing:
            raise MessageError("AE", KEY_DUPLICATE, f"accession number {accession} is ordered already")
        patient = _patient_of(message)
        if not self._rows("SELECT 1 FROM patients WHERE patient_id = ?", patient.patient_id):
            self._put_patient(patient)
        ordered = _order_of(message, accession, None)
        self._put_order(ordered, patient.patient_id, SCHEDULED)

    def _change_order(self, message: Any, control: str, accession: str, existing: Entry | None) -> None:
        if existing is None:
            raise MessageError("AE", KEY_UNKNOWN, f"no order with accession number {accession}")
        if existing.status != SCHEDULED:
            raise MessageError("AE", VALUE_UNKNOWN, f"the order is {existing.status.lower()}: it cannot be changed")
        if control == "CA":
            self._set_status(accession, CANCELLED)
        else:
            ordered = _order_of(message, accession, existing.order)
            self._put_order(ordered, existing.patient.patient_id, existing.status)

    def _put_order(self, ordered: Order, patient_id: str, status: str) -> None:
        what = (ordered.accession, patient_id, ordered.modality, ordered.procedure, ordered.scheduled)
        values = (*what, ordered.station_ae, ordered.study_uid, status)
        self._rows("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def _set_status(self, accession: str, status: str) -> None:
        self._rows("UPDATE orders SET status = ? WHERE accession = ?", status, accession)

    def entries(self) -> list[Entry]:
        """Every order with its patient, in the order of their scheduled times."""
        rows = self._rows(
            "SELECT accession, modality, procedure, scheduled, station_ae, study_uid, patient_id, name, birth_date, "
            "sex, status FROM orders JOIN patients USING (patient_id) ORDER BY scheduled, accession"
        )
        return [Entry(Order(*row[:6]), Patient(*row[6:10]), row[10]) for row in rows]

    def entry(self, accession: str) -> Entry | None:
        """The order with that accession number."""
        return next((entry for entry in self.entries() if entry.order.accession == accession), None)

    def add_step(self, uid: str, accession: str, status: str, body: dict[str, Any]) -> bool:
        """Keep a new performed procedure step; False if the UID is taken."""
        with self._lock, self._sql:
            if self.step(uid) is not None:
                return False
            self._rows("INSERT INTO steps VALUES (?, ?, ?, ?)", uid, status, accession, json.dumps(body))
            self._set_status(accession, status)
            return True

    def step(self, uid: str) -> tuple[str, str, dict[str, Any]] | None:
        """A step's status, accession number and DICOM JSON."""
        rows = self._rows("SELECT status, accession, body FROM steps WHERE uid = ?", uid)
        return (rows[0][0], rows[0][1], json.loads(rows[0][2])) if rows else None

    def change_step(self, uid: str, status: str, body: dict[str, Any]) -> None:
        """Replace a step's status and DICOM JSON; its order follows it."""
        with self._lock, self._sql:
            self._rows("UPDATE steps SET status = ?, body = ? WHERE uid = ?", status, json.dumps(body), uid)
            kept = self.step(uid)
            if kept is not None:
                self._set_status(kept[1], status)


def _patient_of(message: Any) -> Patient:
    patient = Patient(
        patient_id=messages.value(message, "PID", 3),
        name=messages.whole(message, "PID", 5),
        birth_date=messages.value(message, "PID", 7)[:8],
        sex=messages.value(message, "PID", 8),
    )
    if not patient.patient_id or not patient.name:
        missing = "PID-3, the patient's id," if not patient.patient_id else "PID-5, the patient's name,"
        raise MessageError("AE", FIELD_MISSING, f"{missing} is missing")
    return patient


def _order_of(message: Any, accession: str, before: Order | None) -> Order:
    """Read an order; what a change does not say stays as it was."""
    study = messages.value(message, "ZDS", 1) or (before.study_uid if before else f"2.25.{uuid.uuid4().int}")
    modality = messages.value(message, "OBR", 24) or (before.modality if before else "")
    if not is_uid(study):
        raise MessageError("AE", VALUE_UNKNOWN, f"ZDS-1: {study!r} is not a UID")
    if not modality:
        raise MessageError("AE", FIELD_MISSING, "OBR-24, the modality, is missing")
    now = dt.datetime.now().astimezone().strftime("%Y%m%d%H%M")
    when = messages.value(message, "OBR", 27, 4) or messages.value(message, "ORC", 7, 4)
    return Order(
        accession=accession,
        modality=modality,
        procedure=messages.value(message, "OBR", 4, 2) or (before.procedure if before else modality),
        scheduled=when or (before.scheduled if before else now),
        station_ae=messages.value(message, "OBR", 21) or (before.station_ae if before else ""),
        study_uid=study,
    )
