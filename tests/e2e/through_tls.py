"""A client that speaks no TLS -> its connections to 127.0.0.1:PORT, carried over TLS to a node with a certificate.

python3 through_tls.py ADDRESS PORT TLS-FOLDER COMMAND... ; the word PORT in the command becomes the local port.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path


async def main(address: str, port: str, folder: str, *command: str) -> int:
    """Relay until the command ends; its exit code."""
    context = ssl.create_default_context(cafile=str(Path(folder) / "ca.pem"))
    context.check_hostname = False  # the address is the name here, and the CA is the lab's
    context.load_cert_chain(Path(folder) / "certificate.pem", Path(folder) / "key.pem")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(address, int(port), ssl=context)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    local = server.sockets[0].getsockname()[1]
    words = [str(local) if word == "PORT" else word for word in command]
    async with server:
        process = await asyncio.create_subprocess_exec(*words)
        return await process.wait()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
