"""C-ECHO and C-STORE, and which layer answered or refused: against our own SCP and against sockets that misbehave."""

import contextlib
import datetime as dt
import hashlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from pacslab.devices import association
from pacslab.model.device import Layer, Listener
from pacslab.model.dicom import Application, Operation

from .conftest import Authorities, World, free_port, make_device, make_peer

Pair = tuple[World, World]


def test_echo_that_is_allowed(pair: Pair) -> None:
    code, seen = pair[0].run("echo", "reading-1")
    assert (code, seen.ok, seen.operation, seen.peer) == (0, True, "C-ECHO", "reading-1")
    assert (seen.layer, seen.status) == (Layer.DIMSE, "0x0000")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--calling-ae", "NOBODY"), "A-ASSOCIATE-RJ 1/1/3"),
        (("--called-ae", "OTHER"), "A-ASSOCIATE-RJ 1/1/7"),
        (("--calling-ae", "MR1"), "A-ASSOCIATE-RJ 1/1/3"),  # a peer's name from another address
        (("--calling-ae", "US1"), "presentation context rejected 3"),  # a peer that may store, not echo
    ],
)
def test_echo_that_the_peer_refuses(pair: Pair, options: tuple[str, ...], status: str) -> None:
    code, seen = pair[0].run("echo", "reading-1", *options)
    assert (code, seen.ok, seen.layer, seen.status) == (1, False, Layer.ASSOCIATION, status)


@pytest.fixture
def caller(world: Callable[..., World]) -> World:
    return world(make_device("ct-1", "modality", ae_title="CT1", modality="CT"))


def echo(caller: World, port: int, *more: str) -> tuple[int, Layer, str]:
    code, seen = caller.run("echo", "x", "--address", "127.0.0.1", "--port", str(port), *more)
    return code, seen.layer, seen.status


@contextlib.contextmanager
def behaving(act: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does one thing with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        act(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def test_refused_connection(caller: World) -> None:
    assert echo(caller, free_port()) == (1, Layer.TCP, "connection refused")


def test_connection_closed_without_a_word(caller: World) -> None:
    with behaving(lambda _: None) as port:
        assert echo(caller, port)[1:] in {(Layer.TCP, "connection closed"), (Layer.TCP, "connection reset")}


def test_silent_peer(caller: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association, "ANSWER_TIMEOUT_S", 0.5)
    with behaving(lambda _: time.sleep(1.5)) as port:
        assert echo(caller, port) == (1, Layer.ASSOCIATION, "timed out")


def test_dropped_syn(caller: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association, "CONNECTION_TIMEOUT_S", 0.5)
    with socket.socket() as full:  # a backlog of nothing that is full: further SYNs get no answer
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        assert echo(caller, port) == (1, Layer.TCP, "timed out")
        for one in waiting:
            one.close()


def test_abort_instead_of_an_answer(caller: World) -> None:
    def abort(line: socket.socket) -> None:
        line.recv(4096)
        line.sendall(bytes([7, 0, 0, 0, 0, 4, 0, 0, 2, 6]))

    with behaving(abort) as port:
        assert echo(caller, port) == (1, Layer.ASSOCIATION, "A-ABORT 2/6")


@contextlib.contextmanager
def answering(handler: Callable[[evt.Event], int]) -> Iterator[int]:
    ae = AE(ae_title="X")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, handler)])
    assert server is not None
    yield server.server_address[1]
    server.shutdown()


def test_dimse_failure(caller: World) -> None:
    with answering(lambda _: 0x0122) as port:
        assert echo(caller, port) == (1, Layer.DIMSE, "0x0122")


def test_abort_of_the_operation(caller: World) -> None:
    def handler(event: evt.Event) -> int:
        event.assoc.abort()
        return 0

    with answering(handler) as port:
        assert echo(caller, port) == (1, Layer.ASSOCIATION, "A-ABORT 0/0")


