"""Our HL7 messages, in the opinion of another parser; and what anything at all does to ours."""

import contextlib
import re
from pathlib import Path

import pytest
from hl7apy.exceptions import ValidationError
from hl7apy.parser import parse_message
from hl7apy.validation import Validator
from hypothesis import given
from hypothesis import strategies as st

from pacslab.devices import messages, reading
from pacslab.devices.messages import Order, Patient, Sender
from pacslab.devices.reading import ERROR, REJECTED, Header, MessageError

# HL7 4.4.1: OBR or one of the others; to hl7apy's tables each of them is required.
CHOICE = re.compile(r"Error: Missing required child ORM_O01_OBRRQDRQ1RXOODSODT_SUPPGRP\.(RQD|RQ1|RXO|ODS|ODT)")
SENDER = Sender("ehr", "ris")
PATIENT = Patient("P1", "SYNTHETIC^ANNA^M^Dr.^MD", "19800101", "F")
ORDER = Order("A1", "CT", "CT thorax", "203001010800", "CT1", "1.2.3", "CTT^CT thorax^L", "STAT", "WHO^DOCTOR")
WRITTEN = {
    "A01": messages.registration(SENDER, PATIENT),
    "A08": messages.registration(SENDER, PATIENT, "A08"),
    "A40": messages.merge(SENDER, PATIENT, "P0"),
    "new": messages.order(SENDER, PATIENT, ORDER).partition("ZDS")[0],  # IHE's ZDS is no segment of the standard
    "cancel": messages.order(SENDER, PATIENT, ORDER, "CA").partition("ZDS")[0],
    "status": messages.order_status(SENDER, PATIENT, ORDER, "IP", "a | note"),
    "result": messages.result(SENDER, PATIENT, ORDER, "no | finding"),
    "AA": messages.acknowledge("ris", Header("ehr", "ORM^O01", "17", "UNICODE UTF-8")),
    "AE": messages.acknowledge("ris", Header("ehr", "ADT^A01", "17"), MessageError(ERROR, 101, "why", "OBR-27.4")),
    "AR": messages.acknowledge("ris", Header(), MessageError(REJECTED, 100, "no HL7", "MSH")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_another_parser_finds_our_messages_valid(name: str, tmp_path: Path) -> None:
    text = WRITTEN[name].replace("MSA|AR|\r", "MSA|AR|0\r")  # to what is no HL7 there is no control id to answer
    message, report = parse_message(text, find_groups=True), tmp_path / "report"
    assert message.version == "2.5.1"
    with contextlib.suppress(ValidationError):  # it raises the first of what it writes
        Validator.validate(message, report_file=str(report))
    errors = [line for line in report.read_text().splitlines() if line.startswith("Error")]
    assert [line for line in errors if not CHOICE.fullmatch(line)] == []


@pytest.mark.parametrize("name", WRITTEN)
def test_both_parsers_read_the_same(name: str) -> None:
    other, ours = parse_message(WRITTEN[name], find_groups=False), reading.parse(WRITTEN[name])
    for segment in other.children:
        for field in segment.children:
            number = int(field.name.rpartition("_")[2])
            if segment.name == "MSH" and number < 3:
                continue
            theirs = field.to_er7().partition("^")[0]
            assert reading.value(ours, segment.name, number) == reading.unescape(theirs), field.name


def test_names_keep_their_order_of_parts() -> None:
    assert "PID|1||P1^^^PACSLAB^MR||SYNTHETIC^ANNA^M^MD^Dr.||19800101|F\r" in WRITTEN["A01"]


@given(st.text(st.characters(exclude_characters="\r\x00", codec="utf-8"), max_size=80))
def test_any_text_comes_back(text: str) -> None:
    message = reading.parse(messages.result(SENDER, PATIENT, ORDER, text))
    assert reading.value(message, "OBX", 5) == text


def near_messages() -> st.SearchStrategy[bytes]:
    """Messages with some of their bytes replaced, taken away or said again."""
    return st.builds(
        lambda text, at, cut, more: text[: at % len(text)] + more + text[at % len(text) + cut :],
        st.sampled_from([text.encode() for text in WRITTEN.values()]),
        st.integers(0, 2000),
        st.integers(0, 40),
        st.binary(max_size=20) | st.sampled_from([b"|", b"^", b"\r", b"\\", b"MSH|", b"~", b"\xff", b"\x0b"]),
    )


@given(st.binary(max_size=300) | near_messages())
def test_anything_is_a_message_or_a_refusal_that_can_be_answered(block: bytes) -> None:
    problem = None
    try:
        reading.read(block)
    except MessageError as error:
        problem = error
    answer = reading.parse(messages.acknowledge("ris", reading.header_of(block), problem))
    assert reading.value(answer, "MSA", 1) == (problem.code if problem else "AA")
