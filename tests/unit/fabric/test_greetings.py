"""Greetings: what is sent is what the standards ask for, and each answer is read as what it is."""

from __future__ import annotations

import asyncio
import struct

import pytest
from pynetdicom.pdu import A_ASSOCIATE_RQ

from pacslab.fabric.greetings import GREETINGS, NotReady, associate_request
from pacslab.model.dicom import Application

REJECT = bytes.fromhex("03000000000400010107")
ABORT = bytes.fromhex("07000000000400000200")


def error(code: str) -> bytes:
    body = b"SFATAL\0C" + code.encode() + b"\0Mwords\0\0"
    return b"E" + struct.pack(">I", len(body) + 4) + body


def test_another_implementation_reads_the_association_request() -> None:
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(associate_request())
    assert (pdu.calling_ae_title, pdu.called_ae_title) == ("PACSLAB", "ANY-SCP")
    assert pdu.application_context_name == "1.2.840.10008.3.1.1.1"
    (context,) = pdu.presentation_context
    assert context.abstract_syntax == "1.2.840.10008.1.1"
    assert context.transfer_syntax == ["1.2.840.10008.1.2"]
    assert pdu.user_information.maximum_length == 16384
    assert pdu.encode() == associate_request()


async def hear(application: Application, answer: bytes) -> str:
    """Greet a service that says `answer` to whatever it hears and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if application is not Application.SSH:
            await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            async with asyncio.timeout(5):
                return await GREETINGS[application](reader, writer)
        finally:
            writer.transport.abort()


@pytest.mark.parametrize(
    ("application", "answer", "heard"),
    [
        (Application.DICOM, REJECT, "A-ASSOCIATE-RJ 1/1/7"),
        (Application.HTTP, b"HTTP/1.0 503 Service Unavailable\r\n\r\n", "HTTP/1.0 503 Service Unavailable"),
        (Application.HL7, b"\x0bMSH|^~\\&|A\rMSA|AR|1\r\x1c\x0d", "HL7 acknowledgement AR"),
        (Application.POSTGRES, b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", "authentication request 10"),
        (Application.POSTGRES, error("28P01"), "SQLSTATE 28P01"),
        (Application.SSH, b"Mind the step\r\nSSH-2.0-x\r\n", "SSH-2.0-x"),
    ],
)
def test_answers_of_services_that_are_ready(application: Application, answer: bytes, heard: str) -> None:
    assert asyncio.run(hear(application, answer)) == heard


@pytest.mark.parametrize(
    ("application", "answer"),
    [
        (Application.DICOM, ABORT),
        (Application.DICOM, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        (Application.DICOM, REJECT[:8]),
        (Application.DICOM, b"\x02\x00\x00\x00\x00\x04\x00\x01\x00\x00"),  # an acceptance without its body
        (Application.HTTP, b"SSH-2.0-x\r\n"),
        (Application.HL7, b"MSA|AA\r\x1c\x0d"),
        (Application.HL7, b"\x0bMSH|^~\\&|A\r"),
        (Application.POSTGRES, error("57P03")),
        (Application.POSTGRES, b"HTTP/1.1 400"),
        (Application.SSH, b"SSH-1.5-x\r\n"),
    ],
)
def test_answers_of_services_that_are_not_ready(application: Application, answer: bytes) -> None:
    with pytest.raises((NotReady, asyncio.IncompleteReadError)):
        asyncio.run(hear(application, answer))
