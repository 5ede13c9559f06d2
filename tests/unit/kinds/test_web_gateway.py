"""A web front lets through exactly the DICOMweb verbs and paths that its conduits name."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.kinds.requests import EVERYTHING, RETRIEVE, SEARCH, STORE

from pacslab.compiler.compile import compile_lab
from pacslab.model.dicom import Operation
from pacslab.model.lab import Lab

FileText = Callable[[str, str], str]
Lets = Callable[[str, str, str], bool]
READER = ("reading-1", "198.18.50.12")
VNA = ("vna", "198.18.30.10")


def _lets_through(conf: str) -> Lets:
    """What nginx's map does: the first expression that is found in "NODE ADDRESS METHOD target"."""
    (block,) = re.findall(
        r"map \"\$node \$remote_addr \$request_method \$request_uri\" \$named \{\n(.*?)\n  \}", conf, re.DOTALL
    )
    lines = [line.strip() for line in block.splitlines()]
    assert lines[0] == "default 0;"
    expressions = []
    for line in lines[1:]:
        (text,) = re.findall(r'^"~(.*)" 1;$', line)
        assert text.startswith("^")
        assert text.endswith("$")
        # nginx's `$` is the very end, Python's allows a newline after it (seen with nginx 1.26.3).
        expressions.append(re.compile(text.removesuffix("$") + r"\Z"))
    return lambda node, address, request: any(e.search(f"{node} {address} {request}") for e in expressions)


@pytest.mark.parametrize(
    ("node", "caller", "named"),
    [("pacs-web", READER, SEARCH + RETRIEVE), ("cloud-web", VNA, SEARCH + RETRIEVE + STORE)],
)
def test_what_the_reference_lab_lets_through(
    node: str, caller: tuple[str, str], named: list[str], file: FileText
) -> None:
    lets = _lets_through(file(node, "/etc/pacslab/nginx.conf"))
    assert [request for request in EVERYTHING if lets(*caller, request)] == named


@pytest.mark.parametrize(
    "caller",
    [
        VNA,  # a certificate of the lab, and no conduit to this front
        ("", READER[1]),
        ("reading-1", "198.18.50.13"),  # the right name from another address
        ("reading-1", "198.18.50.120"),
        ("reading-10", READER[1]),
        ("xreading-1", READER[1]),
        ("pacs-web", READER[1]),
    ],
)
def test_a_certificate_of_the_lab_is_not_enough(caller: tuple[str, str], file: FileText) -> None:
    lets = _lets_through(file("pacs-web", "/etc/pacslab/nginx.conf"))
    assert [request for request in EVERYTHING if lets(*caller, request)] == []


@pytest.mark.parametrize(
    ("subject", "node"),
    [
        ("title=READ1,CN=reading-1,OU=clinical", "reading-1"),
        ("CN=pacs-web,OU=pacs-core", "pacs-web"),
        ("CN=vna", "vna"),
        (r"title=A\,CN=vna,CN=mr-1,OU=modality", "mr-1"),  # a comma inside an AE title
        (r"title=A\\\,CN=vna,CN=mr-1,OU=modality", "mr-1"),
        ("title=A+CN=vna,OU=x", None),  # two values in one name
        ("OU=CN=vna", None),
        ("CN=VNA,OU=archive", None),
        ("-", None),
    ],
)
def test_the_name_in_a_certificate_is_its_common_name(subject: str, node: str | None, file: FileText) -> None:
    conf = file("pacs-web", "/etc/pacslab/nginx.conf")
    (text,) = re.findall(r'\$node \{\n    default "";\n    "~(.*)" \$common;', conf)
    expression = text.replace("\\\\", "\\").replace("?<", "?P<")  # nginx halves backslashes between quotes
    found = re.search(expression, subject)
    assert (found["common"] if found else None) == node


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
    assert [request for request in EVERYTHING if lets(*READER, request)] == named


def test_visitors_show_a_certificate_and_the_backend_hears_of_no_other_login(file: FileText) -> None:
    conf = file("pacs-web", "/etc/pacslab/nginx.conf")
    for line in (
        "ssl_verify_client on;",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "location / { return 404; }",
        "if ($named = 0) { return 403; }",
        "server 198.18.20.10:8042;",
        "proxy_pass http://archive$uri$is_args$args;",
        'proxy_set_header Authorization "Basic {{pacslab:basic-login:gateway/pacs-web}}";',
    ):
        assert line in conf


@pytest.mark.parametrize(("node", "limit"), [("pacs-web", "4k"), ("cloud-web", "256m")])
def test_only_a_front_that_is_stored_to_takes_a_body(node: str, limit: str, file: FileText) -> None:
    assert f"client_max_body_size {limit};" in file(node, "/etc/pacslab/nginx.conf")
