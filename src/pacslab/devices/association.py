"""Target -> association, and what ended it, attributed to the layer that did: TCP, TLS, association or DIMSE."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ
from pynetdicom.presentation import PresentationContext
from pynetdicom.status import code_to_category
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from pacslab.devices import tls
from pacslab.devices.home import Home, Target
from pacslab.devices.observing import Outcome, network_failure
from pacslab.model.device import Layer
from pacslab.model.dicom import TLS_APPLICATIONS

# FACTS 2: without these a dropped SYN costs the kernel's 130 s.
CONNECTION_TIMEOUT_S = 4.0
ANSWER_TIMEOUT_S = 5.0
# A C-STORE is answered when the peer has written it, a C-MOVE when the peer has delivered something: disks and
# third parties take longer than an echo.
WORK_TIMEOUT_S = 30.0
STALLED_S = 1.0
LOOK_S = 0.001
TURN_S = 0.01
P_DATA_TYPE = 0x04  # PS3.8 9.3.5
PDU_HEAD_BYTES = 6
MAX_PDU_BYTES = 131_072
A_ABORT_TYPE = b"\x07"  # PS3.8 table 9-26

# PS3.8 9.3.4, table 9-21
REJECT_REASONS = {
    "1/1": "no reason given",
    "1/2": "application context name not supported",
    "1/3": "calling AE title not recognized",
    "1/7": "called AE title not recognized",
    "2/1": "no reason given by the ACSE provider",
    "2/2": "protocol version not supported",
    "3/1": "temporary congestion",
    "3/2": "local limit exceeded",
}
# PS3.8 9.3.3.2, table 9-18
CONTEXT_RESULTS = {
    1: "user rejection",
    2: "no reason",
    3: "abstract syntax not supported",
    4: "transfer syntaxes not supported",
}

_config.LOG_HANDLER_LEVEL = "none"  # its own handlers format every PDU, also when nobody reads the log
_config.STORE_SEND_CHUNKED_DATASET = True  # files go out byte by byte as they are, never decoded and encoded again


class Wire(AssociationSocket):
    """A connection that remembers which layer ended it; pynetdicom itself folds them into one."""

    def __init__(self, association: Association, target: Target, context: ssl.SSLContext | None) -> None:
        super().__init__(association, address=AddressInformation("0.0.0.0", 0))  # noqa: S104 - the node's only address
        association.dul._run_loop_delay = 0.0  # noqa: SLF001 - `ready` waits
        self._target = target
        self._context = context
        self.ended: Outcome | None = None
        self.given_up = False  # we aborted: that the peer then closes explains nothing
        self._late: Outcome | None = None
        self._mute = False  # the peer no longer listens: what it said last is still to be read
        self._unread = bytearray()  # what `exchange` took that was not for it
        self._turn = threading.Lock()  # a TLS connection is read and written by one thread at a time

    def connect(self, primitive: T_CONNECT) -> None:
        """Open TCP, then TLS, each with its own time-out and its own failure."""
        plain = self.socket
        assert plain is not None
        try:
            self._open_tcp(plain)
            connected = plain if self._context is None else self._open_tls(plain, self._context)
            connected.settimeout(self.assoc.dimse_timeout)
            self.socket = connected
            self.assoc.requestor.address_info = AddressInformation.from_tuple(connected.getsockname())
            self._is_connected = True
            primitive.result = "Evt2"
        except OSError as error:
            self.ended = self.ended or Outcome(False, Layer.TCP, network_failure(error), str(error))
            plain.close()
            self.socket = None
            primitive.result = "Evt17"
        finally:
            self.provider_queue.put(primitive)
            self._ready.set()

    def _open_tcp(self, plain: socket.socket) -> None:
        plain.settimeout(self.assoc.connection_timeout)
        plain.connect((self._target.address, self._target.port))
        # FACTS 1.13: Nagle against delayed ACKs costs a factor of ten.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _open_tls(self, plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        try:
            secure = context.wrap_socket(plain, server_side=False)
        except OSError as error:
            self.ended = _tls_failure(error)
            raise
        found = tls.identity(secure.getpeercert())
        if not found.is_any_of(self._target.node, self._target.address):
            secure.close()
            self.ended = Outcome(False, Layer.TLS, "wrong name", f"certificate is {found}'s, not {self._target.node}'s")
            raise ssl.SSLCertVerificationError(self.ended.detail)
        return secure

    def send(self, bytestream: bytes) -> None:
        """Send a PDU, unless the peer has stopped listening; pynetdicom would lose the A-ABORT that says why."""
        connection, rest = self.socket, memoryview(bytestream)
        while rest and connection is not None and not self._mute:
            try:
                if self._may_write(connection):
                    rest = rest[connection.send(rest) :]
            except OSError as error:
                self._mute = True
                self._late = Outcome(False, Layer.TCP, network_failure(error), str(error))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep the connection for the caller's thread: pynetdicom's own neither reads nor writes meanwhile."""
        with self._turn:
            yield

    def write(self, pieces: Iterable[bytes]) -> None:
        """Send encoded PDUs within `turn`, past pynetdicom's queues, until the peer stops listening."""
        for piece in pieces:
            self.send(piece)
            self.assoc.dul._idle_timer.restart()  # noqa: SLF001 - a peer that takes in much says nothing meanwhile
            if self._mute:
                return

    def read_data(self, timeout_s: float) -> bytes:
        """The body of the next P-DATA-TF, within `turn`.

        Empty if something else came: pynetdicom's own thread reads and handles that.

        Raises:
            TimeoutError: Nothing came in time.
        """
        connection = self.socket
        if connection is None or self._mute:
            return b""
        pending = isinstance(connection, ssl.SSLSocket) and connection.pending()
        if not pending and not select.select([connection], [], [], timeout_s)[0]:
            raise TimeoutError
        head = self._take(PDU_HEAD_BYTES)
        if len(head) < PDU_HEAD_BYTES or head[0] != P_DATA_TYPE:
            self._unread += head
            return b""
        self.assoc.dul._idle_timer.restart()  # noqa: SLF001 - it has seen nothing of this
        return bytes(self._take(int.from_bytes(head[2:], "big")))

    def _take(self, count: int) -> bytearray:
        try:
            return self._recv(count)
        except OSError:  # remembered; pynetdicom's thread finds the connection in the same state
            return bytearray()

    @property
    def ready(self) -> bool:
        """Whether there is something to read; nothing while this side is sending.

        Waits a moment for it: pynetdicom's own loop sleeps instead, and so answers wait that long.
        """
        connection = self.socket
        if connection is None or not self._is_connected:
            time.sleep(LOOK_S)
            return False
        if self._turn.locked():  # looking on would take the interpreter from the thread that sends
            time.sleep(TURN_S)
            return False
        with contextlib.suppress(OSError, ValueError):  # closed meanwhile: what follows says so
            select.select([connection], [], [], LOOK_S)
        if not self._turn.acquire(blocking=False):
            return False
        try:
            return bool(self._unread) or bool(super().ready)
        finally:
            self._turn.release()

    def _may_write(self, connection: socket.socket) -> bool:
        """Wait for room to send; a peer that talks and does not read has aborted (PS3.8 9.3.8)."""
        end = time.monotonic() + (self.assoc.dimse_timeout or WORK_TIMEOUT_S)
        while True:
            readable, writable, _ = select.select([connection], [connection], [], max(0.0, end - time.monotonic()))
            if writable:
                return True
            if not readable:
                raise TimeoutError("the peer stopped reading")
            if _says_abort(connection):
                self._mute = True
                return False

    def _shutdown_socket(self) -> None:
        connection = self.socket
        if connection is None:
            return
        with contextlib.suppress(OSError):  # the peer may have closed already; ours is closed all the same
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def recv(self, nr_bytes: int) -> bytearray:
        """Read that many bytes; remembers who closed the connection, and how, unless we gave up first."""
        with self._turn:
            before, self._unread = self._unread[:nr_bytes], self._unread[nr_bytes:]
            return before + self._recv(nr_bytes - len(before)) if len(before) < nr_bytes else before

    def _recv(self, nr_bytes: int) -> bytearray:
        if self.given_up:
            return super().recv(nr_bytes)
        try:
            data: bytearray = super().recv(nr_bytes)
        except ssl.SSLError as error:
            # FACTS 1.8: with TLS 1.3 the refusal of our certificate arrives after our handshake succeeded.
            self.ended = self.ended or _tls_failure(error)
            raise
        except TimeoutError:
            raise
        except OSError as error:
            self.ended = self.ended or self._late or Outcome(False, Layer.TCP, network_failure(error), str(error))
            raise
        if len(data) < nr_bytes and self.ended is None:
            self.ended = Outcome(False, Layer.TCP, "connection closed", "the peer closed the connection")
        return data


