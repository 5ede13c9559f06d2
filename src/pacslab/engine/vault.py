"""Materials of a plan -> their values: passwords, certificates and keys, made once and kept in the lab's state."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from pacslab.engine import pki
from pacslab.engine.certificates import Certificates
from pacslab.engine.state import State
from pacslab.model.plan import Container, File, Material, MaterialKind, Plan

_TOKEN = re.compile(r"\{\{pacslab:([a-z-]+):([a-z0-9/-]+)\}\}")


class Vault:
    """The secrets of one lab. Not for several threads: fill files first, then share them."""

    def __init__(self, state: State, plan: Plan) -> None:
        self._state = state
        self._certificates = Certificates(state, plan)
        self._secrets: dict[str, str] = json.loads(state.read("secrets.json") or b"{}")
        self._dirty = False

    @property
    def id(self) -> str:
        """Names this vault without telling anything: containers filled from another one are out of date."""
        return self._secret("vault")

    def fill(self, container: Container) -> tuple[tuple[File, bytes], ...]:
        """A container's files with every token replaced by its value."""
        return self.filled(container.files)

    def filled(self, files: Iterable[File]) -> tuple[tuple[File, bytes], ...]:
        """Files with every token replaced by its value."""
        filled = tuple((file, self._text(file.text).encode()) for file in files)
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
                return pki.pem(self._certificates.authority.certificate).decode()
            case MaterialKind.CRL:
                return pki.pem(self._certificates.revocations()).decode()
            case MaterialKind.CERTIFICATE:
                chain = (self._certificates.of(name).certificate, self._certificates.authority.certificate)
                return "".join(pki.pem(certificate).decode() for certificate in chain)
            case MaterialKind.CERTIFICATE_KEY:
                return pki.key_pem(self._certificates.of(name).key).decode()
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
