"""HL7 messages over MLLP, clear or with mutual TLS: one function sends, one answers what callers send."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pacslab.devices import messages, reading, tls
from pacslab.devices.database import StorageError
from pacslab.devices.home import Home, Target
from pacslab.devices.observing import Outcome, network_failure, say
from pacslab.devices.reading import ACCEPTED, CHARACTER_SETS, REJECTED, MessageError
from pacslab.model.device import Layer, Listener, Peer
from pacslab.model.dicom import TLS_APPLICATIONS, Application, Operation

CONNECT_TIMEOUT_S = 4.0
ANSWER_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 60.0  # senders keep their connection open between messages
FRAME_TIMEOUT_S = 10.0  # from a frame's first byte to its last
MESSAGE_MAX_BYTES = 1_048_576
CONNECTIONS_MAX = 16  # of one caller at a time
HL7_APPLICATIONS = frozenset({Application.HL7, Application.HL7_TLS})

# HL7 Minimal Lower Layer Protocol, Release 1: 2.3
START = b"\x0b"
END = b"\x1c\x0d"

Handle = Callable[[Any, Peer], None]


class FramingError(ValueError):
    """What came is no MLLP frame."""


@dataclass(frozen=True, slots=True)
class Answer(Outcome):
    """An acknowledgement, with its error's condition (HL7 table 0357)."""

    condition: str = ""


def send(home: Home, target: Target, text: str) -> Outcome:
    """Send one message and judge its acknowledgement: AA is success."""
    return asyncio.run(_send(home, target, text))


async def _send(home: Home, target: Target, text: str) -> Outcome:
    context = tls.client_context(home) if target.application in TLS_APPLICATIONS else None
    connect = asyncio.open_connection(
        target.address, target.port, ssl=context, server_hostname="" if context else None, limit=MESSAGE_MAX_BYTES
    )
    try:
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
    status = str(reason).lower().replace("_", " ") if reason else network_failure(error)
    return Outcome(False, layer, status, str(error))


def _wrong_name(writer: asyncio.StreamWriter, target: Target) -> Outcome | None:
    found = tls.identity(writer.get_extra_info("peercert"))
    if found.is_any_of(target.node, target.address):
        return None
    return Outcome(False, Layer.TLS, "wrong name", f"certificate is {found}'s, not {target.node}'s")


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> Outcome:
    try:
        await _write(writer, text.encode())
        block = await asyncio.wait_for(_read(reader), ANSWER_TIMEOUT_S)
        answer = reading.read(block)
    except asyncio.IncompleteReadError:
        return Outcome(False, Layer.HL7, "connection closed", "the peer closed without an acknowledgement")
    except TimeoutError:
        return Outcome(False, Layer.HL7, "timed out", "no acknowledgement")
    except OSError as error:
        # asyncio says "connection lost" to whoever writes; why it was lost, a TLS alert, the reader knows.
        known = reader.exception()
        return _refused(known if isinstance(known, OSError) else error)
    except ValueError as error:
        return Outcome(False, Layer.HL7, "invalid answer", str(error))
    return _judge(answer, reading.header_of(text.encode()).control_id)


