"""A lab's state -> its CA, its nodes' certificates and its revocation list, each made when it is first wanted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509

from pacslab.engine import pki
from pacslab.engine.pki import Authority, Key, Profile
from pacslab.engine.state import State
from pacslab.model.plan import Plan

# A third of its life, so that a lab that is brought up once a month never runs with one that has ended.
RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and the key that belongs to it."""

    certificate: x509.Certificate
    key: Key


class Certificates:
    """The certificates of one lab, in `pki/` of its state. Not for several threads."""

    def __init__(self, state: State, plan: Plan) -> None:
        self._state = state
        self._plan = plan

    @property
    def authority(self) -> Authority:
        """The lab's CA."""
        kept = self._read("ca")
        if kept is not None:
            return Authority(kept.certificate, kept.key)
        made = pki.new_authority(self._plan.lab)
        self._write("ca", Pair(made.certificate, made.key))
        return made

    def of(self, node: str) -> Pair:
        """A node's certificate and key; new ones where there are none, or where the node is no longer what they say."""
        kept = self._read(node)
        if kept is not None and pki.says(kept.certificate, Profile.of(self._plan, node)):
            return kept
        return self.renew(node)

    def renew(self, node: str) -> Pair:
        """Give a node a new key and a new certificate."""
        key = pki.new_key()
        pair = Pair(self.authority.issue(Profile.of(self._plan, node), key), key)
        self._write(node, pair)
        return pair

    def revocations(self) -> x509.CertificateRevocationList:
        """The list of revoked certificates; signed anew when it is close to its end."""
        data = self._state.read("pki/crl.pem")
        kept = x509.load_pem_x509_crl(data) if data else None
        if kept is not None and _ends(kept) - dt.datetime.now(dt.UTC) > RENEW_BEFORE:
            return kept
        return self._sign(tuple(kept or ()), kept)

    def _sign(
        self, revoked: tuple[x509.RevokedCertificate, ...], before: x509.CertificateRevocationList | None
    ) -> x509.CertificateRevocationList:
        made = self.authority.revocations(revoked, before)
        self._state.write("pki/crl.pem", pki.pem(made), mode=0o644)
        return made

    def _read(self, name: str) -> Pair | None:
        """A pair that is kept; one that was half written when something ended does not count."""
        certificate, key = self._state.read(f"pki/{name}.pem"), self._state.read(f"pki/{name}.key")
        if not certificate or not key:
            return None
        pair = Pair(x509.load_pem_x509_certificate(certificate), pki.read_key(key))
        return pair if pair.certificate.public_key() == pair.key.public_key() else None

    def _write(self, name: str, pair: Pair) -> None:
        self._state.write(f"pki/{name}.key", pki.key_pem(pair.key))
        self._state.write(f"pki/{name}.pem", pki.pem(pair.certificate), mode=0o644)


def _ends(crl: x509.CertificateRevocationList) -> dt.datetime:
    if crl.next_update_utc is None:
        raise ValueError("the lab's revocation list has no end")
    return crl.next_update_utc
