"""HL7 messages over MLLP, clear or with mutual TLS: one function sends, one answers what callers send."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import hl7.mllp

from pacslab.devices import messages, tls
from pacslab.devices.home import Home, Target
from pacslab.devices.messages import MessageError
from pacslab.devices.observing import Outcome, network_failure, say
from pacslab.model.device import Layer, Listener, Peer
from pacslab.model.dicom import TLS_APPLICATIONS, Application, Operation

CONNECT_TIMEOUT_S = 4.0
ANSWER_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 60.0  # senders keep their connection open between messages
MESSAGE_MAX_BYTES = 1_048_576
HL7_APPLICATIONS = frozenset({Application.HL7, Application.HL7_TLS})

_connect: Any = hl7.mllp.open_hl7_connection  # the package has no types
_listen: Any = hl7.mllp.start_hl7_server

Answer = Callable[[Any, Peer], None]


def send(home: Home, target: Target, text: str) -> Outcome:
    """Send one message and judge its acknowledgement: AA is success."""
    return asyncio.run(_send(home, target, text))


async def _send(home: Home, target: Target, text: str) -> Outcome:
    context = tls.client_context(home) if target.application in TLS_APPLICATIONS else None
    try:
        connect = _connect(
            target.address,
            target.port,
            encoding="utf-8",
            ssl=context,
            server_hostname="" if context else None,
        )
        reader, writer = await asyncio.wait_for(connect, CONNECT_TIMEOUT_S)
    except OSError as error:
        return _refused(error)
    try:
        wrong = _wrong_name(writer, target) if context else None
        return wrong or await _exchange(reader, writer, text)
    finally:
        writer.transport.abort()


def _refused(error: OSError) -> Outcome:
    layer = Layer.TLS if isinstance(error, ssl.SSLError) else Layer.TCP
    reason = getattr(error, "reason", None)
    return Outcome(
        False, layer, str(reason).lower().replace("_", " ") if reason else network_failure(error), str(error)
    )


def _wrong_name(writer: Any, target: Target) -> Outcome | None:
    found = tls.identity(writer.get_extra_info("peercert"))
    if found.is_any_of(target.node, target.address):
        return None
    return Outcome(False, Layer.TLS, "wrong name", f"certificate is {found}'s, not {target.node}'s")


async def _exchange(reader: Any, writer: Any, text: str) -> Outcome:
    try:
        writer.writeblock(text.encode())
        await writer.drain()
        block = await asyncio.wait_for(reader.readblock(), ANSWER_TIMEOUT_S)
    except asyncio.IncompleteReadError:
        return Outcome(False, Layer.HL7, "connection closed", "the peer closed without an acknowledgement")
    except TimeoutError:
        return Outcome(False, Layer.HL7, "timed out", "no acknowledgement")
    except OSError as error:
        return _refused(error)
    except (ValueError, hl7.mllp.InvalidBlockError) as error:
        return Outcome(False, Layer.HL7, "invalid answer", str(error))
    try:
        answer = messages.parse(block.decode("utf-8", "replace"))
    except MessageError as error:
        return Outcome(False, Layer.HL7, "invalid answer", str(error))
    code = messages.value(answer, "MSA", 1)
    detail = messages.value(answer, "ERR", 3, 2)
    return Outcome(code == "AA", Layer.HL7, code or "no MSA", detail)


def start(home: Home, listener: Listener, handle: Answer) -> None:
    """Listen for messages in a thread of its own; `handle` raises MessageError for what it does not accept.

    Raises:
        OSError: The port is taken, or a TLS file is missing.
    """
    context = tls.server_context(home) if listener.application in TLS_APPLICATIONS else None
    listening = socket.create_server(("", listener.port), backlog=64)
    service = _Service(home, context is not None, handle)
    threading.Thread(target=asyncio.run, args=(service.run(listening, context),), daemon=True).start()
    say(f"{home.device.node}: {listener.application.value} on port {listener.port}")


class _Service:
    """Answers callers one message after the other."""

    def __init__(self, home: Home, secure: bool, handle: Answer) -> None:
        self._home = home
        self._secure = secure
        self._handle = handle

    async def run(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        options = {"ssl_handshake_timeout": ANSWER_TIMEOUT_S} if context else {}
        server = await _listen(
            self._converse, sock=listening, ssl=context, limit=MESSAGE_MAX_BYTES, encoding="utf-8", **options
        )
        async with server:
            await server.serve_forever()

    async def _converse(self, reader: Any, writer: Any) -> None:
        address = writer.get_extra_info("peername")[0]
        peer = self._peer(address, writer)
        if peer is None:
            say(f"HL7 connection from {address}: nobody we know by that address and certificate")
            writer.transport.abort()
            return
        try:
            while True:
                block = await asyncio.wait_for(reader.readblock(), IDLE_TIMEOUT_S)
                writer.writeblock(self._answer(block, peer).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            pass  # the caller has gone, or has nothing more to say
        except (ValueError, hl7.mllp.InvalidBlockError) as error:
            say(f"HL7 from {peer.node}: not MLLP: {error}")
        finally:
            writer.close()

    def _peer(self, address: str, writer: Any) -> Peer | None:
        found = tls.identity(writer.get_extra_info("peercert") if self._secure else None)
        entries = [peer for peer in self._home.device.peers if str(peer.address) == address]
        entries = [peer for peer in entries if peer.application in HL7_APPLICATIONS]
        if self._secure:
            entries = [peer for peer in entries if found.is_any_of(peer.node) and found.is_any_of(address)]
        return next((peer for peer in entries if peer.may_be_asked), next(iter(entries), None))

    def _answer(self, block: bytes, peer: Peer) -> str:
        """Handle one message and write its acknowledgement."""
        message = None
        problem = None
        try:
            message = messages.parse(block.decode("utf-8", "strict"))
            self._check(message, peer)
            self._handle(message, peer)
        except UnicodeDecodeError as error:
            problem = MessageError("AR", 207, f"not UTF-8: {error.reason}")
        except MessageError as error:
            problem = error
        what = messages.kind(message) if message else "unreadable message"
        say(f"{what} from {peer.node}: {f'{problem.code} {problem}' if problem else 'AA'}")
        return messages.acknowledge(self._home.device.node, message, problem)

    @staticmethod
    def _check(message: Any, peer: Peer) -> None:
        kind = messages.kind(message)
        known = {operation.value for operation in Operation if "^" in operation.value}
        if kind not in known:
            raise MessageError("AR", 201 if any(item[:3] == kind[:3] for item in known) else 200, f"unsupported {kind}")
        if kind not in {operation.value for operation in peer.may_be_asked}:
            raise MessageError("AR", 207, f"{peer.node} may not send {kind} here")
        if not messages.value(message, "MSH", 12).startswith("2."):
            raise MessageError("AR", 203, f"unsupported version {messages.value(message, 'MSH', 12)!r}")
