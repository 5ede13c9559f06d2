"""A PostgreSQL server with one role and one database for each archive that may reach it, over TLS."""

from __future__ import annotations

from pacslab.kinds.kind import Kind, Parts, Seat, password, tls_files
from pacslab.model.dicom import Application
from pacslab.model.lab import Service
from pacslab.model.plan import File, Flow

_CONF = """\
listen_addresses = '*'
port = {port}
unix_socket_directories = '/tmp'
max_connections = 60
shared_buffers = 64MB
password_encryption = 'scram-sha-256'
ssl = on
ssl_cert_file = '/etc/pacslab/tls/certificate.pem'
ssl_key_file = '/etc/pacslab/tls/key.pem'
ssl_ca_file = '/etc/pacslab/tls/ca.pem'
ssl_crl_file = '/etc/pacslab/tls/crl.pem'
ssl_min_protocol_version = 'TLSv1.2'
# An archive that died holds its lock on the index until the server notices: seconds, not the kernel's two hours.
tcp_keepalives_idle = 2
tcp_keepalives_interval = 1
tcp_keepalives_count = 3
log_connections = on
log_destination = 'stderr'
"""


# Applied again whenever it changes, so each statement says what shall be, not what shall be done.
_INIT = """\
SELECT 'CREATE ROLE "{name}"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')\\gexec
ALTER ROLE "{name}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{secret}';
SELECT 'CREATE DATABASE "{name}" OWNER "{name}"'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')\\gexec
"""


def role(archive: str) -> str:
    """The role, and the database, of an archive: its own name, as its certificate must say it (pg_hba.conf)."""
    return archive


def _parts(seat: Seat) -> Parts:
    flows = seat.reached_by(Application.POSTGRES)
    return Parts(
        files=(
            File("/etc/pacslab/postgresql.conf", _CONF.format(port=seat.port("postgres"))),
            File("/etc/pacslab/pg_hba.conf", "".join(_hba(flow) for flow in flows) + "host all all all reject\n"),
            File("/etc/pacslab/init.sql", "".join(_init(flow) for flow in flows), 0o400),
            *tls_files(seat.node),
        ),
        keeps_data=True,
    )


def _hba(flow: Flow) -> str:
    name = role(flow.source)
    return f"hostssl {name} {name} {flow.source_address}/32 scram-sha-256 clientcert=verify-full\n"


def _init(flow: Flow) -> str:
    name = role(flow.source)
    secret = password(f"database/{flow.source}")
    return _INIT.format(name=name, secret=secret)


KIND = Kind(
    name="database",
    title="PostgreSQL",
    image="database",
    services=lambda _: (Service("postgres", Application.POSTGRES, 5432),),
    parts=_parts,
    takes_up_tls=("pg_ctl", "reload", "--silent"),
)
