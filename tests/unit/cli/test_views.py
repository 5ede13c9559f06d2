"""`plan`, `matrix` and `map` as commands: what stands on stdout, what the exit code says, what `--json` promises."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pacslab.cli.app import run
from pacslab.compiler.compile import compile_lab
from pacslab.engine.state import State
from pacslab.errors import Exit
from pacslab.labfile.load import load

Capture = pytest.CaptureFixture[str]
Said = Callable[..., tuple[int, str]]


@pytest.fixture
def here(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped labs as `lab/` and `zones/`, and once more under `old/`."""
    for folder in ("lab", "zones", "old/lab", "old/zones"):
        source = root / folder.removeprefix("old/")
        shutil.copytree(source, tmp_path / folder, ignore=shutil.ignore_patterns(".pacslab"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    return tmp_path


@pytest.fixture
def said(capsys: Capture) -> Said:
    def saying(*arguments: str) -> tuple[int, str]:
        code = run(list(arguments))
        return code, capsys.readouterr().out

    return saying


def _widen(here: Path) -> None:
    file = here / "zones/pacs-core.yaml"
    text = file.read_text(encoding="utf-8")
    old = "from: clinical/reading-1\n    to: pacs-web"
    assert old in text
    file.write_text(
        text.replace(old, "from: [clinical/reading-1, outside/guest-1]\n    to: pacs-web"), encoding="utf-8"
    )


def _line(here: Path) -> int:
    """Where the conduit of `_widen` is written."""
    return (here / "zones/pacs-core.yaml").read_text(encoding="utf-8").splitlines().index("  - id: read-web") + 1


LAB, OLD = "lab/reference.yaml", "old/lab/reference.yaml"


def test_the_same_policy_elsewhere_is_no_difference(here: Path, said: Said) -> None:
    assert said("plan", LAB, "--against", OLD) == (Exit.DONE, "no difference\n")
    assert said("plan", LAB, "--against", OLD, "--exit-code") == (Exit.DONE, "no difference\n")


def test_a_widened_conduit_is_said_with_its_reason_and_line(here: Path, said: Said) -> None:
    _widen(here)
    code, text = said("plan", LAB, "--against", OLD)
    assert code == Exit.DONE
    line = _line(here)
    places = f"at zones/pacs-core.yaml:{line}:5, before at old/zones/pacs-core.yaml:{line}:5"
    assert text.splitlines() == [
        "opened    guest-1 -> pacs-web https 443/tcp (QIDO-RS, WADO-RS)",
        f"          because conduit 'read-web' now lets in guest-1, {places}",
        "difference: 1 opened",
    ]


def test_a_difference_can_be_an_exit_code(here: Path, said: Said) -> None:
    _widen(here)
    assert said("plan", LAB, "--against", OLD, "--exit-code")[0] == Exit.NO


def test_what_closed_is_seen_from_the_other_side(here: Path, said: Said) -> None:
    _widen(here)
    _, text = said("plan", OLD, "--against", LAB)
    assert text.splitlines()[0] == "closed    guest-1 -> pacs-web https 443/tcp (QIDO-RS, WADO-RS)"


def test_nodes_and_zones_that_come_and_go(here: Path, said: Said) -> None:
    _, text = said("plan", "lab/minimal.yaml", "--against", OLD)
    lines = text.splitlines()
    assert "removed   zone cloud: network 198.18.40.0/24" in lines
    assert "removed   node guest-1: zone outside, kind probe, address 198.18.90.11" in lines
    assert lines[-1] == "difference: 18 closed, 1 withdrawn, 4 zones removed, 13 nodes removed"


def test_a_difference_as_json(here: Path, said: Said) -> None:
    _widen(here)
    code, text = said("plan", LAB, "--against", OLD, "--json")
    document = json.loads(text)
    assert (code, document["schema_version"], document["differs"]) == (Exit.DONE, 1, True)
    assert document["against"]["file"] == OLD
    (change,) = document["difference"]["passages"]
    assert (change["access"], change["source"], change["destination"], change["port"]) == (
        "opened",
        "guest-1",
        "pacs-web",
        443,
    )
    assert change["after"][0]["line"] == _line(here)


def test_a_plan_says_nothing_of_a_lab_that_was_never_up(here: Path, capsys: Capture) -> None:
    started = time.monotonic()
    assert run(["plan", LAB]) == Exit.DONE
    assert time.monotonic() - started < 2
    said = capsys.readouterr()
    assert "against the running lab" not in said.out
    assert said.err == ""


def test_without_an_engine_a_plan_is_just_the_plan(here: Path, capsys: Capture) -> None:
    State.beside(Path(LAB), "reference").write_plan(compile_lab(load(Path(LAB)).lab))
    _widen(here)
    assert run(["plan", LAB, "--exit-code"]) == Exit.DONE
    said = capsys.readouterr()
    assert "against the running lab" not in said.out
    assert "nothing is said of the running lab: " in said.err
    assert run(["plan", LAB, "--json"]) == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert document["running"] is None
    assert document["lab"] == "reference"


def test_errors_in_the_other_lab_file_are_said(here: Path, capsys: Capture) -> None:
    Path(OLD).write_text("lab: Wrong\n", encoding="utf-8")
    assert run(["plan", LAB, "--against", OLD]) == Exit.USAGE
    assert OLD in capsys.readouterr().err


def test_a_matrix_in_every_form(here: Path, said: Said) -> None:
    forms = {form: said("matrix", LAB, "--format", form)[1] for form in ("table", "csv", "markdown")}
    assert forms["table"].startswith("from \\ to")
    assert forms["csv"].startswith("from / to,modality,")
    assert forms["markdown"].startswith("# Who may talk to whom in lab reference")
    document = json.loads(said("matrix", LAB, "--json")[1])
    assert document["schema_version"] == 1
    assert sum(cell["open"] for cell in document["zone_cells"]) == 20
    assert len(document["passages"]) == 21


def test_a_map_in_every_form(here: Path, said: Said) -> None:
    assert ET.fromstring(said("map", LAB)[1]).tag.endswith("svg")  # noqa: S314 - our own
    assert said("map", LAB, "--format", "mermaid")[1].startswith("flowchart LR\n")
    assert said("map", LAB, "--format", "dot")[1].startswith('digraph "reference" {\n')
    document = json.loads(said("map", LAB, "--json")[1])
    assert document["schema_version"] == 1
    assert len(document["lines"]) == 15


def test_a_map_into_a_file(here: Path, said: Said) -> None:
    _, text = said("map", LAB)
    assert said("map", LAB, "-o", "map.svg") == (Exit.DONE, "")
    assert Path("map.svg").read_text(encoding="utf-8") == text
    assert run(["map", LAB, "-o", "nowhere/map.svg"]) == Exit.REFUSED
