"""An nginx front: TLS with client certificates, and only the DICOMweb verbs and paths its conduits name."""

from __future__ import annotations

from pacslab.kinds.kind import MIB, Kind, Parts, Seat, SettingSpec, port, tls_files
from pacslab.kinds.orthanc import gateway_login
from pacslab.model.dicom import Application, Operation
from pacslab.model.lab import Node, Service
from pacslab.model.plan import File

# PS3.18 8.6, 10.4-10.6: what each transaction may look like.
_UID = "[0-9.]{1,64}"
_STUDY = f"/dicom-web/studies/{_UID}"
_SERIES = f"{_STUDY}/series/{_UID}"
_INSTANCE = f"{_SERIES}/instances/{_UID}"
_SEARCHES = f"/dicom-web/(studies|series|instances)|{_STUDY}/(series|instances)|{_SERIES}/instances"
_RETRIEVALS = (
    f"({_STUDY}|{_SERIES}|{_INSTANCE})(/metadata|/rendered)?"
    f"|{_INSTANCE}/frames/[0-9,]{{1,256}}(/rendered)?|{_INSTANCE}/bulk/[0-9a-f/]+"
)
_PATHS = {
    Operation.QIDO_RS: ("GET", f"({_SEARCHES})"),
    Operation.WADO_RS: ("GET", f"({_RETRIEVALS})"),
    Operation.STOW_RS: ("POST", f"/dicom-web/studies(/{_UID})?"),
}

_CONF = """\
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
  log_format pacslab '$remote_addr "$ssl_client_s_dn" $ssl_client_verify [$time_local] "$request" $status '
                     '$body_bytes_sent';
  access_log /dev/stdout pacslab;
  server_tokens off;
  client_body_temp_path /tmp/nginx-body;
  proxy_temp_path /tmp/nginx-proxy;
  fastcgi_temp_path /tmp/nginx-fastcgi;
  uwsgi_temp_path /tmp/nginx-uwsgi;
  scgi_temp_path /tmp/nginx-scgi;
  client_max_body_size 2g;
  client_header_timeout 10s;
  keepalive_timeout 30s;
  # "METHOD path" -> 1 where a conduit names that operation; everything else is refused.
  map "$request_method $uri" $named {{
    default 0;
{named}  }}
  server {{
    listen {port} ssl;
    server_name {name};
    ssl_certificate /etc/pacslab/tls/certificate.pem;
    ssl_certificate_key /etc/pacslab/tls/key.pem;
    ssl_client_certificate /etc/pacslab/tls/ca.pem;
    ssl_crl /etc/pacslab/tls/crl.pem;
    ssl_verify_client on;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384;
    ssl_session_tickets off;
    add_header X-Content-Type-Options nosniff always;
    location / {{ return 404; }}
    location /dicom-web/ {{
      if ($named = 0) {{ return 403; }}
      proxy_pass http://{backend};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Forwarded "for=$remote_addr;proto=https;host=$host";
      proxy_set_header Authorization "Basic {login}";
      proxy_request_buffering off;
    }}
  }}
}}
"""


# Wait until no worker with the old certificate and revocation list takes new connections.
_RELOAD = """\
before=$(grep -ls '^nginx: worker process' /proc/[0-9]*/cmdline)
nginx -e stderr -c /etc/pacslab/nginx.conf -s reload || exit 1
for tries in $(seq 100); do
  waiting=0
  for worker in $before; do
    if [ -e "$worker" ] && ! grep -qs 'shutting down' "$worker"; then waiting=1; fi
  done
  [ $waiting = 0 ] && exit 0
  sleep 0.05
done
echo 'nginx: old workers go on' >&2
exit 1
"""


def _parts(seat: Seat) -> Parts:
    (backend,) = seat.named("backend") or (None,)
    return Parts(
        files=(File("/etc/pacslab/nginx.conf", _conf(seat, backend), 0o400), *tls_files(seat.node)),
        memory_bytes=256 * MIB,
    )


def _conf(seat: Seat, backend: Node | None) -> str:
    operations = {op for flow in seat.reached_by(Application.HTTPS) for op in flow.operations}
    named = "".join(f'    "~^{_PATHS[op][0]} {_PATHS[op][1]}$" 1;\n' for op in Operation if op in operations)
    return _CONF.format(
        name=seat.node.name,
        named=named,
        port=seat.port("https"),
        backend=f"{backend.address}:{port(backend, [Application.HTTP], 8042)}" if backend else "127.0.0.1:8042",
        login=gateway_login(seat.node.name),
    )


KIND = Kind(
    name="web-gateway",
    title="web front (nginx)",
    image="web-gateway",
    services=lambda _: (Service("https", Application.HTTPS, 443),),
    parts=_parts,
    takes_up_tls=("sh", "-c", _RELOAD),
    settings=(
        SettingSpec("backend", "the archive it stands in front of", required=True, names_node=True, example="pacs"),
    ),
)
