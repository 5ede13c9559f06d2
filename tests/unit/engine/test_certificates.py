"""A lab's certificates: what they say, how long they last, what is taken back, and what still has to be delivered."""

import datetime as dt
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from pacslab.engine import pki
from pacslab.engine.certificates import Certificates
from pacslab.engine.inventory import Entry, Standing, inventory
from pacslab.engine.pki import Profile
from pacslab.engine.state import State
from pacslab.model.plan import Plan

A_DAY = dt.timedelta(days=1)
NODES = {"ct-1", "mr-1", "us-1", "pacs", "pacs-web", "pacs-db", "vna", "cloud-web", "ehr", "ris", "reading-1"}


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path / "lab")
    made.make()
    return made


@pytest.fixture
def certificates(state: State, reference: Plan) -> Certificates:
    return Certificates(state, reference)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _everything(certificates: Certificates) -> None:
    """What `up` makes and delivers."""
    for node in certificates.nodes:
        certificates.of(node)
    certificates.revocations()
    certificates.settle(certificates.nodes)


def _replace(certificates: Certificates, state: State, node: str, begins: dt.datetime) -> None:
    """Give a node a certificate of another time."""
    pair = certificates.of(node)
    made = certificates.authority.issue(Profile.of(certificates._plan, node), pair.key, begins=begins)
    state.write(f"pki/{node}.pem", pki.pem(made))


def test_who_has_a_certificate(certificates: Certificates) -> None:
    assert set(certificates.nodes) == NODES


def test_roles_are_those_of_the_policy(certificates: Certificates) -> None:
    roles = {entry.node: entry.roles for entry in _made(certificates)}
    servers = {"pacs-web", "cloud-web", "pacs-db"}  # they open no TLS connection
    assert roles == {node: ("server",) if node in servers else ("server", "client") for node in NODES}


def _made(certificates: Certificates) -> tuple[Entry, ...]:
    _everything(certificates)
    return inventory(certificates)