def _says_abort(connection: socket.socket) -> bool:
    """Look at the next PDU without taking it; TLS cannot be looked into, so there silence for a moment decides."""
    if isinstance(connection, ssl.SSLSocket):
        return not select.select([], [connection], [], STALLED_S)[1]
    first = connection.recv(1, socket.MSG_PEEK)
    time.sleep(0.01)  # anything else is waited out
    return first in {b"", A_ABORT_TYPE}


def _tls_failure(error: OSError) -> Outcome:
    reason = getattr(error, "reason", None)
    status = str(reason).lower().replace("_", " ") if reason else network_failure(error)
    return Outcome(False, Layer.TLS, status, str(error))


class Call:
    """One association as requestor: what was asked on it and how it ended."""

    def __init__(self, association: Association, wire: Wire) -> None:
        self.association = association
        self.wire = wire
        self._refusal: Outcome | None = None
        association.bind(evt.EVT_PDU_RECV, self._on_pdu)
        association.bind(evt.EVT_PDU_SENT, self._on_sent)

    def _on_pdu(self, event: Any) -> None:
        match event.pdu:
            case A_ASSOCIATE_RJ() as pdu:
                code = f"{pdu.result}/{pdu.source}/{pdu.reason_diagnostic}"
                meaning = REJECT_REASONS.get(f"{pdu.source}/{pdu.reason_diagnostic}", "unknown reason")
                self._refusal = Outcome(False, Layer.ASSOCIATION, f"A-ASSOCIATE-RJ {code}", meaning)
            case A_ABORT_RQ() as pdu:
                # PS3.8 9.3.8: source 0 is the peer's service user, 2 its service provider.
                who = "the peer's application" if pdu.source == 0 else "the peer's protocol machine"
                code = f"{pdu.source}/{pdu.reason_diagnostic}"
                self._refusal = Outcome(False, Layer.ASSOCIATION, f"A-ABORT {code}", f"aborted by {who}")

    def _on_sent(self, event: Any) -> None:
        if isinstance(event.pdu, A_ABORT_RQ):
            self.wire.given_up = True

    @property
    def established(self) -> bool:
        """Whether the association can be used now; pynetdicom itself notices an abort some time later."""
        return bool(self.association.is_established) and self._refusal is None and self.wire.ended is None

    def accepts(self, abstract_syntax: str) -> bool:
        """Say whether the peer accepted a presentation context for that abstract syntax."""
        return any(context.abstract_syntax == abstract_syntax for context in self.association.accepted_contexts)

    def refusal(self) -> Outcome:
        """Say why there is no association, or none any more."""
        if self._refusal is not None:
            return self._refusal
        # Before the connection's end: with no context accepted it is we who abort, and then the peer closes.
        rejected = self.association.rejected_contexts
        if rejected and not self.association.accepted_contexts:
            results = sorted({int(context.result or 0) for context in rejected})
            meaning = ", ".join(CONTEXT_RESULTS.get(result, "unknown result") for result in results)
            asked = ", ".join(sorted({UID(str(context.abstract_syntax)).name for context in rejected})[:3])
            codes = ",".join(str(result) for result in results)
            return Outcome(False, Layer.ASSOCIATION, f"presentation context rejected {codes}", f"{asked}: {meaning}")
        if self.wire.ended is not None:
            return self.wire.ended
        return Outcome(False, Layer.ASSOCIATION, "timed out", "no answer to the association request")

    def ask(self, send: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Dataset, Outcome]:
        """Send one request that has one response and say how it ended."""
        started = time.monotonic()
        try:
            answer = send(*arguments, **options)
        except RuntimeError:  # the association ended before the request could be sent
            return Dataset(), self.ended(started)
        except ValueError as error:  # no accepted presentation context fits
            return Dataset(), Outcome(False, Layer.ASSOCIATION, "presentation context rejected", str(error))
        status, reply = answer if isinstance(answer, tuple) else (answer, Dataset())
        if "Status" not in status:
            return Dataset(), self.ended(started)
        return reply or Dataset(), outcome_of(status)

    def ended(self, asked_at: float) -> Outcome:
        """Say why a request asked at that monotonic time got no answer."""
        if self._refusal is not None:
            return self._refusal
        if self.wire.ended is not None:
            return self.wire.ended
        waited = time.monotonic() - asked_at
        if waited >= (self.association.dimse_timeout or 0):
            return Outcome(False, Layer.DIMSE, "timed out", f"no response within {waited:.1f} s")
        return Outcome(False, Layer.DIMSE, "invalid response", "the response breaks the protocol; association aborted")


