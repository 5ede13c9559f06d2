"""Whatever a message holds, a patient and an order come of it, or a refusal by place; and what comes fits DICOM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.valuerep import validate_value

from pacslab.devices import intake, messages, reading
from pacslab.devices.matching import describe
from pacslab.devices.messages import Order, Patient, Sender
from pacslab.devices.orders import Entry, Status
from pacslab.devices.reading import MessageError

TEXT = st.text(st.characters(exclude_characters="\r\x00", codec="utf-8"), max_size=70) | st.text("A1^\\= ", max_size=12)


@given(TEXT, TEXT, TEXT, TEXT, TEXT)
def test_what_is_taken_in_fits_a_worklist_answer(number: str, name: str, code: str, station: str, when: str) -> None:
    order = Order(number, "CT", code, when, station)
    message = reading.parse(messages.order(Sender("ehr", "ris"), Patient(number, name), order))
    try:
        patient = intake.patient_of(message)
        ordered = intake.order_of(message, intake.accession_of(message), None, "ehr")
    except MessageError as refusal:
        assert refusal.where  # noqa: PT017 - both outcomes are right
        return
    answer = describe(Entry(ordered, patient, Status.SCHEDULED), "CT1")
    for element in answer.iterall():
        if element.VR not in {"SQ", "US"} and element.value:
            validate_value(element.VR, str(element.value), 2)  # 2: raise


@pytest.mark.parametrize(
    ("said", "kept"),
    [("20300101", "203001010000"), ("2030010108", "203001010800"), ("20300101083015", "203001010830"),
     ("20300101083015.1+0100", "203001010830")],
)  # fmt: skip
def test_times_of_any_precision(said: str, kept: str) -> None:
    order = Order("A1", "CT", "CT thorax", said)
    message = reading.parse(messages.order(Sender("ehr", "ris"), Patient("P1", "A^B"), order))
    assert intake.order_of(message, "A1", None, "ehr").scheduled == kept
