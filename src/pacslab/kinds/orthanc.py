"""An Orthanc archive, configured from the policy: each peer gets exactly the operations of its conduits."""

from __future__ import annotations

import json
from typing import Any

from pacslab.kinds.database import role
from pacslab.kinds.device import device
from pacslab.kinds.dicomweb import ROOT
from pacslab.kinds.kind import DICOM_TLS, MIB, Kind, Parts, Seat, SettingSpec, json_file, password, port, tls_files
from pacslab.kinds.orthanc_filter import LUA_FILE, http_filter
from pacslab.model import codec
from pacslab.model.device import DEVICE_FILE, FORWARDED, ORTHANC_FILE, TLS_CA, TLS_CERTIFICATE, TLS_CRL, TLS_KEY
from pacslab.model.dicom import DIMSE_APPLICATIONS, Application, Operation
from pacslab.model.lab import Node, Service
from pacslab.model.plan import File, Flow, Material, MaterialKind

_PLUGINS = "/usr/share/orthanc/plugins"
_OPERATOR = "pacslab"  # the node's own `device` command, from inside the node only
STABLE_AGE_S = 2

# libpq 32.1.2: the server must show the lab CA's certificate for its own address; this archive shows its own.
_DATABASE_OPTIONS = {
    "sslmode": "verify-full",
    "sslrootcert": TLS_CA,
    "sslcrl": TLS_CRL,
    "sslcert": TLS_CERTIFICATE,
    "sslkey": TLS_KEY,
    "ssl_min_protocol_version": "TLSv1.2",
    "connect_timeout": "2",
}

# PS3.15 B.12 (BCP 195): ephemeral keys and AES-GCM only. FACTS 1.2: what is not said leaves TLS 1.0 open.
_TLS_1_2 = 4
_CIPHERS = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)

# FACTS 1.5: every flag defaults to true, so every flag is written.
_FLAGS = {
    "AllowEcho": Operation.C_ECHO,
    "AllowStore": Operation.C_STORE,
    "AllowFind": Operation.C_FIND,
    "AllowFindWorklist": Operation.C_FIND_MWL,
    "AllowMove": Operation.C_MOVE,
    "AllowGet": Operation.C_GET,
    "AllowStorageCommitment": Operation.N_ACTION_STGCMT,
}


def _services(node: Node) -> tuple[Service, ...]:
    dicom = (DICOM_TLS,) if node.ae_title else ()
    return (*dicom, Service("http", Application.HTTP, 8042))


def gateway_login(gateway: str) -> str:
    """The token of the Basic credentials with which a web gateway enters an archive."""
    return Material(MaterialKind.BASIC_LOGIN, f"gateway/{gateway}").token


def _parts(seat: Seat) -> Parts:
    return Parts(
        files=(
            json_file(ORTHANC_FILE, configuration(seat), mode=0o400),
            json_file(
                "/etc/pacslab/rest.json",
                {"user": _OPERATOR, "password": password(f"rest/{seat.node.name}")},
                mode=0o400,
            ),
            File(DEVICE_FILE, json.dumps(codec.encode(device(seat)), indent=2) + "\n"),
            File(LUA_FILE, http_filter(seat.reached_by(Application.HTTP), _OPERATOR)),
            *(tls_files(seat.node) if seat.speaks_tls else ()),
        ),
        command=("device", "serve"),  # runs Orthanc, and forwards what is complete
        keeps_data=True,
        memory_bytes=1024 * MIB,
    )


def configuration(seat: Seat) -> dict[str, Any]:
    """Orthanc's configuration as strict as FACTS 1 says it must be written."""
    node = seat.node
    dicom = next((service for service in node.services if service.application in DIMSE_APPLICATIONS), None)
    gateways = sorted({flow.source for flow in seat.reached_by(Application.HTTP)})
    return {
        "Name": node.name,
        "StorageDirectory": "/var/lib/pacslab/orthanc",
        "IndexDirectory": "/var/lib/pacslab/orthanc",
        "Plugins": _plugins(seat),
        "LuaScripts": [LUA_FILE],
        "HttpServerEnabled": True,
        "HttpPort": seat.port("http"),
        "RemoteAccessAllowed": bool(gateways),
        # FACTS 1.9: without users of our own, Orthanc makes the login orthanc:orthanc.
        "AuthenticationEnabled": True,
        "RegisteredUsers": {
            _OPERATOR: password(f"rest/{node.name}"),
            **{gateway: password(f"gateway/{gateway}") for gateway in gateways},
        },
        "SslEnabled": False,  # FACTS 1.1: TLS for HTTP is nginx's work
        "WebDavEnabled": False,
        "OrthancExplorerEnabled": False,
        "ExecuteLuaEnabled": False,
        "RestApiWriteToFileSystemEnabled": False,
        "OverwriteInstances": False,
        "StableAge": STABLE_AGE_S,
        "UserMetadata": {FORWARDED: 5001},
        "DicomServerEnabled": dicom is not None,
        "DicomAet": node.ae_title or "NONE",
        "DicomPort": dicom.port if dicom else DICOM_TLS.port,
        **_tls(seat, dicom),
        "DicomCheckCalledAet": True,
        "DicomCheckModalityHost": True,
        "StrictAetComparison": True,
        **{f"DicomAlwaysAllow{name}": False for name in ("Echo", "Store", "Find", "FindWorklist", "Get", "Move")},
        "UnknownSopClassAccepted": False,
        "DicomScpTimeout": 30,
        "DicomScuTimeout": 10,
        "MaximumPduLength": 131072,
        "DicomModalitiesInDatabase": False,
        "DicomModalities": {peer.name: _modality(seat, peer) for peer in seat.peers if _speaks_dicom(seat, peer)},
        "SaveJobs": True,
        "JobsHistorySize": 100,
        # Each destination that is down may hold one, and a workstation's delivery must not wait for that.
        "ConcurrentJobs": 2 + len(seat.named("forward")),
        **_database(seat),
        "DicomWeb": _dicomweb(seat),
        # libcurl, for what this archive opens itself: the server must show a certificate of the lab's CA with its name.
        "HttpsVerifyPeers": True,
        "HttpsCACertificates": TLS_CA,
        "HttpTimeout": 60,
    }


