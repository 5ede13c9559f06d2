"""Certificates in a running lab: wrong ones are refused by their own layer with a logged cause, and the next right
request works; renewal and revocation reach every node without a container beginning anew."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pacslab.compiler.compile import compile_lab
from pacslab.engine import pki
from pacslab.engine.certificates import Certificates, Pair
from pacslab.engine.docker import Docker
from pacslab.engine.pki import Profile
from pacslab.engine.state import State
from pacslab.labfile.load import load
from pacslab.model.device import TLS_CERTIFICATE, TLS_KEY
from pacslab.model.plan import File, Plan

from .conftest import Done, RunningLab, pacslab, write_lab

A_DAY = dt.timedelta(days=1)
Make = Callable[[Certificates, Plan, str], Pair]


def _issue(certificates: Certificates, plan: Plan, node: str, **validity: Any) -> Pair:
    key = pki.new_key()
    return Pair(certificates.authority.issue(Profile.of(plan, node), key, **validity), key)


def _expired(certificates: Certificates, plan: Plan, node: str) -> Pair:
    return _issue(certificates, plan, node, begins=dt.datetime.now(dt.UTC) - 2 * A_DAY, days=1)


def _tomorrow(certificates: Certificates, plan: Plan, node: str) -> Pair:
    """What the CA of a machine makes whose clock is a day ahead."""
    return _issue(certificates, plan, node, begins=dt.datetime.now(dt.UTC) + A_DAY)


def _foreign(certificates: Certificates, plan: Plan, node: str) -> Pair:
    del certificates
    key = pki.new_key()
    return Pair(pki.new_authority(plan.lab).issue(Profile.of(plan, node), key), key)


def _another_nodes(certificates: Certificates, plan: Plan, node: str) -> Pair:
    return _issue(certificates, plan, "us-1" if node != "us-1" else "ct-1")


CAUSES: dict[str, Make] = {
    "certificate has expired": _expired,
    "certificate is not yet valid": _tomorrow,
    "unable to get local issuer certificate": _foreign,
}


class Bench:
    """The reference lab, with its CA at hand."""

    def __init__(self, lab: RunningLab, docker: Docker) -> None:
        self.lab = lab
        self.docker = docker
        self.plan = compile_lab(load(lab.file).lab)
        self.certificates = Certificates(State.beside(lab.file, lab.name), self.plan)

    def put(self, node: str, pair: Pair) -> None:
        """Bring a node a certificate that the lab's state knows nothing of."""
        chain = pki.pem(pair.certificate) + pki.pem(self.certificates.authority.certificate)
        files = ((File(TLS_CERTIFICATE, ""), chain), (File(TLS_KEY, "", 0o400), pki.key_pem(pair.key)))
        self.docker.put_files(self.lab.container(node), files)

    @contextlib.contextmanager
    def holding(self, node: str, make: Make) -> Iterator[None]:
        """Let a node have a wrong certificate for a while."""
        self.put(node, make(self.certificates, self.plan, node))
        try:
            yield
        finally:
            self.put(node, self.certificates.of(node))

    def device(self, node: str, *argv: str) -> dict[str, Any]:
        executed = self.docker.exec(self.lab.container(node), ("device", *argv))
        answer: dict[str, Any] = json.loads(executed.stdout)
        return answer

    def curl(self, node: str, url: str) -> tuple[int, str]:
        """Ask a web front with the node's own certificate; HTTP status and curl's words."""
        script = (
            "import http.client, ssl, sys; c = ssl.create_default_context(cafile='/etc/pacslab/tls/ca.pem');"
            f"c.load_cert_chain('{TLS_CERTIFICATE}', '{TLS_KEY}');"
            f"h = http.client.HTTPSConnection('{url}', context=c, timeout=10); h.request('GET', '/dicom-web/studies');"
            "a = h.getresponse(); print(a.status, a.read(200))"
        )
        done = self.docker.exec(self.lab.container(node), ("python3", "-c", script))
        words = (done.stdout + done.stderr).decode(errors="replace")
        return (int(words.split()[0]) if done.exit_code == 0 else 0), words

    def since(self, node: str, lines: int = 30) -> str:
        return self.docker.logs(self.lab.container(node), tail=lines)

    def starts(self) -> dict[str, dt.datetime | None]:
        return {container.node: container.started_at for container in self.docker.list(lab=self.lab.name)}


