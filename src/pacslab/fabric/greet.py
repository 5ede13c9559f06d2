"""Services to greet -> answers: each one spoken to from inside its own node, again and again, until it is ready."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable

from pacslab.fabric.greetings import GREETINGS, NotReady
from pacslab.fabric.netns import make_inside
from pacslab.fabric.refusal import NotANode
from pacslab.model.dicom import TLS_APPLICATIONS
from pacslab.model.fabric import Answer, Greeting, GreetReport, GreetRequest

Progress = Callable[[str, int, int], None]

_INTERVAL_S = 0.1
# RFC 8446 4.4.2.4 and RFC 5246 7.4.6: what a server says to a client without a certificate.
_CERTIFICATE_ALERTS = ("ALERT_CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE", "ALERT_BAD_CERTIFICATE")
_ATTEMPT_S = 5.0  # a service that accepts and then says nothing is asked again


def greet(request: GreetRequest, progress: Progress) -> GreetReport:
    """Greet all services at once until each is ready or `timeout_s` has passed."""
    return asyncio.run(_greet_all(request, progress))


async def _greet_all(request: GreetRequest, progress: Progress) -> GreetReport:
    done = 0

    async def one(greeting: Greeting) -> Answer:
        nonlocal done
        answer = await _until_ready(greeting, request.timeout_s)
        done += 1
        progress("greet", done, len(request.greetings))
        return answer

    return GreetReport(tuple(await asyncio.gather(*(one(greeting) for greeting in request.greetings))))


async def _until_ready(greeting: Greeting, timeout_s: float) -> Answer:
    started = time.monotonic()
    heard = ""
    while True:
        left_s = timeout_s - (time.monotonic() - started)
        try:
            heard = await _once(greeting, min(_ATTEMPT_S, max(left_s, _INTERVAL_S)))
            return _answer(greeting, heard, started, ready=True)
        except NotANode as refusal:
            return _answer(greeting, refusal.message, started, ready=False)  # a new process gets a new greeting
        except NotReady as reason:
            heard = str(reason)
        except asyncio.IncompleteReadError as error:
            heard = "connection closed without an answer" if not error.partial else f"only heard {error.partial!r}"
        except TimeoutError:
            heard = heard or "no answer"
        except (ssl.SSLError, OSError, ValueError) as error:
            heard = _words(error)
        if time.monotonic() - started + _INTERVAL_S >= timeout_s:
            return _answer(greeting, heard, started, ready=False)
        await asyncio.sleep(_INTERVAL_S)


async def _once(greeting: Greeting, timeout_s: float) -> str:
    endpoint = make_inside(greeting.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    endpoint.setblocking(False)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(endpoint, (str(greeting.address), greeting.port))
            reader, writer = await asyncio.open_connection(
                sock=endpoint,
                ssl=_anyone() if greeting.application in TLS_APPLICATIONS else None,
                server_hostname="" if greeting.application in TLS_APPLICATIONS else None,
            )
            try:
                return await GREETINGS[greeting.application](reader, writer)
            finally:
                writer.transport.abort()
    except ssl.SSLError as error:
        if any(alert in (error.reason or "") for alert in _CERTIFICATE_ALERTS):
            return f"{_words(error)} (it wants a certificate)"
        raise
    finally:
        endpoint.close()


def _anyone() -> ssl.SSLContext:
    """A TLS client that accepts any certificate: readiness is asked for here, identity is not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


def _answer(greeting: Greeting, detail: str, started: float, *, ready: bool) -> Answer:
    return Answer(greeting.node, greeting.service, ready, detail, round(time.monotonic() - started, 3))
