"""A PostgreSQL server with one role and one database for each archive that may reach it, over TLS."""

from __future__ import annotations

from pacslab.kinds.kind import Kind, Parts, Seat, password, tls_files
from pacslab.model.dicom import Application
from pacslab.model.lab import Service
from pacslab.model.plan import File, Flow

_CONF = """\
listen_addresses = '*'
port = 5432
unix_socket_directories = '/tmp'
max_connections = 60
shared_buffers = 64MB
password_encryption = 'scram-sha-256'
ssl = on
ssl_cert_file = '/etc/pacslab/tls/certificate.pem'
ssl_key_file = '/etc/pacslab/tls/key.pem'
ssl_ca_file = '/etc/pacslab/tls/ca.pem'
ssl_min_protocol_version = 'TLSv1.2'
log_connections = on
log_destination = 'stderr'
"""


def role(archive: str) -> str:
    """The role, and the database, of an archive: its name in SQL's spelling."""
    return archive.replace("-", "_")


def _parts(seat: Seat) -> Parts:
    flows = seat.reached_by(Application.POSTGRES)
    return Parts(
        files=(
            File("/etc/pacslab/postgresql.conf", _CONF),
            File("/etc/pacslab/pg_hba.conf", "".join(_hba(flow) for flow in flows) + "host all all all reject\n"),
            File("/etc/pacslab/init.sql", "".join(_init(flow) for flow in flows), 0o400),
            *tls_files(seat.node),
        ),
    )


def _hba(flow: Flow) -> str:
    name = role(flow.source)
    return f"hostssl {name} {name} {flow.source_address}/32 scram-sha-256\n"


def _init(flow: Flow) -> str:
    name = role(flow.source)
    secret = password(f"database/{flow.source}")
    return (
        f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{secret}';\n"
        f"CREATE DATABASE {name} OWNER {name};\n"
    )


KIND = Kind(
    name="database",
    title="PostgreSQL",
    image="database",
    services=lambda _: (Service("postgres", Application.POSTGRES, 5432),),
    parts=_parts,
)