@pytest.fixture(scope="module")
def bench(reference: RunningLab, docker: Docker) -> Iterator[Bench]:
    made = Bench(reference, docker)
    before = made.starts()
    yield made
    assert made.starts() == before  # nothing here may start a container anew


def certs(bench: Bench, *argv: str) -> Done:

    return pacslab("certs", argv[0], str(bench.lab.file), *argv[1:])


# ---------------------------------------------------------------- wrong certificates


@pytest.mark.parametrize("cause", CAUSES)
def test_our_listeners_refuse_and_log_a_certificate_out_of_its_time_or_of_another_ca(bench: Bench, cause: str) -> None:
    with bench.holding("ct-1", CAUSES[cause]):
        seen = bench.device("ct-1", "echo", "ris")
        assert (seen["ok"], seen["layer"]) == (False, "tls"), seen
        assert cause in bench.since("ris", 3).splitlines()[-1]
        assert "connection from 198.18.10.10: TLS refused" in bench.since("ris", 3)
    assert bench.device("ct-1", "echo", "ris")["ok"]


@pytest.mark.parametrize("cause", CAUSES)
def test_orthanc_refuses_and_logs_them_too(bench: Bench, cause: str) -> None:
    with bench.holding("ct-1", CAUSES[cause]):
        seen = bench.device("ct-1", "echo", "pacs")
        assert (seen["ok"], seen["layer"]) == (False, "tls"), seen
        assert "Receiving Association failed: TLS error: certificate verify failed" in bench.since("pacs", 3)
    assert bench.device("ct-1", "echo", "pacs")["ok"]


def test_another_nodes_certificate_is_a_rejection_by_our_listeners_and_none_by_orthanc(bench: Bench) -> None:
    with bench.holding("ct-1", _another_nodes):
        seen = bench.device("ct-1", "echo", "ris")
        assert (seen["layer"], seen["status"]) == ("association", "A-ASSOCIATE-RJ 1/1/3"), seen
        assert "is for AE title US1: A-ASSOCIATE-RJ 1/1/3" in bench.since("ris", 2)
        assert bench.device("ct-1", "echo", "pacs")["ok"]  # FACTS 1.7: a limit, and documented as one
    assert bench.device("ct-1", "echo", "ris")["ok"]


@pytest.mark.parametrize("cause", CAUSES)
def test_a_web_front_refuses_and_logs_them(bench: Bench, cause: str) -> None:
    with bench.holding("reading-1", CAUSES[cause]):
        status, words = bench.curl("reading-1", "pacs-web")
        assert status in {0, 400}, words  # nginx says it in HTTP: "The SSL certificate error"
        assert status == 0 or "SSL certificate error" in words
        # nginx keeps the last of OpenSSL's errors, and a foreign CA makes two.
        said = cause.replace("unable to get local issuer certificate", "unable to verify the first certificate")
        assert f"FAILED:{said} " in bench.since("pacs-web", 2)
    assert bench.curl("reading-1", "pacs-web")[0] == 200


@pytest.mark.parametrize("cause", CAUSES)
def test_hl7_listeners_refuse_and_log_them(bench: Bench, cause: str) -> None:
    with bench.holding("ehr", CAUSES[cause]):
        seen = _order(bench, "BAD")
        assert (seen["ok"], seen["layer"]) == (False, "tls"), seen
        assert cause in bench.since("ris", 3)
    assert _order(bench, f"AFTER-{cause[-5:]}")["status"] == "AA"


