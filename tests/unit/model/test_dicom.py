"""AE titles and UIDs by the standard's own words."""

import pytest

from pacslab.model.dicom import AE_TITLE, OPERATIONS, Application, is_uid


@pytest.mark.parametrize("title", ["A", "CT1", "ct_1", "A B", "1234567890123456", "!#$%&()*+,-./:;<="])
def test_ae_titles(title: str) -> None:
    assert (AE_TITLE.fullmatch(title) is not None) == (len(title) <= 16)


@pytest.mark.parametrize("title", ["", " A", "A ", "A\\B", 'A"B', "Ä", "A\tB", "A\n", "12345678901234567"])
def test_not_ae_titles(title: str) -> None:
    assert AE_TITLE.fullmatch(title) is None


@pytest.mark.parametrize("text", ["1", "1.2.840.10008.1.1", "1." + "2" * 62])
def test_uids(text: str) -> None:
    assert is_uid(text)


@pytest.mark.parametrize("text", ["", ".", "1.", ".1", "1..2", "../1", "1.2\n", "1.2a", "1." + "2" * 63])
def test_what_must_not_become_a_file_name(text: str) -> None:
    assert not is_uid(text)


def test_every_application_says_what_may_be_spoken() -> None:
    assert set(OPERATIONS) == set(Application)
