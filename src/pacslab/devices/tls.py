"""The node's certificate, key and CA -> TLS contexts that demand the other side's certificate, and the names in it."""

from __future__ import annotations

import ssl
from typing import Any

from pacslab.devices.home import Home

# BCP 195 (PS3.15 B.12): TLS 1.2 with ephemeral keys and GCM only, or TLS 1.3.
CIPHERS = "ECDHE+AESGCM"


def client_context(home: Home) -> ssl.SSLContext:
    """Make the context with which this node calls; the host name is checked by `names`, peers are called by address.

    Raises:
        OSError: A file is missing or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _mutual(context, home)


def server_context(home: Home) -> ssl.SSLContext:
    """Make the context with which this node answers; callers without a certificate of the lab's CA are refused.

    Raises:
        OSError: A file is missing or not what it should be.
    """
    return _mutual(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), home)


def _mutual(context: ssl.SSLContext, home: Home) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(home.certificate, home.key)
    context.load_verify_locations(home.ca)
    return context


def names(certificate: dict[str, Any] | None) -> frozenset[str]:
    """List the names and addresses a verified peer certificate holds (RFC 6125: subjectAltName, else common name)."""
    if not certificate:
        return frozenset()
    found = {value for kind, value in certificate.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}}
    common = {value for group in certificate.get("subject", ()) for key, value in group if key == "commonName"}
    return frozenset(found or common)
