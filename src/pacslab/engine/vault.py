"""Materials of a plan -> their values: passwords, certificates and keys, made once and kept in the lab's state."""

from __future__ import annotations

import base64
import json
import re
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pacslab.engine import pki
from pacslab.engine.state import State
from pacslab.model.plan import Container, File, Material, MaterialKind, Plan

_TOKEN = re.compile(r"\{\{pacslab:([a-z-]+):([a-z0-9/-]+)\}\}")


class Vault:
    """The secrets of one lab. Not for several threads: fill files first, then share them."""

    def __init__(self, state: State, plan: Plan) -> None:
        self._state = state
        self._plan = plan
        self._secrets: dict[str, str] = json.loads(state.read("secrets.json") or b"{}")
        self._dirty = False

    @property
    def id(self) -> str:
        """Names this vault without telling anything: containers filled from another one are out of date."""
        return self._secret("vault")

    def fill(self, container: Container) -> tuple[tuple[File, bytes], ...]:
        """A container's files with every token replaced by its value."""
        filled = tuple((file, self._text(file.text).encode()) for file in container.files)
        self.keep()
        return filled

    def value(self, material: Material) -> str:
        """The value of one material; made if it is wanted for the first time."""
        name = material.name
        match material.kind:
            case MaterialKind.PASSWORD:
                return self._secret(name)
            case MaterialKind.BASIC_LOGIN:
                login = f"{name.rpartition('/')[2]}:{self._secret(name)}"
                return base64.b64encode(login.encode()).decode()
            case MaterialKind.CA_CERTIFICATE:
                return self._ca()[0].decode()
            case MaterialKind.CERTIFICATE:
                return (self._certificate(name)[0] + self._ca()[0]).decode()
            case MaterialKind.CERTIFICATE_KEY:
                return self._certificate(name)[1].decode()
            case MaterialKind.SSH_KEY:
                return self._ssh(name).decode()
            case MaterialKind.SSH_PUBLIC_KEY:
                return _ssh_public(self._ssh(name))

    def keep(self) -> None:
        """Write what was made since."""
        if self._dirty:
            self._state.write("secrets.json", json.dumps(self._secrets, indent=1, sort_keys=True).encode())
            self._dirty = False

    def _text(self, text: str) -> str:
        return _TOKEN.sub(lambda found: self.value(Material(MaterialKind(found[1]), found[2])), text)

    def _secret(self, name: str) -> str:
        if name not in self._secrets:
            self._secrets[name] = secrets.token_urlsafe(24)
            self._dirty = True
        return self._secrets[name]

    def _ca(self) -> tuple[bytes, bytes]:
        """The CA's certificate and key, as PEM."""
        kept = self._state.read("pki/ca.pem"), self._state.read("pki/ca.key")
        if kept[0] and kept[1]:
            return kept[0], kept[1]
        key = pki.new_key()
        pair = pki.certificate_pem(pki.ca_certificate(self._plan.lab, key)), pki.key_pem(key)
        self._state.write("pki/ca.key", pair[1])
        self._state.write("pki/ca.pem", pair[0], mode=0o644)
        return pair

    def _certificate(self, node: str) -> tuple[bytes, bytes]:
        """A node's certificate and key, as PEM."""
        kept = self._state.read(f"pki/{node}.pem"), self._state.read(f"pki/{node}.key")
        if kept[0] and kept[1]:
            return kept[0], kept[1]
        ca_pem, ca_key_pem = self._ca()
        ca_key = serialization.load_pem_private_key(ca_key_pem, None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise TypeError("the lab CA's key is not an elliptic-curve key")
        key = pki.new_key()
        ca = x509.load_pem_x509_certificate(ca_pem)
        certificate = pki.node_certificate(self._plan.node(node), key, ca, ca_key)
        pair = pki.certificate_pem(certificate), pki.key_pem(key)
        self._state.write(f"pki/{node}.key", pair[1])
        self._state.write(f"pki/{node}.pem", pair[0], mode=0o644)
        return pair

    def _ssh(self, name: str) -> bytes:
        """An ed25519 key in OpenSSH's format."""
        file = f"ssh/{name.replace('/', '-')}"
        kept = self._state.read(file)
        if kept:
            return kept
        key = ed25519.Ed25519PrivateKey.generate()
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        self._state.write(file, text)
        return text


def _ssh_public(private: bytes) -> str:
    key = serialization.load_ssh_private_key(private, None).public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
