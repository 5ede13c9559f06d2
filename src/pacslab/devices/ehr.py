"""`device serve` and the other commands of an EHR: patients and orders out, status and results in, by HL7."""

from __future__ import annotations

import argparse
import datetime as dt
from contextlib import closing
from dataclasses import asdict
from typing import Any

from pacslab.devices import delivery, mllp, reading
from pacslab.devices import messages as hl7_messages
from pacslab.devices.home import Home
from pacslab.devices.messages import Order, Patient, Sender
from pacslab.devices.observing import DONE, Outcome, begin, wait_forever
from pacslab.devices.orders import CODES, Store
from pacslab.devices.post import State
from pacslab.model.device import Observation

USUAL = {"CT": "CT thorax", "MR": "MR head", "US": "US abdomen"}


def _store(home: Home) -> Store:
    name = "ris/orders.sqlite" if home.device.kind == "ris" else "ehr/messages.sqlite"
    return Store(home.data / name)


def serve(home: Home, arguments: argparse.Namespace) -> Observation:
    """Run until stopped."""
    del arguments
    watch = begin("serve")
    store = _store(home)
    for listener in home.device.listeners:
        if listener.application in mllp.HL7_APPLICATIONS:
            mllp.start(home, listener, lambda message, peer: store.keep(message, peer.node))
    delivery.start(home, store.outbox)
    return watch.end(wait_forever())


def messages(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device messages`: every message that was accepted, oldest first."""
    del arguments
    with closing(_store(home)) as store:
        kept = store.inbox.kept()
    return begin("messages").end(DONE, messages=kept, count=len(kept))


def queue(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device queue`: every message that waits to be sent or was refused; with --all also those accepted."""
    with closing(_store(home)) as store:
        letters = store.outbox.letters()
    counts = {state.value: sum(letter.state is state for letter in letters) for state in State}
    listed = [asdict(letter) for letter in letters if arguments.all or letter.state is not State.ACCEPTED]
    return begin("queue").end(DONE, messages=listed, count=len(listed), **counts)


def results(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device results`: each order that was heard of: its status, what it went through, and its reports."""
    del arguments
    with closing(_store(home)) as store:
        kept = store.inbox.kept()
    words = {code: status.value for status, code in CODES.items()}
    found: dict[str, dict[str, Any]] = {}
    for item in kept:
        message = reading.parse(item["text"])
        accession = reading.value(message, "OBR", 18) or reading.value(message, "OBR", 2)
        about = found.setdefault(accession, {"accession": accession, "status": "", "history": [], "reports": []})
        about |= {"patient_id": reading.value(message, "PID", 3), "patient_name": reading.whole(message, "PID", 5)}
        if item["kind"] == "ORU^R01":
            report = {"text": reading.value(message, "OBX", 5), "status": reading.value(message, "OBX", 11)}
            about["reports"].append({**report, "received": item["received"]})
        else:
            code = reading.value(message, "ORC", 5)
            about["status"] = words.get(code, code)
            note = reading.value(message, "NTE", 3)
            about["history"].append({"status": about["status"], "note": note, "received": item["received"]})
    return begin("results").end(DONE, results=list(found.values()), count=len(found))


def patient(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device patient PEER`: register (ADT^A01), change (--update, A08) or merge (--merge ID, A40) a patient."""
    sender = Sender(home.device.node, arguments.target.node)
    whom = _patient(arguments)
    if arguments.merge:
        kind, text = "ADT^A40", hl7_messages.merge(sender, whom, arguments.merge)
    else:
        kind = "ADT^A08" if arguments.update else "ADT^A01"
        text = hl7_messages.registration(sender, whom, kind.partition("^")[2])
    watch = begin(kind, arguments.target.node)
    with closing(_store(home)) as store:
        outcome, queued = _send(home, store, arguments, text)
    return watch.end(outcome, patient_id=whom.patient_id, queued=queued)


def _patient(arguments: argparse.Namespace) -> Patient:
    return Patient(arguments.patient_id, arguments.patient_name, arguments.birth_date, arguments.sex)


def order(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device order PEER`: register the patient (ADT^A01), then order (ORM^O01); stops at the first refusal."""
    watch = begin("ORM^O01", arguments.target.node)
    sender = Sender(home.device.node, arguments.target.node)
    whom = _patient(arguments)
    ordered = _order(arguments)
    texts = {"ORM^O01": hl7_messages.order(sender, whom, ordered, arguments.control)}
    if arguments.control == "NW":
        texts = {"ADT^A01": hl7_messages.registration(sender, whom), **texts}
    answers: dict[str, str] = {}
    queued = False
    with closing(_store(home)) as store:
        for kind, text in texts.items():
            outcome, queued = _send(home, store, arguments, text)
            answers[kind] = outcome.status
            if not outcome.ok and not queued:
                break
    return watch.end(outcome, accession=ordered.accession, acknowledgements=answers, queued=queued)


def _order(arguments: argparse.Namespace) -> Order:
    changes = arguments.control == "XO"  # what a change does not say stays as it was
    now = "" if changes else dt.datetime.now().astimezone().strftime("%Y%m%d%H%M")
    return Order(
        accession=arguments.accession,
        modality=arguments.modality,
        procedure=arguments.procedure or ("" if changes else USUAL[arguments.modality]),
        scheduled=arguments.scheduled or now,
        station_ae=arguments.station_ae,
        study_uid=arguments.study_uid or "",
        priority=arguments.priority,
        requesting=arguments.requesting,
    )


def _send(home: Home, store: Store, arguments: argparse.Namespace, text: str) -> tuple[Outcome, bool]:
    """Send through the queue; to a place that is not the peer's own, at once and once only."""
    if arguments.address or arguments.port:
        return mllp.send(home, arguments.target, text), False
    return delivery.send(home, store.outbox, arguments.target, text)
