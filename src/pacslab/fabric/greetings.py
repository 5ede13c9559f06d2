"""An open connection -> what the service at its other end said to a greeting in its own protocol."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from types import MappingProxyType

from pacslab.model.dicom import Application

# PS3.5 A.1 and PS3.6 A: the UIDs of an association that wants verification only.
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_VERIFICATION = b"1.2.840.10008.1.1"
_IMPLICIT_VR_LITTLE_ENDIAN = b"1.2.840.10008.1.2"
_IMPLEMENTATION = b"2.25.302043790172249692526321623266752743501"  # PS3.5 B.2: made from a UUID

_RELEASE_RQ = b"\x05\x00\x00\x00\x00\x04" + bytes(4)  # PS3.8 9.3.6
_PDU_NAMES = {2: "A-ASSOCIATE-AC", 3: "A-ASSOCIATE-RJ", 7: "A-ABORT"}
_PDU_MAX_BYTES = 1 << 16
_AFTER_HANDSHAKE_S = 0.3
_POSTGRES_STARTING_UP = "57P03"  # PostgreSQL errcodes: cannot_connect_now


class NotReady(Exception):  # noqa: N818 - an observation, not a fault
    """The service spoke, but not as one that is ready."""


def associate_request(calling: str = "PACSLAB", called: str = "ANY-SCP") -> bytes:
    """An A-ASSOCIATE-RQ for the Verification SOP class (PS3.8 9.3.2)."""
    context = b"\x01\x00\x00\x00" + _item(0x30, _VERIFICATION) + _item(0x40, _IMPLICIT_VR_LITTLE_ENDIAN)
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, _IMPLEMENTATION)  # PS3.8 D.1, PS3.7 D.3.3.2
    body = (
        struct.pack(">HH", 1, 0)
        + called.ljust(16).encode("ascii")
        + calling.ljust(16).encode("ascii")
        + bytes(32)
        + _item(0x10, _APPLICATION_CONTEXT)
        + _item(0x20, context)
        + _item(0x50, user)
    )
    return struct.pack(">BxI", 1, len(body)) + body


def _item(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(payload)) + payload


async def _dicom(reader: StreamReader, writer: StreamWriter) -> str:
    writer.write(associate_request())
    kind, length = struct.unpack(">BxI", await reader.readexactly(6))
    if kind not in _PDU_NAMES or length > _PDU_MAX_BYTES:
        raise NotReady(f"not a DICOM answer: PDU type 0x{kind:02x}")
    body = await reader.readexactly(length)
    if kind == 2 and length >= 68:  # PS3.8 9.3.3: version to the last reserved field
        writer.write(_RELEASE_RQ)
        await reader.readexactly(10)  # PS3.8 9.3.7: A-RELEASE-RP, or A-ABORT; both are as long
        return _PDU_NAMES[kind]
    if kind == 3 and length == 4:  # PS3.8 9.3.4: reserved, result, source, reason
        return f"{_PDU_NAMES[kind]} {body[1]}/{body[2]}/{body[3]}"
    raise NotReady(f"{_PDU_NAMES[kind]} of {length} bytes")


async def _http(reader: StreamReader, writer: StreamWriter) -> str:
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: pacslab\r\nConnection: close\r\n\r\n")
    line = (await reader.readline()).decode("latin-1").rstrip()
    if not line.startswith("HTTP/1."):
        raise NotReady(f"not an HTTP status line: {line[:60]!r}")
    return line


async def _tls(reader: StreamReader, writer: StreamWriter) -> str:
    """With TLS 1.3 the handshake is over before the server has judged its client, so listen a little longer."""
    session: ssl.SSLObject = writer.get_extra_info("ssl_object")
    heard = f"{session.version()} {(session.cipher() or ('',))[0]}"
    try:
        async with asyncio.timeout(_AFTER_HANDSHAKE_S):
            data = await reader.read(1)
    except TimeoutError:
        return heard
    except ssl.SSLError as error:
        return f"{heard}, then alert {(error.reason or '').replace('_', ' ').lower()}"
    except ConnectionError:
        return f"{heard}, then closed"  # FACTS 1.8: how a missing client certificate looks
    return heard if data else f"{heard}, then closed"


async def _hl7(reader: StreamReader, writer: StreamWriter) -> str:
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%d%H%M%S")
    message = f"MSH|^~\\&|PACSLAB|PACSLAB|||{now}||ZZZ^Z00|GREETING{now}|T|2.5.1\r"
    writer.write(b"\x0b" + message.encode("ascii") + b"\x1c\x0d")  # HL7 v2 MLLP, release 1: VT ... FS CR
    frame = await reader.readuntil(b"\x1c\x0d")
    if not frame.startswith(b"\x0b"):
        raise NotReady("not an MLLP frame")
    segments = frame[1:-2].decode("latin-1").split("\r")
    verdict = next((segment.split("|")[1] for segment in segments if segment.startswith("MSA|")), "")
    return f"HL7 acknowledgement {verdict}".rstrip()


async def _postgres(reader: StreamReader, writer: StreamWriter) -> str:
    # PostgreSQL 54.7: StartupMessage, protocol 3.0. A server that wants TLS first says so in an error, which is an
    # answer too, so there is no need to ask for TLS.
    parameters = b"user\0pacslab\0database\0postgres\0\0"
    writer.write(struct.pack(">II", 8 + len(parameters), 3 << 16) + parameters)
    kind, length = struct.unpack(">cI", await reader.readexactly(5))
    if kind not in {b"R", b"E"} or not 4 <= length <= _PDU_MAX_BYTES:
        raise NotReady(f"not a PostgreSQL answer: {kind!r}")
    body = await reader.readexactly(length - 4)
    if kind == b"R":
        return f"authentication request {struct.unpack_from('>I', body)[0]}"
    fields = {field[:1]: field[1:].decode("utf-8", "replace") for field in body.split(b"\0") if field}
    if fields.get(b"C") == _POSTGRES_STARTING_UP:
        raise NotReady(fields.get(b"M", "the database system is starting up"))
    return f"SQLSTATE {fields.get(b'C', '?')}"


async def _ssh(reader: StreamReader, _: StreamWriter) -> str:
    for _line in range(10):  # RFC 4253 4.2: other lines may come before the identification
        line = (await reader.readline()).decode("latin-1").rstrip()
        if line.startswith("SSH-2.0-"):
            return line
        if not line:
            break
    raise NotReady("no SSH identification")


async def _other(_reader: StreamReader, _writer: StreamWriter) -> str:
    """Nobody has said what is spoken there: that it accepted the connection is all there is to hear."""
    return "accepts connections"


GREETINGS: MappingProxyType[Application, Callable[[StreamReader, StreamWriter], Awaitable[str]]] = MappingProxyType(
    {
        Application.DICOM: _dicom,
        Application.OTHER: _other,
        Application.DICOM_TLS: _tls,
        Application.HTTP: _http,
        Application.HTTPS: _http,
        Application.HL7: _hl7,
        Application.HL7_TLS: _tls,
        Application.POSTGRES: _postgres,
        Application.SSH: _ssh,
    },
)
