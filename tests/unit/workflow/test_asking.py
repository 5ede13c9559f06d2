"""What is asked again and what is taken for an answer."""

import pytest
from tests.unit.workflow.conftest import Hospital, cut_off, observation

from pacslab.engine.docker_values import Executed
from pacslab.errors import PacslabError
from pacslab.model.device import Layer, Observation
from pacslab.workflow.asking import Devices, InterruptedAskingError, is_final, is_unanswered


def _seen(layer: Layer, status: str, *, ok: bool = False) -> Observation:
    return Observation("C-ECHO", "pacs", ok, layer, status, "", 0.1)


@pytest.mark.parametrize(
    ("seen", "final"),
    [
        (_seen(Layer.DIMSE, "0x0000", ok=True), True),
        (_seen(Layer.LOCAL, "not found"), True),
        (_seen(Layer.HL7, "AE"), True),
        (_seen(Layer.HTTP, "403"), True),
        (_seen(Layer.DIMSE, "0x0124"), True),
        (_seen(Layer.ASSOCIATION, "A-ASSOCIATE-RJ 1/1/3"), True),
        (_seen(Layer.ASSOCIATION, "A-ASSOCIATE-RJ 2/3/1"), False),
        (_seen(Layer.ASSOCIATION, "A-ABORT 2/0"), False),
        (_seen(Layer.TCP, "connection refused"), False),
        (_seen(Layer.TLS, "tls error"), False),
        (_seen(Layer.HTTP, "503"), False),
        (_seen(Layer.DIMSE, "0xA700"), False),
    ],
)
def test_only_what_may_pass_is_asked_again(seen: Observation, final: bool) -> None:
    assert is_final(seen) is final


def test_an_answer_after_a_restart_is_taken_and_the_attempts_are_counted(hospital: Hospital, devices: Devices) -> None:
    refused = observation("orders", ok=False, layer="tcp", status="connection refused")
    hospital.replaced["ris", "orders"] = [cut_off(), refused]
    answer = devices.ask("ris", "orders")
    assert (answer.observation.ok, answer.attempts) == (True, 3)


def test_patience_ends(hospital: Hospital, devices: Devices) -> None:
    hospital.replaced["ris", "orders"] = [cut_off()] * 50
    answer = devices.ask("ris", "orders")
    assert is_unanswered(answer.observation)
    assert answer.observation.detail == "ris's device ended without one (exit code 137)"
    assert 2 <= answer.attempts < 10


def test_a_refusal_for_good_is_not_asked_again(hospital: Hospital, devices: Devices) -> None:
    hospital.replaced["ehr", "order"] = [observation("order", ok=False, layer="hl7", status="AE")]
    assert devices.ask("ehr", "order", "ris").attempts == 1


def test_a_command_that_makes_no_sense_is_said_with_its_last_line(hospital: Hospital, devices: Devices) -> None:
    hospital.replaced["ris", "orders"] = [Executed(2, b"", b"usage: device\ndevice: error: no such thing\n")]
    seen = devices.ask("ris", "orders").observation
    assert (seen.layer, seen.status, seen.detail) == (Layer.LOCAL, "usage", "device: error: no such thing")


def test_a_node_that_is_not_there_is_an_observation(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(container: str, argv: tuple[str, ...]) -> Executed:
        raise PacslabError(f"{container} is not running")

    monkeypatch.setattr(devices._docker, "exec", gone)
    seen = devices.ask_once("ris", "orders")
    assert is_unanswered(seen)
    assert "pacslab-test-ris is not running" in seen.detail


def test_who_stops_gets_no_further_answer(devices: Devices) -> None:
    devices.stop()
    with pytest.raises(InterruptedAskingError):
        devices.ask("ris", "orders")
