"""A lab's state -> its CA, its nodes' certificates and its revocation list, each made when it is first wanted."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509

from pacslab.engine import pki
from pacslab.engine.pki import Authority, Key, Profile
from pacslab.engine.state import State
from pacslab.model.plan import Container, Material, MaterialKind, Plan

# A third of their life, so that a lab that is brought up once a month never runs with something that has ended.
RENEW_BEFORE = dt.timedelta(days=30)
_UNDELIVERED = "pki/undelivered.json"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and the key that belongs to it."""

    certificate: x509.Certificate
    key: Key


class Certificates:
    """The certificates of one lab, in `pki/` of its state. Not for several threads.

    What changes is written down as not delivered first, so that whatever is interrupted is finished by the next `up`.
    """

    def __init__(self, state: State, plan: Plan) -> None:
        self._state = state
        self._plan = plan

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that have a certificate, by the plan."""
        return tuple(container.node for container in self._plan.containers if has_certificate(container))

    @property
    def authority(self) -> Authority:
        """The lab's CA."""
        kept = self._read("ca")
        if kept is not None:
            return Authority(kept.certificate, kept.key)
        made = pki.new_authority(self._plan.lab)
        self._write("ca", Pair(made.certificate, made.key))
        return made

    def peek(self, node: str) -> Pair | None:
        """A node's certificate and key, if there are any."""
        return self._read(node)

    def of(self, node: str) -> Pair:
        """A node's certificate and key; new ones where there are none, or where those that are there will not do."""
        kept = self._read(node)
        return kept if kept is not None and self._flaw(node, kept) is None else self.renew(node)

    def renew(self, node: str) -> Pair:
        """Give a node a new key and a new certificate."""
        key = pki.new_key()
        pair = Pair(self.authority.issue(Profile.of(self._plan, node), key), key)
        self.owe((node,))
        self._write(node, pair)
        return pair

    def revocations(self) -> x509.CertificateRevocationList:
        """The list of revoked certificates; signed anew when it is close to its end."""
        kept = self._list()
        return kept if kept is not None and not _is_close(_ends(kept)) else self._sign(tuple(kept or ()), kept)

    def revoked(self) -> dict[int, dt.datetime]:
        """Serial numbers of the certificates that the CA has taken back, and since when."""
        return {entry.serial_number: entry.revocation_date_utc for entry in self._list() or ()}

    def revoke(self, node: str) -> bool:
        """Take back the certificate a node has; say whether it was still good."""
        pair = self.of(node)
        if pair.certificate.serial_number in self.revoked():
            return False
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(pair.certificate.serial_number)
            .revocation_date(dt.datetime.now(dt.UTC).replace(microsecond=0))
            .build()
        )
        kept = self.revocations()
        self._sign((*kept, entry), kept)
        return True

    def due(self) -> dict[str, str]:
        """Nodes whose TLS files must be brought to them anew, and why; nodes that never had any are not among them."""
        owed = self.owed()
        kept = self._list()
        reasons: dict[str, str] = {}
        for node in self.nodes:
            pair = self._read(node)
            if pair is None:
                continue
            flaw = self._flaw(node, pair)
            if flaw is not None:
                reasons[node] = flaw
            elif kept is None or _is_close(_ends(kept)):
                reasons[node] = "the lab's revocation list is close to its end"
            elif node in owed:
                reasons[node] = "its TLS files have changed and were not brought to it"
        return reasons

    def owed(self) -> frozenset[str]:
        """Nodes whose TLS files have changed and were not brought to them."""
        return frozenset(json.loads(self._state.read(_UNDELIVERED) or b"[]"))

    def owe(self, nodes: Iterable[str]) -> None:
        """Note that the TLS files of these nodes have changed, or are about to."""
        self._note(self.owed() | frozenset(nodes))

    def settle(self, nodes: Iterable[str]) -> None:
        """Note that these nodes have got their TLS files."""
        self._note(self.owed() - frozenset(nodes))

    def _note(self, owed: frozenset[str]) -> None:
        if owed != self.owed():
            self._state.write(_UNDELIVERED, json.dumps(sorted(owed)).encode())

    def _flaw(self, node: str, pair: Pair) -> str | None:
        """Why a certificate must be made anew."""
        ends = pair.certificate.not_valid_after_utc
        if not pki.says(pair.certificate, Profile.of(self._plan, node)):
            return "its certificate says something else of it than the plan"
        if not pki.issued(self.authority, pair.certificate):
            return "its certificate is another CA's"
        if _is_close(ends):
            return f"its certificate {'has ended' if ends <= dt.datetime.now(dt.UTC) else 'ends'} on {ends:%Y-%m-%d}"
        if pair.certificate.not_valid_before_utc > dt.datetime.now(dt.UTC):
            return f"its certificate begins on {pair.certificate.not_valid_before_utc:%Y-%m-%d} only"
        return None

    def _list(self) -> x509.CertificateRevocationList | None:
        data = self._state.read("pki/crl.pem")
        kept = x509.load_pem_x509_crl(data) if data else None
        return kept if kept is not None and pki.signed(self.authority, kept) else None

    def _sign(
        self, revoked: tuple[x509.RevokedCertificate, ...], before: x509.CertificateRevocationList | None
    ) -> x509.CertificateRevocationList:
        made = self.authority.revocations(revoked, before)
        self.owe(self.nodes)
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


def has_certificate(container: Container) -> bool:
    """Whether a container gets a certificate."""
    token = Material(MaterialKind.CERTIFICATE, container.node).token
    return any(token in file.text for file in container.files)


def _is_close(ends: dt.datetime) -> bool:
    return ends - dt.datetime.now(dt.UTC) <= RENEW_BEFORE


def _ends(crl: x509.CertificateRevocationList) -> dt.datetime:
    if crl.next_update_utc is None:
        raise ValueError("the lab's revocation list has no end")
    return crl.next_update_utc