def _tls(seat: Seat, dicom: Service | None) -> dict[str, Any]:
    """How this archive answers and calls over TLS: both sides show a certificate of the lab's CA."""
    if not seat.speaks_tls:
        return {}
    return {
        "DicomTlsEnabled": dicom is not None and dicom.application is Application.DICOM_TLS,
        "DicomTlsCertificate": TLS_CERTIFICATE,
        "DicomTlsPrivateKey": TLS_KEY,
        "DicomTlsTrustedCertificates": TLS_CA,
        "DicomTlsRemoteCertificateRequired": True,
        "DicomTlsMinimumProtocolVersion": _TLS_1_2,
        "DicomTlsCiphersAccepted": list(_CIPHERS),
    }


def _speaks_dicom(seat: Seat, peer: Node) -> bool:
    flows = (*seat.incoming, *seat.outgoing)
    return any(f.application in DIMSE_APPLICATIONS and peer.name in {f.source, f.destination} for f in flows)


def _modality(seat: Seat, peer: Node) -> dict[str, Any]:
    asked = seat.asked_by(peer)
    return {
        "AET": peer.ae_title,
        "Host": str(peer.address),
        "Port": port(peer, DIMSE_APPLICATIONS, DICOM_TLS.port),
        "UseDicomTls": any(service.application is Application.DICOM_TLS for service in peer.services),
        "Manufacturer": "Generic",
        **{flag: operation in asked for flag, operation in _FLAGS.items()},
        "AllowTranscoding": False,
    }


def _dicomweb(seat: Seat) -> dict[str, Any]:
    """The plugin as a server behind gateways, and as a client of the web fronts that this archive forwards to."""
    return {
        "Enable": _speaks_dicomweb(seat),
        "Root": f"{ROOT}/",
        "EnableWado": False,
        "Servers": {flow.destination: _web_server(flow) for flow in seat.reaches(Application.HTTPS)},
    }


def _speaks_dicomweb(seat: Seat) -> bool:
    return bool(seat.reached_by(Application.HTTP) or seat.reaches(Application.HTTPS))


def _web_server(flow: Flow) -> dict[str, Any]:
    return {
        "Url": f"https://{flow.destination}:{flow.port}{ROOT}/",
        "CertificateFile": TLS_CERTIFICATE,
        "CertificateKeyFile": TLS_KEY,
        "HasDelete": False,
        "ChunkedTransfers": True,
        "Timeout": 60,
    }


def _plugins(seat: Seat) -> list[str]:
    web = ["libOrthancDicomWeb.so"] if _speaks_dicomweb(seat) else []
    index = ["libOrthancPostgreSQLIndex.so"] if seat.named("database") else []
    return [f"{_PLUGINS}/{name}" for name in (*web, *index)]


def _database(seat: Seat) -> dict[str, Any]:
    for database in seat.named("database"):
        host, number = str(database.address), port(database, [Application.POSTGRES], 5432)
        name = role(seat.node.name)
        login = f"{name}:{password(f'database/{seat.node.name}')}"
        options = "&".join(f"{key}={value}" for key, value in _DATABASE_OPTIONS.items())
        return {
            "PostgreSQL": {
                "EnableIndex": True,
                "EnableStorage": False,
                "Host": host,  # for `device serve`; the plugin goes by the URI
                "Port": number,
                "ConnectionUri": f"postgresql://{login}@{host}:{number}/{name}?{options}",
                # A database that restarts is waited for; one that is away makes the archive say so to who asks of it,
                # before they lose patience. The archive starts when the database answers (`device serve`).
                "MaximumConnectionRetries": 1,
                "ConnectionRetryInterval": 1,
            },
        }
    return {}


KIND = Kind(
    name="orthanc",
    title="archive (Orthanc)",
    image="orthanc",
    services=_services,
    parts=_parts,
    settings=(
        SettingSpec("database", "the PostgreSQL server that holds its index", names_node=True, example="pacs-db"),
        SettingSpec(
            "forward",
            "archives and web fronts of archives that get every complete study",
            many=True,
            names_node=True,
            example="[archive/vna]",
        ),
    ),
    takes_ae_title=True,
    fixed_ports=frozenset({"http"}),  # the node's own `device` command asks it there
    takes_up_tls=("device", "reset"),
    checks_revocation=False,  # FACTS 1.7
    attempts=frozenset({Operation.C_ECHO, Operation.C_STORE, Operation.C_FIND, Operation.C_GET}),
)
