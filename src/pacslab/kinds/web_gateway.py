"""An nginx front: TLS with client certificates, and for each of their names only what its own conduits name."""

from __future__ import annotations

from pacslab.kinds.dicomweb import expression, requests
from pacslab.kinds.kind import MIB, Kind, Parts, Seat, SettingSpec, port, tls_files
from pacslab.kinds.orthanc import gateway_login
from pacslab.model.dicom import Application, Operation
from pacslab.model.lab import Node, Service
from pacslab.model.plan import File, Flow

# Orthanc keeps a whole request in memory, some times over; its container has 1 GiB. A larger one is answered 413.
STORE_MAX_BODY = "256m"
_NO_BODY = "4k"

_READING = frozenset({Operation.QIDO_RS, Operation.WADO_RS})

# RFC 4514 2.4: type=value; a comma, plus sign or backslash of the value is escaped. nginx halves backslashes itself.
_RDN = r"[A-Za-z.0-9]+=(?:[^,+\\\\]|\\\\.)*"

_VIEWER = "/usr/share/pacslab/viewer"

_READER_MAP = """\
  # Who may search and retrieve may have the pages that do it in a browser.
  map "$node $remote_addr $request_method $request_uri" $reader {{
    default 0;
{readers}  }}
"""

_VIEWER_LOCATION = f"""\
    location /viewer/ {{
      if ($reader = 0) {{ return 403; }}
      alias {_VIEWER}/;
      index index.html;
      include {_VIEWER}/headers.conf;
    }}
    location = /viewer/headers.conf {{ return 404; }}
"""

_CONF = """\
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
  log_format cause '$remote_addr node="$node" "$request" $status $body_bytes_sent bytes $request_time s'
                   ' named=$named certificate="$ssl_client_verify $ssl_client_s_dn"';
  access_log /dev/stdout cause;
  include /etc/nginx/mime.types;
  server_tokens off;
  client_body_temp_path /tmp/nginx-body;
  proxy_temp_path /tmp/nginx-proxy;
  fastcgi_temp_path /tmp/nginx-fastcgi;
  uwsgi_temp_path /tmp/nginx-uwsgi;
  scgi_temp_path /tmp/nginx-scgi;
  # Who is slow, large or many is cut off before the archive hears of it.
  client_max_body_size {max_body};
  client_header_buffer_size 2k;
  large_client_header_buffers 4 8k;
  client_header_timeout 10s;
  client_body_timeout 10s;
  send_timeout 30s;
  keepalive_timeout 30s;
  reset_timedout_connection on;
  limit_conn_zone $binary_remote_addr zone=callers:1m;
  limit_conn callers 64;
  limit_conn_status 429;
  # The common name of the certificate's subject.
  map $ssl_client_s_dn $node {{
    default "";
    "~^(?:{rdn},)*CN=(?<common>[a-z0-9-]+)(?:,{rdn})*$" $common;
  }}
  # "NODE ADDRESS METHOD target" -> 1 where a conduit from that node names that operation. The target is the one that
  # was sent, not what nginx makes of it: no percent-encoding, no dot segment, no doubled slash fits.
  map "$node $remote_addr $request_method $request_uri" $named {{
    default 0;
{named}  }}
{reader_map}  upstream archive {{
    server {backend};
    keepalive 4;
  }}
  server {{
    listen {port} ssl;
    server_name {name};
    ssl_certificate /etc/pacslab/tls/certificate.pem;
    ssl_certificate_key /etc/pacslab/tls/key.pem;
    ssl_client_certificate /etc/pacslab/tls/ca.pem;
    ssl_crl /etc/pacslab/tls/crl.pem;
    ssl_verify_client on;
    ssl_verify_depth 1;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384;
    ssl_session_tickets off;
    add_header X-Content-Type-Options nosniff always;
    location / {{ return 404; }}
    location /dicom-web/ {{
      if ($named = 0) {{ return 403; }}
      proxy_pass http://archive$uri$is_args$args;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header Forwarded "for=$remote_addr;proto=https;host=$host";
      proxy_set_header Authorization "Basic {login}";
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_connect_timeout 5s;
      proxy_read_timeout 120s;
    }}
{viewer}  }}
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
    flows = seat.reached_by(Application.HTTPS)
    readers = [flow for flow in flows if set(flow.operations) >= _READING] if _has_viewer(seat.node) else []
    stores = any(Operation.STOW_RS in flow.operations for flow in flows)
    return _CONF.format(
        name=seat.node.name,
        rdn=_RDN,
        named="".join(_named(flow) for flow in flows),
        max_body=STORE_MAX_BODY if stores else _NO_BODY,
        port=seat.port("https"),
        backend=f"{backend.address}:{port(backend, [Application.HTTP], 8042)}" if backend else "127.0.0.1:8042",
        login=gateway_login(seat.node.name),
        reader_map=_READER_MAP.format(readers="".join(_reader(flow) for flow in readers)) if readers else "",
        viewer=_VIEWER_LOCATION if readers else "",
    )


def _named(flow: Flow) -> str:
    """One line of the map for each request that makes up a conduit's operations, for its source alone."""
    return "".join(f'    "~^{_who(flow)} {expression(request)}$" 1;\n' for request in requests(flow.operations))


def _reader(flow: Flow) -> str:
    return f'    "~^{_who(flow)} GET /viewer/(?:[a-zA-Z0-9-]+[/.])*[a-zA-Z0-9-]*$" 1;\n'


def _who(flow: Flow) -> str:
    return f"{flow.source} {str(flow.source_address).replace('.', '[.]')}"


def _has_viewer(node: Node) -> bool:
    return node.setting("viewer") == ("true",)


KIND = Kind(
    name="web-gateway",
    title="web front (nginx)",
    image="web-gateway",
    services=lambda _: (Service("https", Application.HTTPS, 443),),
    parts=_parts,
    takes_up_tls=("sh", "-c", _RELOAD),
    settings=(
        SettingSpec("backend", "the archive it stands in front of", required=True, names_node=True, example="pacs"),
        SettingSpec(
            "viewer",
            "pages at /viewer/ in which whoever may search and retrieve can look at images",
            choices=("true", "false"),
            example="true",
        ),
    ),
)
