"""A web front lets through exactly the DICOMweb verbs and paths that its conduits name."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from pacslab.compiler.compile import compile_lab
from pacslab.model.dicom import Operation
from pacslab.model.lab import Lab

FileText = Callable[[str, str], str]
STUDY = "/dicom-web/studies/1.2.840.1"
SERIES = f"{STUDY}/series/1.2.3"
INSTANCE = f"{SERIES}/instances/1.2.3.4"

SEARCH = [  # PS3.18 10.6
    "GET /dicom-web/studies",
    "GET /dicom-web/series",
    "GET /dicom-web/instances",
    f"GET {STUDY}/series",
    f"GET {STUDY}/instances",
    f"GET {SERIES}/instances",
]
RETRIEVE = [  # PS3.18 10.4
    f"GET {STUDY}",
    f"GET {STUDY}/metadata",
    f"GET {STUDY}/rendered",
    f"GET {SERIES}",
    f"GET {SERIES}/metadata",
    f"GET {INSTANCE}",
    f"GET {INSTANCE}/metadata",
    f"GET {INSTANCE}/rendered",
    f"GET {INSTANCE}/frames/1",
    f"GET {INSTANCE}/frames/1,2,3",
    f"GET {INSTANCE}/frames/1/rendered",
    f"GET {INSTANCE}/bulk/7fe00010",
]
STORE = ["POST /dicom-web/studies", f"POST {STUDY}"]  # PS3.18 10.5
NEVER = [
    "",
    "GET",
    "GET /",
    "GET /dicom-web",
    "GET /dicom-web/",
    "GET /dicom-web/servers",
    "GET /dicom-web/studies/",
    "GET /dicom-web/studies/*",
    "GET /dicom-web/studies/1.2.x",
    f"GET /dicom-web/studies/{'1' * 65}",
    "GET /dicom-web/studies/1.2/../../../instances",
    "GET /dicom-web/studies/../servers",
    "GET /dicom-web/studies/1.2/series/../../../system",
    "GET /dicom-web/studies/%2e%2e/servers",
    "GET /dicom-web/studies/1.2\n",
    "GET /dicom-web/studies\n",
    "GET /dicom-web/studies\nX",
    "GET /x/dicom-web/studies",
    "GET //dicom-web/studies",
    "GET /instances",
    "GET /system",
    "GET /tools/execute-script",
    "GET /wado",
    "HEAD /dicom-web/studies",
    "PUT /dicom-web/studies",
    "OPTIONS /dicom-web/studies",
    "TRACE /dicom-web/studies",
    f"DELETE {STUDY}",
    f"DELETE {INSTANCE}",
    f"POST {SERIES}",
    "POST /dicom-web/studies/",
    "POST /dicom-web/studies/1.2\n",
    "POST /dicom-web/servers",
    "POST /tools/reset",
    "get /dicom-web/studies",
    f"XGET {STUDY}",
    f"GET {INSTANCE}/frames/",
    f"GET {INSTANCE}/bulk/../../x",
]


def _lets_through(conf: str) -> Callable[[str], bool]:
    """What nginx's map does: the first expression that is found in "METHOD path"."""
    (block,) = re.findall(r"map \"\$request_method \$uri\" \$named \{\n(.*?)\n  \}", conf, re.DOTALL)
    lines = [line.strip() for line in block.splitlines()]
    assert lines[0] == "default 0;"
    expressions = []
    for line in lines[1:]:
        (text,) = re.findall(r'^"~(.*)" 1;$', line)
        assert text.startswith("^")
        assert text.endswith("$")
        # nginx's `$` is the very end, Python's allows a newline after it (seen with nginx 1.26.3).
        expressions.append(re.compile(text.removesuffix("$") + r"\Z"))
    return lambda request: any(expression.search(request) for expression in expressions)


@pytest.mark.parametrize(("node", "named"), [("pacs-web", SEARCH + RETRIEVE), ("cloud-web", SEARCH + RETRIEVE + STORE)])
def test_what_the_reference_lab_lets_through(node: str, named: list[str], file: FileText) -> None:
    lets = _lets_through(file(node, "/etc/pacslab/nginx.conf"))
    everything = SEARCH + RETRIEVE + STORE + NEVER
    assert [request for request in everything if lets(request)] == named


def _only(lab: Lab, operations: tuple[Operation, ...]) -> str:
    """The configuration of pacs-web if `read-web` named these operations."""
    zones = tuple(
        replace(
            zone,
            conduits=tuple(
                replace(conduit, operations=operations) if conduit.id == "read-web" else conduit
                for conduit in zone.conduits
            ),
        )
        for zone in lab.zones
    )
    (container,) = (c for c in compile_lab(replace(lab, zones=zones)).containers if c.node == "pacs-web")
    (text,) = (f.text for f in container.files if f.path == "/etc/pacslab/nginx.conf")
    return text


@pytest.mark.parametrize(
    ("operations", "named"),
    [
        ((), []),
        ((Operation.QIDO_RS,), SEARCH),
        ((Operation.WADO_RS,), RETRIEVE),
        ((Operation.STOW_RS,), STORE),
        ((Operation.STOW_RS, Operation.QIDO_RS), SEARCH + STORE),
    ],
)
def test_each_operation_opens_its_own_paths_only(
    operations: tuple[Operation, ...], named: list[str], reference_lab: Lab
) -> None:
    lets = _lets_through(_only(reference_lab, operations))
    assert [request for request in SEARCH + RETRIEVE + STORE + NEVER if lets(request)] == named


def test_visitors_show_a_certificate_and_the_backend_hears_of_no_other_login(file: FileText) -> None:
    conf = file("pacs-web", "/etc/pacslab/nginx.conf")
    for line in (
        "ssl_verify_client on;",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "location / { return 404; }",
        "if ($named = 0) { return 403; }",
        "proxy_pass http://198.18.20.10:8042;",
        'proxy_set_header Authorization "Basic {{pacslab:basic-login:gateway/pacs-web}}";',
    ):
        assert line in conf