def _order(bench: Bench, accession: str) -> dict[str, Any]:
    return bench.device("ehr", "order", "ris", "--patient-id", "PKI", "--accession", accession, "--modality", "CT")


# What the archive's own plugin does, with its own URI: libpq(34.1).
_PSQL = """
import ctypes, json, re, sys
pg = json.load(open('/etc/pacslab/orthanc.json'))['PostgreSQL']
libpq = ctypes.CDLL('libpq.so.5')
libpq.PQconnectdb.restype = ctypes.c_void_p
libpq.PQerrorMessage.restype = ctypes.c_char_p
libpq.PQerrorMessage.argtypes = libpq.PQstatus.argtypes = [ctypes.c_void_p]
uri = pg['ConnectionUri']
for key, value in json.loads(sys.argv[1]).items():
    uri = re.sub(f'{key}=[^&]*', f'{key}={value}', uri)
found = libpq.PQconnectdb(uri.encode())
print('connected' if libpq.PQstatus(found) == 0 else libpq.PQerrorMessage(found).decode())
"""


def _database(bench: Bench, **instead: str) -> str:
    """What the database says to its archive."""
    container = bench.lab.container("pacs")
    done = bench.docker.exec(container, ("python3", "-c", _PSQL, json.dumps(instead)))
    return (done.stdout + done.stderr).decode(errors="replace").strip()


@pytest.mark.parametrize("cause", CAUSES)
def test_the_database_refuses_and_logs_them(bench: Bench, cause: str) -> None:
    with bench.holding("pacs", CAUSES[cause]):
        assert "alert" in _database(bench)
        assert cause in bench.since("pacs-db", 4)
    assert _database(bench) == "connected"


def test_the_database_wants_the_archives_own_certificate(bench: Bench) -> None:
    assert "requires a valid client certificate" in _database(bench, sslcert="/none", sslkey="/none")
    with bench.holding("pacs", _another_nodes):
        assert "authentication failed for user" in _database(bench)
        assert "CN mismatch" in bench.since("pacs-db", 6)
    assert _database(bench) == "connected"


# ---------------------------------------------------------------- taken back, and made anew


def test_a_revoked_certificate_is_refused_by_all_who_look_and_a_new_one_works(bench: Bench) -> None:
    for node in ("ct-1", "ehr", "reading-1"):
        done = certs(bench, "revoke", node)
        assert done.exit_code == 0, str(done)
    try:
        seen = bench.device("ct-1", "echo", "ris")
        assert (seen["layer"], seen["status"]) == ("tls", "sslv3 alert certificate revoked"), seen
        assert "certificate verify failed: certificate revoked" in bench.since("ris", 2)
        assert not _order(bench, "REVOKED")["ok"]
        status, words = bench.curl("reading-1", "pacs-web")
        assert status in {0, 400}, words
        assert "FAILED:certificate revoked " in bench.since("pacs-web", 2)
        assert bench.device("ct-1", "echo", "pacs")["ok"]  # Orthanc reads no list
        assert "by those that read no revocation list, until it ends: pacs" in certs(bench, "revoke", "ct-1").stderr
        listed = certs(bench, "list", "--json")
        assert listed.exit_code == 1
        standing = {entry["node"]: entry["standing"] for entry in listed.json()["certificates"]}
        assert {node for node, how in standing.items() if how == "revoked"} == {"ct-1", "ehr", "reading-1"}
        assert bench.device("mr-1", "echo", "ris")["ok"]
    finally:
        assert certs(bench, "renew", "ct-1", "ehr", "clinical/reading-1").exit_code == 0
    assert bench.device("ct-1", "echo", "ris")["ok"]
    assert _order(bench, "AGAIN")["status"] == "AA"
    assert bench.curl("reading-1", "pacs-web")[0] == 200
    assert certs(bench, "list").exit_code == 0


