"""`device serve`, `order` and `messages` on the EHR: patients and orders out, status and results in."""

from __future__ import annotations

import argparse
import datetime as dt
from contextlib import closing

from pacslab.devices import messages as hl7_messages
from pacslab.devices import mllp
from pacslab.devices.home import Home
from pacslab.devices.messages import Order, Patient, Sender
from pacslab.devices.observing import DONE, begin, wait_forever
from pacslab.devices.orders import Store
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
    return watch.end(wait_forever())


def messages(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device messages`: every message that was accepted, oldest first."""
    del arguments
    with closing(_store(home)) as store:
        kept = store.kept()
    return begin("messages").end(DONE, messages=kept, count=len(kept))


def order(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device order PEER`: register the patient (ADT^A01), then order (ORM^O01); stops at the first refusal."""
    watch = begin("ORM^O01", arguments.target.node)
    sender = Sender(home.device.node, arguments.target.node)
    patient = Patient(arguments.patient_id, arguments.patient_name, arguments.birth_date, arguments.sex)
    ordered = Order(
        accession=arguments.accession,
        modality=arguments.modality,
        procedure=arguments.procedure or USUAL[arguments.modality],
        scheduled=arguments.scheduled or dt.datetime.now().astimezone().strftime("%Y%m%d%H%M"),
        station_ae=arguments.station_ae,
        study_uid=arguments.study_uid or "",
    )
    texts = {"ORM^O01": hl7_messages.order(sender, patient, ordered, arguments.control)}
    if arguments.control == "NW":
        texts = {"ADT^A01": hl7_messages.registration(sender, patient), **texts}
    answers: dict[str, str] = {}
    for kind, text in texts.items():
        outcome = mllp.send(home, arguments.target, text)
        answers[kind] = outcome.status
        if not outcome.ok:
            break
    return watch.end(outcome, accession=ordered.accession, acknowledgements=answers)
