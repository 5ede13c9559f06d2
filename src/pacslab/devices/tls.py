"""The node's certificate, CA and revocation list -> TLS contexts; a peer's certificate -> whom it names."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from pacslab.devices.home import Home
from pacslab.devices.observing import say

# BCP 195 (PS3.15 B.12): TLS 1.2 with ephemeral keys and GCM only, or TLS 1.3.
CIPHERS = "ECDHE+AESGCM"
# The CA's own certificate is on no list: only the one shown is looked up.
_CHECKS = ssl.VerifyFlags.VERIFY_X509_STRICT | ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a verified certificate names."""

    names: frozenset[str]  # host names and addresses (RFC 6125: subjectAltName, else common name)
    ae_title: str  # the subject's title; empty: none

    def is_any_of(self, *names: str) -> bool:
        """Whether it names one of these nodes or addresses."""
        return bool(self.names & set(names))

    def __str__(self) -> str:
        return ", ".join(sorted(self.names)) or "nobody"


def client_context(home: Home) -> ssl.SSLContext:
    """Make the context with which this node calls; the host name is checked by `identity`, peers are called by address.

    Raises:
        OSError: A file is missing or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _mutual(context, home)


def server_context(home: Home) -> ssl.SSLContext:
    """Make the context with which this node answers; callers without a certificate that the CA stands by are refused.

    Raises:
        OSError: A file is missing or not what it should be.
    """
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.home = home
    context.refresh()
    return context


def _mutual(context: ssl.SSLContext, home: Home) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _CHECKS
    context.load_cert_chain(home.certificate, home.key)
    context.load_verify_locations(home.ca)
    context.load_verify_locations(home.crl)
    return context


class _Telling(ssl.SSLObject):
    """The TLS of an asyncio server, which by itself tells neither its log nor the caller why it refuses one."""

    heard: ssl.MemoryBIO  # what has come from the caller and was not read
    _refused = False

    def do_handshake(self) -> None:
        if self._refused:
            # A connection closed over unread data is reset, and a reset overtakes the alert: so it is the caller who
            # closes, or else asyncio, when the time for the handshake is over.
            self.heard.read()
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._refused = True
            say(f"TLS refused: {error}")
            # asyncio sends what waits only if it is to go on: otherwise the alert would never leave.
            raise ssl.SSLWantReadError from error


class _ServerContext(ssl.SSLContext):
    """A context whose files are read again when they have changed: a revocation counts from the next connection on."""

    home: Home
    _current: ssl.SSLContext
    _read: tuple[tuple[int, int], ...] = ()

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return self._latest().wrap_socket(*arguments, **options)

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **options: Any
    ) -> ssl.SSLObject:
        made = self._latest().wrap_bio(incoming, outgoing, *arguments, **options)
        assert isinstance(made, _Telling)
        made.heard = incoming
        return made

    def refresh(self) -> None:
        """Read the files.

        Raises:
            OSError: A file is missing or not what it should be.
        """
        seen = self._seen()
        self._current = _mutual(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.home)
        self._current.sslobject_class = _Telling
        self._read = seen

    def _latest(self) -> ssl.SSLContext:
        try:
            if self._seen() != self._read:
                self.refresh()
                say("TLS: certificate, key and revocation list read again")
        except OSError as error:  # in the middle of being replaced; the next connection asks again
            say(f"TLS: {error}; going on with the certificate and revocation list read before")
        return self._current

    def _seen(self) -> tuple[tuple[int, int], ...]:
        """Which files there are; the time of change cannot be set from outside, unlike that of modification."""
        home = self.home
        stats = (path.stat() for path in (home.certificate, home.key, home.ca, home.crl))
        return tuple((stat.st_ino, stat.st_ctime_ns) for stat in stats)


def identity(certificate: dict[str, Any] | None) -> Identity:
    """Say whom a verified peer certificate names (`SSLSocket.getpeercert`)."""
    if not certificate:
        return Identity(frozenset(), "")
    found = {value for kind, value in certificate.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}}
    subject = [(key, value) for group in certificate.get("subject", ()) for key, value in group]
    common = {value for key, value in subject if key == "commonName"}
    titles = [value for key, value in subject if key == "title"]
    return Identity(frozenset(found or common), titles[0] if len(titles) == 1 else "")
