"""The tables of SOP classes agree with pynetdicom's and pydicom's own, and with what devices and archives are told."""

from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom._globals import DEFAULT_TRANSFER_SYNTAXES

from pacslab.devices import association, scp
from pacslab.model import registry
from pacslab.model.registry import OTHER_STORAGE, RETIRED_TRANSFER_SYNTAXES, STORAGE, TRANSFER_SYNTAXES, Uid
from pacslab.model.sop import LIMITS, UNCOMPRESSED


def test_every_identifier_has_its_registered_name() -> None:
    single = [value for value in vars(registry).values() if isinstance(value, Uid)]
    for uid in (*single, *STORAGE, *OTHER_STORAGE, *TRANSFER_SYNTAXES, *RETIRED_TRANSFER_SYNTAXES):
        if UID(uid.uid).name != uid.uid:  # the newest are not in its dictionary
            assert uid.name == UID(uid.uid).name


def test_the_tables_are_as_long_as_the_libraries_are() -> None:
    assert {uid.uid for uid in STORAGE} == {str(c.abstract_syntax) for c in AllStoragePresentationContexts}
    assert [uid.uid for uid in TRANSFER_SYNTAXES] == ALL_TRANSFER_SYNTAXES
    assert [uid.uid for uid in UNCOMPRESSED] == DEFAULT_TRANSFER_SYNTAXES


def test_limits_are_those_of_the_listeners() -> None:
    ours = LIMITS["ris"]
    assert ours.max_pdu_bytes == association.MAX_PDU_BYTES
    assert ours.associations_max == scp.ASSOCIATIONS_MAX
    assert (ours.idle_timeout_s, ours.answer_timeout_s) == (scp.IDLE_TIMEOUT_S, scp.ANSWER_TIMEOUT_S)