def test_the_archives_revoked_certificate_opens_no_database(bench: Bench) -> None:
    assert certs(bench, "revoke", "pacs").exit_code == 0
    try:
        assert "alert" in _database(bench)
        assert "certificate revoked" in bench.since("pacs-db", 4)
    finally:
        assert certs(bench, "renew", "pacs").exit_code == 0
    assert _database(bench) == "connected"
    assert bench.device("ct-1", "echo", "pacs")["ok"]


def test_renewed_certificates_are_shown_by_every_listener(bench: Bench) -> None:
    nodes = ("ris", "pacs", "pacs-web", "pacs-db")
    before = {node: bench.certificates.of(node).certificate for node in nodes}
    done = certs(bench, "renew", *nodes, "--json")
    assert done.exit_code == 0, str(done)
    how = {item["node"]: item["uptake"] for item in done.json()["renewed"]}
    assert how == {"ris": "from its next connection on"} | dict.fromkeys(("pacs", "pacs-web", "pacs-db"), "reloaded")
    shown = {
        "ris": _shown(bench, "ct-1", "ris", 2762),
        "pacs": _shown(bench, "ct-1", "pacs", 2762),
        "pacs-web": _shown(bench, "reading-1", "pacs-web", 443),
    }
    for node, certificate in shown.items():
        assert certificate == bench.certificates.of(node).certificate
        assert certificate != before[node]
    assert _database(bench) == "connected"
    assert bench.device("ct-1", "echo", "pacs")["ok"]
    assert bench.device("pacs", "echo", "vna")["ok"]


def _shown(bench: Bench, source: str, destination: str, port: int) -> x509.Certificate:
    script = f"import ssl; print(ssl.get_server_certificate(('{destination}', {port}), timeout=5))"
    done = bench.docker.exec(bench.lab.container(source), ("python3", "-c", script))
    return x509.load_pem_x509_certificate(done.stdout)


def test_up_renews_what_is_close_to_its_end_and_finishes_what_was_interrupted(bench: Bench) -> None:
    state = State.beside(bench.lab.file, bench.lab.name)
    pair = _issue(bench.certificates, bench.plan, "us-1", days=20)
    state.write("pki/us-1.key", pki.key_pem(pair.key))
    state.write("pki/us-1.pem", pki.pem(pair.certificate), mode=0o644)
    bench.certificates.renew("mr-1")  # as if `certs renew` had ended here
    said = bench.lab("up", "--dry-run").stdout
    assert [line.split()[1] for line in said.splitlines() if line.startswith("renew ")] == ["mr-1", "us-1"]
    done = bench.lab("up", "--json")
    assert done.exit_code == 0, str(done)
    renewed = {change["node"]: change["reason"] for change in done.json()["changes"] if change["action"] == "renew"}
    assert set(renewed) == {"mr-1", "us-1"}
    assert renewed["us-1"].startswith("its certificate ends on ")
    for node in renewed:
        held = bench.docker.exec(bench.lab.container(node), ("cat", TLS_CERTIFICATE)).stdout
        assert x509.load_pem_x509_certificates(held)[0] == bench.certificates.of(node).certificate
        assert bench.device(node, "echo", "ris")["ok"]
    assert bench.lab("up", "--dry-run").stdout.count("renew ") == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("renew", "ct-9"), "has no node 'ct-9'"),
        (("revoke", "vendor-1"), "vendor-1 has no certificate: nothing that it speaks shows one"),
    ],
)
def test_names_that_have_no_certificate(bench: Bench, argv: tuple[str, ...], words: str) -> None:
    done = certs(bench, *argv)
    assert done.exit_code == 2, str(done)
    assert words in done.stderr


def test_a_lab_that_never_ran_has_none(tmp_path: Path) -> None:

    done = pacslab("certs", "list", str(write_lab(tmp_path, "never", "minimal")))
    assert (done.exit_code, "lab never has no certificates" in done.stderr) == (3, True), str(done)