def _judge(answer: Any, control_id: str) -> Outcome:
    code, about = reading.value(answer, "MSA", 1), reading.value(answer, "MSA", 2)
    if about not in {control_id, ""} or (code == ACCEPTED and not about):
        return Outcome(False, Layer.HL7, "invalid answer", f"it acknowledges {about or 'nothing'}, not {control_id}")
    condition, place = reading.value(answer, "ERR", 3), reading.whole(answer, "ERR", 2).split("^")
    where = "-".join(part for part in (place[0], "".join(place[2:3])) if part)
    said = reading.value(answer, "ERR", 8) or reading.value(answer, "ERR", 3, 2)
    detail = ": ".join(part for part in (where, said) if part)
    return Answer(code == ACCEPTED, Layer.HL7, code or "no MSA", detail, condition)


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Read a frame whose first byte comes at leisure and whose rest does not."""
    first = await asyncio.wait_for(reader.readexactly(1), IDLE_TIMEOUT_S)
    if first != START:
        raise FramingError(f"begins with {first!r}, not with {START!r}")
    block = await asyncio.wait_for(reader.readuntil(END), FRAME_TIMEOUT_S)
    return block.removesuffix(END)


async def _skip(reader: asyncio.StreamReader, head: bytes) -> None:
    """Let a frame pass by, so that its sender comes to read the answer."""
    tail = head
    while END not in tail and (more := await reader.read(65_536)):
        tail = tail[-1:] + more


async def _write(writer: asyncio.StreamWriter, block: bytes) -> None:
    writer.write(START + block + END)
    await writer.drain()


def start(home: Home, listener: Listener, handle: Handle) -> None:
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

    def __init__(self, home: Home, secure: bool, handle: Handle) -> None:
        self._home = home
        self._secure = secure
        self._handle = handle
        self._open: Counter[str] = Counter()  # connections by caller

    async def run(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        options: dict[str, Any] = {"ssl": context, "ssl_handshake_timeout": ANSWER_TIMEOUT_S} if context else {}
        server = await asyncio.start_server(self._receive, sock=listening, limit=MESSAGE_MAX_BYTES, **options)
        async with server:
            await server.serve_forever()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        peer = self._peer(address, writer)
        if peer is None or self._open[address] >= CONNECTIONS_MAX:
            why = "more connections than it may have" if peer else "nobody we know by that address and certificate"
            say(f"HL7 connection from {address}: {why}")
            writer.transport.abort()
            return
        self._open[address] += 1
        try:
            await self._converse(reader, writer, peer)
        finally:
            self._open[address] -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        """Answer until the caller leaves; what is no frame ends it, for nothing tells where the next one begins."""
        try:
            while True:
                await _write(writer, self._answer(await _read(reader), peer))
        except asyncio.LimitOverrunError:
            head = await reader.read(MESSAGE_MAX_BYTES)
            problem = MessageError(REJECTED, reading.DATA_TYPE, f"a frame of more than {MESSAGE_MAX_BYTES} bytes")
            say(f"HL7 from {peer.node}: {problem}: {REJECTED}")
            await asyncio.wait_for(_skip(reader, head), FRAME_TIMEOUT_S)
            await _write(writer, self._acknowledge(head, problem))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                say(f"HL7 from {peer.node}: the connection ended within a frame, after {len(error.partial)} bytes")
        except FramingError as error:
            say(f"HL7 from {peer.node}: not MLLP: {error}")
        except TimeoutError:
            say(f"HL7 from {peer.node}: no frame, or no end of one, in time")
        except OSError as error:
            say(f"HL7 from {peer.node}: {network_failure(error)}")

    def _peer(self, address: str, writer: asyncio.StreamWriter) -> Peer | None:
        found = tls.identity(writer.get_extra_info("peercert") if self._secure else None)
        entries = [peer for peer in self._home.device.peers if str(peer.address) == address]
        entries = [peer for peer in entries if peer.application in HL7_APPLICATIONS]
        if self._secure:
            entries = [peer for peer in entries if found.is_any_of(peer.node) and found.is_any_of(address)]
        return next((peer for peer in entries if peer.may_be_asked), next(iter(entries), None))

    def _answer(self, block: bytes, peer: Peer) -> bytes:
        """Handle one message and write its acknowledgement."""
        problem = None
        try:
            message = reading.read(block)
            _check(message, peer)
            self._handle(message, peer)
        except MessageError as error:
            problem = error
        except StorageError as error:  # HL7 2.9.2.2: AR says that the same message may be accepted later
            problem = MessageError(REJECTED, reading.INTERNAL, str(error))
        header = reading.header_of(block)
        what = f"{header.kind or 'unreadable message'} {header.control_id}".strip()
        said = f"{problem.code} {problem.condition} {problem.where}: {problem}" if problem else ACCEPTED
        say(f"{what} from {peer.node}: {said}")
        return self._acknowledge(block, problem)

    def _acknowledge(self, block: bytes, problem: MessageError | None) -> bytes:
        """In the character set of the message, as far as there is such a one."""
        header = reading.header_of(block)
        text = messages.acknowledge(self._home.device.node, header, problem)
        return text.encode(CHARACTER_SETS.get(header.character_set, "ascii"), "replace")


def _check(message: Any, peer: Peer) -> None:
    """Refuse what this peer may not send, whatever it says (HL7 2.9.2.2: MSH-9, MSH-11 and MSH-12)."""
    kind = reading.kind(message)
    if kind not in {operation.value for operation in peer.may_be_asked}:
        known = {operation.value for operation in Operation if "^" in operation.value}
        code, _, event = kind.partition("^")
        is_event = any(item.startswith(f"{code}^") for item in known) and kind not in known
        condition = reading.EVENT_UNSUPPORTED if is_event else reading.MESSAGE_UNSUPPORTED
        why = f"{peer.node} may not send {kind} here" if kind in known else f"unsupported {kind}"
        raise MessageError(REJECTED, condition, why, f"MSH-9.{2 if event and is_event else 1}")
    if reading.value(message, "MSH", 11) not in {"P", "T", "D"}:
        said = f"processing id {reading.value(message, 'MSH', 11)!r} is none of P, T, D"
        raise MessageError(REJECTED, reading.PROCESSING_ID_UNSUPPORTED, said, "MSH-11")
    if not reading.value(message, "MSH", 12).startswith("2."):
        said = f"unsupported version {reading.value(message, 'MSH', 12)!r}"
        raise MessageError(REJECTED, reading.VERSION_UNSUPPORTED, said, "MSH-12")
