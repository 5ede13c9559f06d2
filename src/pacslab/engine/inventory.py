"""A lab's certificates -> what each one says, and how it stands now."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pacslab.engine.certificates import Certificates


class Standing(StrEnum):
    """How a certificate stands."""

    VALID = "valid"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Entry:
    """A node's certificate; without one, all but the node is empty."""

    node: str
    standing: Standing
    ae_title: str = ""
    serial: str = ""  # hexadecimal
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None
    days_left: int = 0
    roles: tuple[str, ...] = ()  # server, client
    sha256: str = ""  # fingerprint of the certificate
    revoked: dt.datetime | None = None
    delivered: bool = True


def inventory(certificates: Certificates) -> tuple[Entry, ...]:
    """Every node that has a certificate by the plan, in its order; makes none."""
    revoked, owed = certificates.revoked(), certificates.owed()
    return tuple(_entry(certificates, node, revoked, delivered=node not in owed) for node in certificates.nodes)


def _entry(certificates: Certificates, node: str, revoked: dict[int, dt.datetime], *, delivered: bool) -> Entry:
    pair = certificates.peek(node)
    if pair is None:
        return Entry(node, Standing.MISSING, delivered=False)
    certificate, now = pair.certificate, dt.datetime.now(dt.UTC)
    titles = certificate.subject.get_attributes_for_oid(NameOID.TITLE)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    roles = (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH))
    return Entry(
        node=node,
        standing=_standing(certificate, now, revoked=certificate.serial_number in revoked),
        ae_title=str(titles[0].value) if titles else "",
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        days_left=(certificate.not_valid_after_utc - now).days,
        roles=tuple(role for role, usage in roles if usage in usages),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        revoked=revoked.get(certificate.serial_number),
        delivered=delivered,
    )


def _standing(certificate: x509.Certificate, now: dt.datetime, *, revoked: bool) -> Standing:
    if revoked:
        return Standing.REVOKED
    if certificate.not_valid_after_utc <= now:
        return Standing.EXPIRED
    return Standing.NOT_YET_VALID if certificate.not_valid_before_utc > now else Standing.VALID
