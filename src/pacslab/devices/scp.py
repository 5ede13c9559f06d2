"""Peers and what each may ask -> a DICOM listener that lets in nobody else and offers nothing else."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from pacslab.devices import tls
from pacslab.devices.association import ANSWER_TIMEOUT_S, MAX_PDU_BYTES
from pacslab.devices.home import Home
from pacslab.devices.observing import say
from pacslab.model.device import Listener, Peer
from pacslab.model.dicom import DIMSE_APPLICATIONS, TLS_APPLICATIONS, Operation

# Longer than the five seconds for which Orthanc keeps an idle association for its next message.
IDLE_TIMEOUT_S = 15.0
ASSOCIATIONS_MAX = 100
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - the node's address arrives with its cable, after its programs have started

CALLING_AE_UNKNOWN = (1, 1, 3)  # PS3.8 9.3.4: result, source, reason
CALLED_AE_UNKNOWN = (1, 1, 7)

Contexts = Mapping[Operation, Sequence[PresentationContext]]
Handler = tuple[Any, ...]


@dataclass(slots=True)
class Desk:
    """What a DICOM listener knows: its home, and the presentation contexts each operation needs."""

    home: Home
    secure: bool
    offers: Contexts

    def callers(self, calling_ae: str, address: str) -> list[Peer]:
        """The peers that have this AE title and this address."""
        return [
            peer
            for peer in self.home.device.peers
            if peer.ae_title == calling_ae and str(peer.address) == address and peer.application in DIMSE_APPLICATIONS
        ]

    def admit(self, event: Any) -> None:
        """Reject strangers; offer a known peer the contexts of what it may ask, and no others."""
        association = event.assoc
        request = association.requestor.primitive
        calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
        address = association.requestor.address
        who = f"association from {calling} at {address}"
        callers = self.callers(calling, address)
        if not callers:
            self._reject(association, CALLING_AE_UNKNOWN, f"{who}: nobody we know by that AE title and address")
        elif called != self.home.device.ae_title:
            self._reject(association, CALLED_AE_UNKNOWN, f"{who}: called {called}, not {self.home.device.ae_title}")
        elif self.secure and (wrong := _unbound(association, calling, address)):
            # FACTS 1.7: a certificate of the lab's CA alone would let every node use every AE title.
            self._reject(association, CALLING_AE_UNKNOWN, f"{who}: {wrong}")
        else:
            allowed = {operation for peer in callers for operation in peer.may_be_asked}
            association.acceptor.supported_contexts = [
                context for operation, contexts in self.offers.items() if operation in allowed for context in contexts
            ]
            say(f"{who}: admitted, may ask {', '.join(sorted(allowed)) or 'nothing'}")

    @staticmethod
    def _reject(association: Any, reason: tuple[int, int, int], why: str) -> None:
        result, source, diagnostic = reason
        say(f"{why}: A-ASSOCIATE-RJ {result}/{source}/{diagnostic}")
        association.acse.send_reject(result, source, diagnostic)
        association.kill()  # waits until the rejection is out and the peer has closed


def _unbound(association: Any, calling: str, address: str) -> str:
    """Why a caller's certificate is not that of this AE title at this address; empty: it is."""
    connection = association.dul.socket.socket
    found = tls.identity(connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None)
    if found.ae_title != calling:
        return f"its certificate, of {found}, is for AE title {found.ae_title or 'none'}"
    return "" if found.is_any_of(address) else f"its certificate is for {found}, not {address}"


class Server(ThreadedAssociationServer):
    """A listener on which a silent or slow caller holds up nobody but itself."""

    daemon_threads = True
    request_queue_size = 128

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the TLS handshake waits for the connection's own thread."""
        connection, address = self.socket.accept()  # type: ignore[union-attr]
        connection.settimeout(IDLE_TIMEOUT_S)
        # FACTS 1.13
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.ssl_context:
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then begin the association."""
        if isinstance(request, ssl.SSLSocket):
            try:
                request.settimeout(ANSWER_TIMEOUT_S)
                request.do_handshake()
                request.settimeout(IDLE_TIMEOUT_S)
            except OSError as error:
                say(f"connection from {client_address[0]}: TLS refused: {error}")
                request.close()
                return
        super().finish_request(request, client_address)


def start(home: Home, listener: Listener, offers: Contexts, handlers: Sequence[Handler]) -> Server:
    """Listen for associations in threads of their own; C-ECHO is answered wherever it may be asked.

    Raises:
        OSError: The port is taken, or a TLS file is missing.
    """
    _log_bugs_only()
    secure = listener.application in TLS_APPLICATIONS
    verification = build_context(Verification)
    desk = Desk(home, secure, {Operation.C_ECHO: (verification,), **offers})
    ae = AE(ae_title=home.device.ae_title or "")
    ae.maximum_associations = ASSOCIATIONS_MAX
    ae.maximum_pdu_size = MAX_PDU_BYTES
    ae.acse_timeout = ANSWER_TIMEOUT_S
    ae.dimse_timeout = ANSWER_TIMEOUT_S
    ae.network_timeout = IDLE_TIMEOUT_S
    server = ae.make_server(
        (ANY_ADDRESS, listener.port),
        contexts=[verification],  # replaced for each caller by `admit`
        ssl_context=tls.server_context(home) if secure else None,
        evt_handlers=[(evt.EVT_REQUESTED, desk.admit), (evt.EVT_C_ECHO, _echo), *handlers],
        server_class=Server,
    )
    assert isinstance(server, Server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    say(f"{home.device.ae_title}: {listener.application.value} on port {server.server_address[1]}")
    return server


def _log_bugs_only() -> None:
    """Let through exceptions of our own handlers; what peers do wrong is said in our own lines."""
    logger = logging.getLogger("pynetdicom")
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: record.exc_info is not None and not isinstance(record.exc_info[1], OSError))
    logger.handlers = [handler]


def caller(event: evt.Event) -> str:
    """The calling AE title of an operation's association."""
    return str(event.assoc.requestor.ae_title).strip()


def _echo(event: evt.Event) -> int:
    say(f"C-ECHO from {caller(event)}: 0x0000")
    return 0x0000
