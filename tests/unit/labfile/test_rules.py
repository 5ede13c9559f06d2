"""Where the rules end: what is just right beside what is just wrong; each code's own example is in test_codes."""

import contextlib
import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.errors import LabFileError
from pacslab.labfile.load import load

WORLD = Path(__file__).parent / "world"
TODAY = dt.date(2027, 1, 1)
Lint = Callable[..., set[str]]
UNTIL = "    until: 2027-12-31\n"


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """The codes of the good world with some lines changed."""
    folder = Path(shutil.copytree(WORLD, tmp_path / "world"))

    def say(*changes: tuple[str, str, str], today: dt.date = TODAY) -> set[str]:
        for name, old, new in changes:
            text = (folder / name).read_text(encoding="utf-8")
            assert text.count(old) == 1, old
            (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        with contextlib.chdir(folder):
            try:
                return {diagnostic.code for diagnostic in load(Path("lab.yaml"), today).warnings}
            except LabFileError as error:
                return {diagnostic.code for diagnostic in error.diagnostics}

    return say


@pytest.mark.parametrize(
    ("today", "codes"),
    [
        (dt.date(2027, 11, 30), set()),  # 31 days before
        (dt.date(2027, 12, 1), {"expiring-conduit"}),
        (dt.date(2027, 12, 31), {"expiring-conduit"}),  # its last day
        (dt.date(2028, 1, 1), {"expired-conduit"}),
    ],
)
def test_the_last_day_is_permitted(today: dt.date, codes: set[str], lint: Lint) -> None:
    assert lint(today=today) == codes


def test_without_a_day_the_real_one_counts(tmp_path: Path) -> None:
    text = (WORLD / "scanners.yaml").read_text(encoding="utf-8")
    folder = Path(shutil.copytree(WORLD, tmp_path / "world"))
    (folder / "scanners.yaml").write_text(text.replace("2027-12-31", "1999-12-31"), encoding="utf-8")
    with pytest.raises(LabFileError, match="1 error"):
        load(folder / "lab.yaml")


def test_a_last_day_limits_a_grant_too(lint: Lint) -> None:
    assert lint(("scanners.yaml", "    for: 30m\n", "    until: 2028-06-30\n")) == set()


@pytest.mark.parametrize(("limit", "codes"), [("24h", set()), ("1440m", set()), ("25h", {"wrong-value"})])
def test_a_grant_lasts_a_day_at_most(limit: str, codes: set[str], lint: Lint) -> None:
    assert lint(("scanners.yaml", "    for: 30m\n", f"    for: {limit}\n")) == codes


def test_a_zone_answers_for_the_clear_text_of_all_its_conduits(lint: Lint) -> None:
    stated = "    clear_text: Both ends stand in one rack.\n"
    zone = "network: 198.18.20.0/24\n"
    assert lint(("images.yaml", stated, ""), ("images.yaml", zone, f"{zone}clear_text: One rack.\n")) == set()


def test_scanners_of_two_types_are_a_mix_and_one_scanner_is_no_zone_of_a_type(lint: Lint) -> None:
    assert lint(("lab.yaml", "without: [outside/guest-2]", "without: [outside/guest-2, scanners/mr]")) == set()


def test_a_whole_zone_of_one_kind_may_open_and_be_opened(lint: Lint) -> None:
    workstations = ("readers.yaml", "  helpdesk:\n    kind: probe\n", "")
    helpdesk = ("outside.yaml", "nodes:\n", "nodes:\n  helpdesk:\n    kind: probe\n")
    whole = ("images.yaml", "    from: readers/reading-1\n", "    from: readers\n")
    found = lint(workstations, helpdesk, whole, *_console_from("elsewhere"))
    assert "whole-zone" not in found
    assert found == {"missing-reverse", "unreached-service"}  # reading-2 may move now, and consoles have no visitor


def _console_from(zone: str) -> tuple[tuple[str, str, str], ...]:
    return (
        (
            "scanners.yaml",
            "    from: readers/helpdesk\n    to: ct-1\n    service: ssh\n",
            f"    from: {zone}\n    to: mr\n    service: dicom-tls\n    operations: [C-ECHO]\n",
        ),
        (
            "scanners.yaml",
            "    from: readers/helpdesk\n    to: ct-1\n    service: monitor\n",
            f"    from: {zone}\n    to: ct-1\n    service: monitor\n",
        ),
    )


def test_the_outside_may_talk_to_itself(lint: Lint) -> None:
    accepts = """
accepts:
  - id: chat
    from: outside/guest-1
    to: guest-3
    service: chat
    why: What strangers do with each other.
"""
    guest = "  guest-2:\n    kind: probe\n"
    more = "  guest-3:\n    kind: probe\n    services: [{name: chat, port: 5222}]\n"
    assert lint(("outside.yaml", guest, guest + more + accepts)) == set()


def test_an_archive_may_forward_to_a_workstation_that_never_asks(lint: Lint) -> None:
    to_both = (
        "readers.yaml",
        "    from: images/pacs\n    to: reading-1\n",
        "    from: images/pacs\n    to: [reading-1, reading-2]\n",
    )
    assert lint(to_both) == {"wide-reverse"}
    assert lint(("images.yaml", "    forward: [vna]\n", "    forward: [vna, reading-2]\n")) == set()


def test_an_archive_may_have_its_own_database_only(lint: Lint) -> None:
    second = "  vna:\n    kind: orthanc\n    ae_title: VNA\n"
    both = (
        "images.yaml",
        "    from: images/pacs\n    to: pacs-db\n",
        "    from: [images/pacs, images/vna]\n    to: pacs-db\n",
    )
    assert lint(both) == {"exposed-database"}
    assert lint(("images.yaml", second, second + "    database: pacs-db\n")) == set()


def test_a_conduit_from_a_zone_of_another_lab_is_no_slip_of_the_pen(lint: Lint) -> None:
    assert "absent-zone" not in lint(("images.yaml", "    from: readers/reading-1\n", "    from: teleradiology\n"))


def test_all_problems_of_a_stage_are_said_at_once_and_in_order(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(WORLD, tmp_path / "world"))
    for name in ("images.yaml", "scanners.yaml", "readers.yaml"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("    why: ", "    wy: "), encoding="utf-8")
    with contextlib.chdir(folder), pytest.raises(LabFileError) as caught:
        load(Path("lab.yaml"), TODAY)
    found = caught.value.diagnostics
    assert len(found) == 20  # each of ten conduits: a key too many and one missing
    assert [d.origin for d in found] == sorted(d.origin for d in found)
    assert {d.hint for d in found if d.code == "unknown-key"} == {"did you mean 'why'?"}


def test_a_move_that_nothing_delivers(lint: Lint) -> None:
    store = "    operations: [C-STORE]\n    why: Delivery of"
    assert lint(("readers.yaml", store, store.replace("C-STORE", "C-ECHO"))) == {"missing-reverse"}