def outcome_of(status: Dataset) -> Outcome:
    """Judge a DIMSE response by its status (PS3.7 C)."""
    code = int(status.Status)
    category = code_to_category(code)
    comment = str(status.get("ErrorComment", "") or "")
    detail = ": ".join(part for part in (category.lower(), comment) if part)
    return Outcome(code == 0, Layer.DIMSE, f"0x{code:04X}", detail)


@contextmanager
def call(
    home: Home,
    target: Target,
    contexts: list[PresentationContext],
    *,
    roles: tuple[Any, ...] = (),
    handlers: tuple[tuple[Any, ...], ...] = (),
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Iterator[Call]:
    """Open an association; `timeout_s` bounds the wait for each response. Releases it at the end."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # the observation says it better
    context = tls.client_context(home) if target.application in TLS_APPLICATIONS else None
    ae = _Caller(target, context)
    ae.connection_timeout = CONNECTION_TIMEOUT_S
    ae.acse_timeout = ANSWER_TIMEOUT_S
    ae.network_timeout = ANSWER_TIMEOUT_S
    ae.dimse_timeout = timeout_s
    ae.associate(
        target.address,
        target.port,
        contexts=contexts,
        ae_title=target.called_ae,
        max_pdu=MAX_PDU_BYTES,
        ext_neg=list(roles),
        evt_handlers=list(handlers),
    )
    made = ae.call
    assert made is not None
    try:
        yield made
    finally:
        if made.established:
            made.association.release()


class _Caller(AE):
    """An application entity whose one association runs over a `Wire`."""

    def __init__(self, target: Target, context: ssl.SSLContext | None) -> None:
        super().__init__(ae_title=target.calling_ae)
        self._target = target
        self._context = context
        self.call: Call | None = None

    def _create_socket(self, assoc: Association, address: AddressInformation, tls_args: object) -> Wire:
        del address, tls_args  # the wire knows both
        wire = Wire(assoc, self._target, self._context)
        self.call = Call(assoc, wire)
        return wire