def test_time_out_of_the_operation(caller: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacslab.devices.scu.call", short_call)

    def handler(event: evt.Event) -> int:
        del event
        time.sleep(1.5)
        return 0

    with answering(handler) as port:
        assert echo(caller, port) == (1, Layer.DIMSE, "timed out")


@pytest.fixture
def slow_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a peer time to close after our own A-ABORT, before we look again: its close must not be blamed."""
    send = association.Wire.send

    def send_and_linger(self: association.Wire, bytestream: bytes) -> None:
        send(self, bytestream)
        if bytestream[:1] == association.A_ABORT_TYPE:
            time.sleep(0.3)

    monkeypatch.setattr(association.Wire, "send", send_and_linger)


@pytest.mark.usefixtures("slow_to_close")
def test_a_peer_that_closes_upon_our_own_abort_still_timed_out(caller: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacslab.devices.scu.call", short_call)

    def handler(event: evt.Event) -> int:
        del event
        time.sleep(1.5)
        return 0

    with answering(handler) as port:
        assert echo(caller, port) == (1, Layer.DIMSE, "timed out")
    monkeypatch.setattr(association, "ANSWER_TIMEOUT_S", 0.4)

    def hang_up_on_abort(line: socket.socket) -> None:
        line.recv(65536)  # the request
        line.recv(65536)  # our A-ABORT

    with behaving(hang_up_on_abort) as port:
        assert echo(caller, port) == (1, Layer.ASSOCIATION, "timed out")


def short_call(*arguments: object, **options: object) -> object:
    return association.call(*arguments, **{**options, "timeout_s": 0.4})  # type: ignore[arg-type]


def test_studies_arrive_with_the_same_pixels_on_one_association(pair: Pair) -> None:
    scanner, workstation = pair
    before = workstation.log.read_text().count("association from CT1")
    code, sent = scanner.run("acquire", "--slices", "12", "--rows", "64", "--columns", "64", "--send", "reading-1")
    assert (code, sent.facts["stored"], sent.facts["failed"]) == (0, 12, 0)
    _, here = scanner.run("hash", f"studies/{sent.facts['study_uid']}")
    _, there = workstation.run("hash", f"received/{sent.facts['study_uid']}")
    assert len(sent.facts["pixel_sha256"]) == 12
    assert sent.facts["pixel_sha256"] == here.facts["pixel_sha256"] == there.facts["pixel_sha256"]
    assert workstation.log.read_text().count("association from CT1") == before + 1


GIVEN = (
    "CT_small.dcm",
    "MR_small.dcm",
    "JPEG2000.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "examples_ybr_color.dcm",
)


def test_given_files_arrive_byte_by_byte(pair: Pair, tmp_path: Path) -> None:
    scanner, workstation = pair
    folder = tmp_path / "given"
    folder.mkdir()
    for name in GIVEN:
        shutil.copy(str(get_testdata_file(name)), folder / name)
    code, sent = scanner.run("send", "reading-1", str(folder))
    assert (code, sent.facts["stored"]) == (0, len(GIVEN)), sent
    _, there = workstation.run("hash", *[f"received/{study}" for study in sent.facts["studies"]])
    assert there.facts["pixel_sha256"] == sent.facts["pixel_sha256"]
    original = pydicom.dcmread(folder / "CT_small.dcm")
    assert sent.facts["pixel_sha256"][original.SOPInstanceUID] == hashlib.sha256(original.PixelData).hexdigest()


def test_what_is_not_dicom_is_named_and_the_rest_is_sent(pair: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm")), folder / "a.dcm")
    (folder / "b.txt").write_text("no image")
    code, sent = pair[0].run("send", "reading-1", str(folder))
    assert (code, sent.layer, sent.status, sent.facts["stored"]) == (1, Layer.LOCAL, "not DICOM", 1)
    assert "b.txt" in sent.facts["failures"][0]


def test_a_peer_that_may_not_store_is_refused(pair: Pair, tmp_path: Path) -> None:
    shutil.copy(str(get_testdata_file("MR_small.dcm")), tmp_path / "a.dcm")
    before = sorted(path.stat().st_mtime_ns for path in pair[1].data.rglob("*.dcm"))
    code, sent = pair[0].run("send", "reading-1", str(tmp_path / "a.dcm"), "--calling-ae", "MR1")
    assert (code, sent.status, sent.facts["stored"]) == (1, "A-ASSOCIATE-RJ 1/1/3", 0)
    assert sorted(path.stat().st_mtime_ns for path in pair[1].data.rglob("*.dcm")) == before


def test_an_abort_amid_a_transfer_is_not_lost_in_a_full_socket(caller: World) -> None:
    """Orthanc refuses a C-STORE so (FACTS 1.6): it aborts upon the command and reads no more."""
    _, made = caller.run("acquire", "--slices", "2", "--rows", "2048", "--columns", "2048", "--seed", "1")

    def refuse(line: socket.socket) -> None:
        accept(line)
        line.recv(100)
        line.sendall(bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0]))
        over.wait(20)  # neither reads nor closes: only the A-ABORT itself can end it soon

    over = threading.Event()
    started = time.monotonic()
    with behaving(refuse) as port:
        code, seen = caller.run("send", "x", made.facts["folder"], "--address", "127.0.0.1", "--port", str(port))
    assert (code, seen.layer, seen.status) == (1, Layer.ASSOCIATION, "A-ABORT 0/0")
    took_s = time.monotonic() - started
    over.set()
    assert (seen.facts["failed"], seen.facts["not_sent"]) == (1, 1)
    assert took_s < 5


def accept(line: socket.socket) -> None:
    """Answer an A-ASSOCIATE-RQ for CT images with a minimal A-ASSOCIATE-AC (PS3.8 9.3.3)."""
    line.recv(65536)

    def item(kind: int, body: bytes) -> bytes:
        return bytes([kind, 0]) + len(body).to_bytes(2, "big") + body

    context = bytes([1, 0, 0, 0]) + item(0x40, b"1.2.840.10008.1.2.1")
    length = item(0x51, (16384).to_bytes(4, "big"))
    user = item(0x50, length + item(0x52, b"1.2.3"))
    body = bytes([0, 1, 0, 0]) + b"X".ljust(16) + b"CT1".ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x21, context) + user
    line.sendall(bytes([2, 0]) + len(body).to_bytes(4, "big") + body)


def test_association_limit_leaves_room_for_many_callers(pair: Pair) -> None:
    ae = AE(ae_title="CT1")
    ae.add_requested_context(Verification)
    port = pair[1].device.listeners[0].port
    held = [ae.associate("127.0.0.1", port, ae_title="READ1") for _ in range(20)]
    assert all(one.is_established for one in held)
    for one in held:
        one.release()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: Authorities) -> Iterator[tuple[World, World]]:
    tmp_path = tmp_path_factory.mktemp("secure")
    port = free_port()
    tls = Application.DICOM_TLS
    scanner = make_device(
        "ct-1", "modality", ae_title="CT1", peers=(make_peer("reading-1", "READ1", port, application=tls),)
    )
    allowed = (Operation.C_ECHO,)
    workstation = make_device(
        "reading-1",
        "workstation",
        ae_title="READ1",
        listeners=(Listener(tls, port),),
        peers=tuple(
            make_peer(node, ae, None, application=tls, may_be_asked=allowed)
            for node, ae in (("ct-1", "CT1"), ("us-1", "US1"))
        ),
    )
    serving = World(tmp_path / "reading-1", workstation, certificates("reading-1", ae_title="READ1"))
    with serving.serving():
        yield World(tmp_path / "ct-1", scanner, certificates("ct-1", ae_title="CT1")), serving


def test_mutual_tls(secure: Pair) -> None:
    assert secure[0].run("echo", "reading-1")[1].status == "0x0000"


def test_a_certificate_is_bound_to_its_ae_title(secure: Pair) -> None:
    _, seen = secure[0].run("echo", "reading-1", "--calling-ae", "US1")
    assert (seen.layer, seen.status) == (Layer.ASSOCIATION, "A-ASSOCIATE-RJ 1/1/3")


def test_tls_refusals_are_told_from_dicom_ones(secure: Pair, certificates: Authorities) -> None:
    scanner, _ = secure
    stranger = World(scanner.folder.parent / "stranger", scanner.device, certificates("ct-1", "foreign"))
    code, seen = stranger.run("echo", "reading-1")
    assert (code, seen.layer) == (1, Layer.TLS), seen
    _, seen = scanner.run("echo", "reading-1", "--application", "dicom")
    assert not seen.ok
    assert seen.layer in {Layer.TCP, Layer.ASSOCIATION}


A_DAY = dt.timedelta(days=1)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ({"ae_title": "US1"}, "its certificate, of 127.0.0.1, ct-1, is for AE title US1"),
        ({}, "its certificate, of 127.0.0.1, ct-1, is for AE title none"),
        ({"ae_title": "CT1", "address": "127.0.0.7"}, "its certificate is for 127.0.0.7, ct-1, not 127.0.0.1"),
    ],
)
def test_ae_title_and_address_are_those_of_the_certificate(
    secure: Pair, certificates: Authorities, who: dict[str, str], words: str
) -> None:
    scanner, workstation = secure
    other = World(scanner.folder.parent / "other", scanner.device, certificates("ct-1", **who))
    _, seen = other.run("echo", "reading-1")
    assert (seen.layer, seen.status) == (Layer.ASSOCIATION, "A-ASSOCIATE-RJ 1/1/3")
    assert workstation.log.read_text().endswith(f"association from CT1 at 127.0.0.1: {words}: A-ASSOCIATE-RJ 1/1/3\n")
    assert scanner.run("echo", "reading-1")[1].ok


@pytest.mark.parametrize(
    ("begins", "cause"), [(-2 * A_DAY, "certificate has expired"), (A_DAY, "certificate is not yet valid")]
)
def test_a_certificate_out_of_its_time_is_refused(
    secure: Pair, certificates: Authorities, begins: dt.timedelta, cause: str
) -> None:
    scanner, workstation = secure
    folder = certificates("ct-1", ae_title="CT1", begins=_now() + begins, days=1)
    other = World(scanner.folder.parent / "other", scanner.device, folder)
    code, seen = other.run("echo", "reading-1")
    assert (code, seen.layer) == (1, Layer.TLS), seen
    assert cause in workstation.log.read_text().splitlines()[-1]
    assert scanner.run("echo", "reading-1")[1].ok


def test_a_revocation_counts_from_the_next_connection_on(secure: Pair, certificates: Authorities) -> None:
    scanner, workstation = secure
    assert workstation.tls
    folders = [certificates("ct-1", ae_title="CT1") for _ in range(2)]
    lost, also_lost = (World(scanner.folder.parent / "lost", scanner.device, folder) for folder in folders)
    for world in (lost, also_lost):
        assert world.run("echo", "reading-1")[1].ok
        assert world.tls
        certificates.revoke(world.tls)
        certificates.publish(workstation.tls)
        code, seen = world.run("echo", "reading-1")
        assert (code, seen.layer, seen.status) == (1, Layer.TLS, "sslv3 alert certificate revoked"), seen
        assert "certificate revoked" in workstation.log.read_text().splitlines()[-1]
    assert scanner.run("echo", "reading-1")[1].ok


def test_files_in_the_middle_of_being_replaced_are_not_used(secure: Pair, certificates: Authorities) -> None:
    scanner, workstation = secure
    assert workstation.tls
    key = workstation.tls / "key.pem"
    kept = key.read_bytes()
    key.unlink()
    assert scanner.run("echo", "reading-1")[1].ok
    key.write_bytes((certificates("reading-1") / "key.pem").read_bytes())
    assert scanner.run("echo", "reading-1")[1].ok
    assert "going on with the certificate and revocation list read before" in workstation.log.read_text()
    key.write_bytes(kept)
    assert scanner.run("echo", "reading-1")[1].ok


def test_a_caller_refuses_a_revoked_server(secure: Pair, certificates: Authorities) -> None:
    scanner, workstation = secure
    assert workstation.tls
    folder = certificates("ct-1", ae_title="CT1")
    before = certificates.lists["lab"]
    certificates.revoke(workstation.tls)
    certificates.publish(folder)
    certificates.lists["lab"] = before
    _, seen = World(scanner.folder.parent / "wary", scanner.device, folder).run("echo", "reading-1")
    assert (seen.layer, seen.status) == (Layer.TLS, "certificate verify failed")
    assert "certificate revoked" in seen.detail


def test_a_server_with_another_nodes_certificate_is_refused(secure: Pair, world: Callable[..., World]) -> None:
    scanner, workstation = secure
    port = str(workstation.device.listeners[0].port)
    _, seen = scanner.run("echo", "pacs", "--address", "127.0.0.2", "--port", port, "--application", "dicom-tls")
    assert (seen.layer, seen.status) == (Layer.TLS, "wrong name")
    assert "reading-1" in seen.detail


def test_a_silent_caller_holds_up_nobody(secure: Pair) -> None:
    with socket.create_connection(("127.0.0.1", secure[1].device.listeners[0].port)):
        started = time.monotonic()
        assert secure[0].run("echo", "reading-1")[1].ok
        assert time.monotonic() - started < 3


def test_no_response_is_lost_among_five_hundred(pair: Pair) -> None:
    scanner, _ = pair
    words = ("acquire", "--slices", "500", "--rows", "32", "--columns", "32", "--seed", "9", "--send", "reading-1")
    code, sent = scanner.run(*words)
    assert (code, sent.facts["stored"]) == (0, 500), sent.facts["failures"]
