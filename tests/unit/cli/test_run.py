"""`pacslab run` before it reaches any engine, and what it writes while it works."""

import pytest

from pacslab.cli import run
from pacslab.cli.app import run as command_line
from pacslab.errors import Exit, PacslabError
from pacslab.model.device import Layer
from pacslab.model.plan import Plan
from pacslab.model.workflow import Ending, Part, PlannedStep, Step, TakenStep
from pacslab.workflow.stations import find_stations

FIND = PlannedStep(Step.FIND, Part.READ, "reading-1", "pacs")


def test_an_unknown_workflow_is_said_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["run", "lab/reference.yaml", "cardiology-day"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "there is no workflow 'cardiology-day'" in said
    assert "radiology-day, order, acquire, archive, read, report" in said


def test_scanners_are_chosen_by_name_and_modality(reference: Plan) -> None:
    stations = find_stations(reference)
    assert [one.scanner for one in run._chosen(stations, "", "")] == ["ct-1", "mr-1", "us-1"]
    assert [one.scanner for one in run._chosen(stations, "modality/mr-1", "")] == ["mr-1"]
    assert [one.scanner for one in run._chosen(stations, "", "US")] == ["us-1"]


@pytest.mark.parametrize(("scanner", "modality"), [("ct-9", ""), ("", "PT"), ("ct-1", "MR")])
def test_a_scanner_that_cannot_take_part_is_said_with_those_that_can(
    reference: Plan, scanner: str, modality: str
) -> None:
    with pytest.raises(PacslabError, match="can take part") as caught:
        run._chosen(find_stations(reference), scanner, modality)
    assert caught.value.hint == "there are: ct-1 (CT), mr-1 (MR), us-1 (US)"
    assert caught.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        (TakenStep(FIND, Ending.HELD, "0x0000", "1 study", Layer.DIMSE, 0, 0.31), "study found: 1 study  (0.3 s)"),
        (TakenStep(FIND, Ending.FAILED, "A-ABORT", "", Layer.ASSOCIATION), "study found: FAILED, association: A-ABORT"),
    ],
)
def test_each_step_is_one_line_as_it_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, taken: TakenStep, text: str
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with run._watching() as notice:
        notice("D1", FIND, None)
        notice("D1", FIND, taken)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [f"D1  reading-1 -> pacs        {text}"]
