"""The lab's certificate authority: a node -> its key and its certificate, clean under strict X.509 checking."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pacslab.model.plan import PlannedNode

CA_DAYS = 365
LEAF_DAYS = 90
_BACKDATED = dt.timedelta(minutes=5)  # a node's clock may be a little behind


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key: works end to end with Orthanc, DCMTK, nginx, PostgreSQL and Python (FACTS 2)."""
    return ec.generate_private_key(ec.SECP256R1())


def ca_certificate(lab: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The lab's self-signed CA.

    FACTS 2: Python 3.13 insists on critical basicConstraints and keyUsage (keyCertSign).
    """
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "pacslab (synthetic, for a lab only)"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"lab CA of {lab}"),
        ],
    )
    public = key.public_key()
    return (
        _begin(name, name, public, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def node_certificate(
    node: PlannedNode, key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """A node's certificate: subject with name and AE title, SAN with name and address, server and client use."""
    attributes = [
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, node.zone),
        x509.NameAttribute(NameOID.COMMON_NAME, node.name),
    ]
    if node.ae_title:
        attributes.append(x509.NameAttribute(NameOID.TITLE, node.ae_title))
    return (
        _begin(x509.Name(attributes), ca.subject, key.public_key(), LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(node.name), x509.IPAddress(node.address)]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=days))
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
