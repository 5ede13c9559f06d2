"""The lab's certificate authority: what a node is -> its key, its certificate, and the list of those taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pacslab.model.dicom import CERTIFICATE_APPLICATIONS
from pacslab.model.plan import Plan

CA_DAYS = 3650  # longer than any lab stays up; `down` ends it
LEAF_DAYS = 90
CRL_DAYS = 90
_BACKDATED = dt.timedelta(minutes=5)  # a node's clock may be a little behind
_SECOND = dt.timedelta(seconds=1)

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Profile:
    """What a node's certificate says of it."""

    node: str
    zone: str
    address: IPv4Address
    ae_title: str | None
    listens: bool  # serverAuth
    calls: bool  # clientAuth

    @classmethod
    def of(cls, plan: Plan, node: str) -> Profile:
        """What a certificate must say of a node: it may serve where it listens, and call where it opens a flow.

        Raises:
            KeyError: The plan has no such node.
        """
        found = plan.node(node)
        return cls(
            node=found.name,
            zone=found.zone,
            address=found.address,
            ae_title=found.ae_title,
            listens=any(service.application in CERTIFICATE_APPLICATIONS for service in found.services),
            calls=any(f.source == found.name and f.application in CERTIFICATE_APPLICATIONS for f in plan.flows),
        )

    @property
    def usages(self) -> tuple[x509.ObjectIdentifier, ...]:
        """The extended key usages of its roles (RFC 5280 4.2.1.12)."""
        server = (ExtendedKeyUsageOID.SERVER_AUTH,) if self.listens else ()
        client = (ExtendedKeyUsageOID.CLIENT_AUTH,) if self.calls else ()
        return (*server, *client)

    @property
    def subject(self) -> x509.Name:
        """Zone, name and, for a DICOM node, its AE title as the `title` attribute."""
        attributes = [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self.zone),
            x509.NameAttribute(NameOID.COMMON_NAME, self.node),
        ]
        if self.ae_title:
            attributes.append(x509.NameAttribute(NameOID.TITLE, self.ae_title))
        return x509.Name(attributes)

    @property
    def names(self) -> x509.SubjectAlternativeName:
        """Its host name and its address."""
        return x509.SubjectAlternativeName([x509.DNSName(self.node), x509.IPAddress(self.address)])


@dataclass(frozen=True, slots=True)
class Authority:
    """A lab's CA."""

    certificate: x509.Certificate
    key: Key

    def issue(
        self, profile: Profile, key: Key, *, begins: dt.datetime | None = None, days: float = LEAF_DAYS
    ) -> x509.Certificate:
        """Certify a node's key.

        Args:
            profile: What the certificate says.
            key: The node's key.
            begins: When it begins; a little before now unless given.
            days: How long it lasts; never longer than the CA's own.
        """
        public = self.key.public_key()
        begins = begins or _now() - _BACKDATED
        ends = min(begins + dt.timedelta(days=days), self.certificate.not_valid_after_utc)
        return (
            _begin(profile.subject, self.certificate.subject, key.public_key(), begins, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(profile.usages), critical=False)
            .add_extension(profile.names, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def revocations(
        self, revoked: Iterable[x509.RevokedCertificate], before: x509.CertificateRevocationList | None
    ) -> x509.CertificateRevocationList:
        """Sign the list of revoked certificates that follows another one.

        OpenSSL prefers the list with the later `thisUpdate` and knows no fractions of a second, so that of a new list
        is always later than that of the one before.
        """
        begins = _now() - _BACKDATED
        number = 1
        if before is not None:
            begins = max(begins, before.last_update_utc + _SECOND)
            number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(begins)
            .next_update(begins + dt.timedelta(days=CRL_DAYS))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for certificate in revoked:
            builder = builder.add_revoked_certificate(certificate)
        return builder.sign(self.key, hashes.SHA256())


def new_key() -> Key:
    """A P-256 key: works end to end with Orthanc, DCMTK, nginx, PostgreSQL and Python (FACTS 2)."""
    return ec.generate_private_key(ec.SECP256R1())


def new_authority(lab: str) -> Authority:
    """A lab's self-signed CA.

    FACTS 2: Python 3.13 insists on critical basicConstraints and keyUsage (keyCertSign).
    """
    key = new_key()
    public = key.public_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "pacslab (synthetic, for a lab only)"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"lab CA of {lab}"),
        ],
    )
    begins = _now() - _BACKDATED
    certificate = (
        _begin(name, name, public, begins, begins + dt.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def says(certificate: x509.Certificate, profile: Profile) -> bool:
    """Whether a certificate still says what a node is: name, zone, AE title, address and roles."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return certificate.subject == profile.subject and names == profile.names and tuple(usages) == profile.usages


def issued(authority: Authority, certificate: x509.Certificate) -> bool:
    """Whether a certificate is this CA's, and not only one of the same name."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def signed(authority: Authority, crl: x509.CertificateRevocationList) -> bool:
    """Whether a revocation list is this CA's."""
    return crl.is_signature_valid(authority.key.public_key())


def pem(signed: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """A certificate, or a list of revoked ones, as PEM."""
    return signed.public_bytes(serialization.Encoding.PEM)


def key_pem(key: Key) -> bytes:
    """A private key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(pem: bytes) -> Key:
    """Read what `key_pem` wrote.

    Raises:
        ValueError: It is something else.
    """
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"not an elliptic-curve key but {type(key).__name__}")
    return key


def _now() -> dt.datetime:
    """The time in whole seconds, as certificates have it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, begins: dt.datetime, ends: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )
