"""`device serve`, `result` and `orders` on the RIS: HL7 orders in, worklist and MPPS over DICOM out, reports back."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.presentation import build_context

from pacslab.devices import delivery, matching, messages, mllp, mpps, scp
from pacslab.devices.home import Home, UsageError
from pacslab.devices.messages import Sender
from pacslab.devices.observing import DONE, begin, say, wait_forever
from pacslab.devices.orders import CODES, OPEN, Store
from pacslab.model.device import Observation
from pacslab.model.dicom import DIMSE_APPLICATIONS, Operation
from pacslab.model.sop import RIS

# PS3.4 K.4.1.1.4
PENDING = 0xFF00
CANCEL = 0xFE00
CANNOT_UNDERSTAND = 0xC000


def store_of(home: Home) -> Store:
    """Open the RIS's memory."""
    told = [peer.node for peer in home.device.peers if Operation.ORM_O01 in peer.may_request and peer.port]
    return Store(home.folder("ris") / "orders.sqlite", home.device.node, told)


def serve(home: Home, arguments: argparse.Namespace) -> Observation:
    """Run until stopped."""
    del arguments
    watch = begin("serve")
    store = store_of(home)
    offers = {
        offer.operation: tuple(build_context(sop.uid, offer.syntax_uids) for sop in offer.sop_classes) for offer in RIS
    }
    handlers = (
        (evt.EVT_C_FIND, find, [store]),
        (evt.EVT_N_CREATE, mpps.create, [home, store]),
        (evt.EVT_N_SET, mpps.change, [home, store]),
    )
    for listener in home.device.listeners:
        if listener.application in DIMSE_APPLICATIONS:
            scp.start(home, listener, offers, handlers)
        elif listener.application in mllp.HL7_APPLICATIONS:
            mllp.start(home, listener, lambda message, peer: store.take(message, peer.node))
    delivery.start(home, store.outbox)
    return watch.end(wait_forever())


def find(event: Any, store: Store) -> Iterator[tuple[int, Dataset | None]]:
    """Answer a worklist query (PS3.4 K.4.1.1)."""
    asking = scp.caller(event)
    try:
        found = list(matching.answers(store.entries(*OPEN), event.identifier, asking))
    except (ValueError, KeyError, EOFError, AttributeError, NotImplementedError, LookupError) as error:
        say(f"C-FIND worklist from {asking}: unreadable identifier: {error}")
        yield CANNOT_UNDERSTAND, None
        return
    for answer in found:
        if event.is_cancelled:
            say(f"C-FIND worklist from {asking}: cancelled")
            yield CANCEL, None
            return
        yield PENDING, answer
    say(f"C-FIND worklist from {asking}: {len(found)} matches")


def orders(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device orders`: every order with its patient and status."""
    del arguments
    with closing(store_of(home)) as store:
        entries = store.entries()
    listed = [{**asdict(entry.order), **asdict(entry.patient), "status": entry.status.value} for entry in entries]
    return begin("orders").end(DONE, orders=listed, count=len(listed))


def result(home: Home, arguments: argparse.Namespace) -> Observation:
    """`device result PEER`: report an order, ORU^R01, or tell its status only, ORM^O01; kept until it is answered."""
    watch = begin("ORM^O01" if arguments.status_only else "ORU^R01", arguments.target.node)
    with closing(store_of(home)) as store:
        entry = store.entry(arguments.accession)
        if entry is None:
            raise UsageError(f"no order with accession number {arguments.accession}: `device orders` lists them")
        sender = Sender(home.device.node, arguments.target.node)
        if arguments.status_only:
            text = messages.order_status(sender, entry.patient, entry.order, CODES[entry.status])
        else:
            text = messages.result(sender, entry.patient, entry.order, arguments.text)
        outcome, queued = delivery.send(home, store.outbox, arguments.target, text)
    return watch.end(outcome, accession=arguments.accession, queued=queued)