def _verify(state: State, node: str, purpose: str) -> subprocess.CompletedProcess[str]:
    folder = state.folder / "pki"
    return subprocess.run(
        ["openssl", "verify", "-x509_strict", "-crl_check", "-purpose", purpose, "-CAfile", folder / "ca.pem",
         "-CRLfile", folder / "crl.pem", folder / f"{node}.pem"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this host")
def test_openssl_agrees(certificates: Certificates, state: State) -> None:
    _everything(certificates)
    for entry in inventory(certificates):
        for role, purpose in (("server", "sslserver"), ("client", "sslclient")):
            done = _verify(state, entry.node, purpose)
            assert (done.returncode == 0) is (role in entry.roles), (entry.node, purpose, done.stderr)
    certificates.revoke("ct-1")
    assert "certificate revoked" in _verify(state, "ct-1", "sslclient").stderr
    assert _verify(state, "mr-1", "sslclient").returncode == 0


def test_nothing_is_made_twice(certificates: Certificates, state: State, reference: Plan) -> None:
    _everything(certificates)
    again = Certificates(state, reference)
    assert [again.of(node) == certificates.of(node) for node in NODES]
    assert again.due() == {}
    assert again.owed() == frozenset()


@pytest.mark.parametrize(
    ("begins", "standing", "reason"),
    [
        (-89.5, Standing.VALID, "its certificate ends on "),
        (-91, Standing.EXPIRED, "its certificate has ended on "),
        (1, Standing.NOT_YET_VALID, "its certificate begins on "),
    ],
)
def test_a_certificate_out_of_its_time_is_due(
    certificates: Certificates, state: State, begins: float, standing: Standing, reason: str
) -> None:
    _everything(certificates)
    _replace(certificates, state, "ct-1", _now() + begins * A_DAY)
    assert {entry.standing for entry in inventory(certificates) if entry.node == "ct-1"} == {standing}
    (due,) = certificates.due().items()
    assert due[0] == "ct-1"
    assert due[1].startswith(reason)
    before = certificates.peek("ct-1")
    assert before is not None
    assert certificates.of("ct-1").key != before.key
    assert certificates.due() == {"ct-1": "its TLS files have changed and were not brought to it"}
    certificates.settle(("ct-1",))
    assert certificates.due() == {}


def test_a_node_that_is_another_now_gets_another_certificate(
    certificates: Certificates, state: State, reference: Plan
) -> None:
    _everything(certificates)
    nodes = tuple(replace(node, ae_title="CT9") if node.name == "ct-1" else node for node in reference.nodes)
    other = Certificates(state, replace(reference, nodes=nodes))
    assert other.due() == {"ct-1": "its certificate says something else of it than the plan"}
    (ct,) = (e for e in inventory(other) if e.node == "ct-1")
    assert ct.ae_title == "CT1"
    other.of("ct-1")
    (ct,) = (e for e in inventory(other) if e.node == "ct-1")
    assert ct.ae_title == "CT9"


def test_a_pair_that_was_half_written_is_made_anew(certificates: Certificates, state: State) -> None:
    _everything(certificates)
    state.write("pki/ct-1.key", pki.key_pem(pki.new_key()))
    assert certificates.peek("ct-1") is None
    pair = certificates.of("ct-1")
    assert pair.certificate.public_key() == pair.key.public_key()
    assert certificates.owed() == {"ct-1"}


def test_another_ca_of_the_same_name_makes_everything_anew(certificates: Certificates, state: State) -> None:
    _everything(certificates)
    certificates.revoke("mr-1")
    (state.folder / "pki/ca.key").unlink()
    assert set(certificates.due()) == NODES
    _everything(certificates)
    assert certificates.revoked() == {}
    assert certificates.due() == {}


def test_a_revocation_is_noted_for_everybody_and_once(certificates: Certificates) -> None:
    _everything(certificates)
    serial = certificates.of("ct-1").certificate.serial_number
    assert certificates.revoke("ct-1")
    assert not certificates.revoke("ct-1")
    assert set(certificates.revoked()) == {serial}
    assert certificates.owed() == NODES
    (ct,) = (e for e in inventory(certificates) if e.node == "ct-1")
    assert (ct.standing, ct.delivered) == (Standing.REVOKED, False)
    assert ct.revoked is not None
    certificates.renew("ct-1")
    assert {e.standing for e in inventory(certificates)} == {Standing.VALID}
    assert set(certificates.revoked()) == {serial}


def test_each_list_is_later_than_the_one_before(certificates: Certificates) -> None:
    """OpenSSL takes the list with the later thisUpdate, in whole seconds."""
    _everything(certificates)
    lists = [certificates.revocations()]
    for node in sorted(NODES):
        certificates.revoke(node)
        lists.append(certificates.revocations())
    begins = [crl.last_update_utc for crl in lists]
    assert begins == sorted(set(begins))
    assert begins[-1] <= _now()
    numbers = [crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for crl in lists]
    assert numbers == list(range(1, len(NODES) + 2))
    assert len(lists[-1]) == len(NODES)


def test_a_list_close_to_its_end_is_signed_anew_with_all_that_is_on_it(
    certificates: Certificates, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    _everything(certificates)
    monkeypatch.setattr(pki, "CRL_DAYS", 20)
    certificates.revoke("ct-1")
    certificates.settle(NODES)
    monkeypatch.undo()
    assert set(certificates.due().values()) == {"the lab's revocation list is close to its end"}
    serials = set(certificates.revoked())
    made = certificates.revocations()
    assert {entry.serial_number for entry in made} == serials
    assert made.next_update_utc is not None
    assert made.next_update_utc > _now() + 60 * A_DAY
    assert certificates.owed() == NODES


def test_keys_are_the_owners_alone(certificates: Certificates, state: State) -> None:
    _everything(certificates)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (state.folder / "pki").iterdir()}
    assert {mode for name, mode in modes.items() if name.endswith(".key")} == {0o600}
    assert len([name for name in modes if name.endswith(".key")]) == len(NODES) + 1
