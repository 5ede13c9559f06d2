"""What `init` writes: a lab that is right from the first line, and never over somebody's own files."""

import json
import shlex
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from pacslab.cli.app import run
from pacslab.cli.init import FILES, NAME, lab_name
from pacslab.compiler.compile import compile_lab
from pacslab.errors import Exit
from pacslab.labfile.load import load


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_it_writes_has_neither_errors_nor_warnings(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init"]) == Exit.DONE
    assert run(["lint", f"{NAME}/lab.yaml"]) == Exit.DONE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("0 errors, 0 warnings\n")


def test_every_conduit_of_it_opens_something(here: Path) -> None:
    run(["init"])
    lab = load(Path(NAME, "lab.yaml")).lab
    plan = compile_lab(lab)
    assert {flow.conduit for flow in plan.flows} == {conduit.id for conduit in lab.conduits}
    assert {"laptop-1"} == {n.name for n in plan.nodes} - {
        name for f in plan.flows for name in (f.source, f.destination)
    }


def test_every_key_is_explained_where_it_is_first_used(here: Path) -> None:
    """A remark explains the lines below it, up to an empty one."""
    run(["init"])
    first: dict[str, bool] = {}
    for file in FILES:
        explained = False
        for line in map(str.strip, Path(NAME, file).read_text(encoding="utf-8").splitlines()):
            explained = line.startswith("#") or (explained and line != "")
            if line and not line.startswith("#") and ":" in line:
                first.setdefault(line.removeprefix("- ").partition(":")[0], explained)
    assert {"lab", "posture", "zone", "network", "kind", "ae_title", "from", "operations", "why"} <= set(first)
    assert [key for key, explained in first.items() if not explained] == []


def test_nft_takes_its_rules(here: Path, nft_check: object) -> None:
    run(["init"])
    assert callable(nft_check)
    assert nft_check(compile_lab(load(Path(NAME, "lab.yaml")).lab).ruleset) == ""


@pytest.mark.parametrize(
    ("folder", "name"),
    [("St. Mary's 2", "st-mary-s-2"), ("radiology", "radiology"), ("2nd", NAME), ("+++", NAME), ("x" * 33, NAME)],
)
def test_a_lab_is_called_after_its_folder(folder: str, name: str, here: Path) -> None:
    assert lab_name(Path(folder)) == name
    assert run(["init", folder]) == Exit.DONE
    assert load(Path(folder, "lab.yaml")).lab.name == name


def test_in_the_folder_one_stands_in(here: Path) -> None:
    (here / "zones").mkdir()
    assert run(["init", "."]) == Exit.DONE
    assert sorted(str(path.relative_to(here)) for path in here.rglob("*.yaml")) == sorted(FILES)


def test_nothing_is_overwritten_and_nothing_is_written_beside_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = here / NAME / "zones/modality.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("mine", encoding="utf-8")
    (here / NAME / "lab.yaml").symlink_to("nowhere")
    assert run(["init"]) == Exit.REFUSED
    said = capsys.readouterr().err
    assert f"nothing is written: {NAME}/lab.yaml, {NAME}/zones/modality.yaml are there already" in said
    assert "hint:" in said
    assert own.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in own.parent.iterdir()] == ["modality.yaml"]


def test_a_file_where_a_folder_is_needed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "zones").write_text("", encoding="utf-8")
    assert run(["init", "."]) == Exit.REFUSED
    assert "zones is there already" in capsys.readouterr().err
    assert not (here / "lab.yaml").exists()


def test_a_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "/proc/lab"]) == Exit.REFUSED
    assert "cannot write /proc/lab/lab.yaml" in capsys.readouterr().err


def test_the_next_commands_can_be_pasted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "a b", "--json"]) == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert document["lab"] == "a-b"
    assert [Path(file).exists() for file in document["files"]] == [True] * len(FILES)
    for command in document["next"]:
        program, word, file = shlex.split(command)
        assert (program, Path(file)) == ("pacslab", Path("a b/lab.yaml"))
        assert run([word, "--help"]) == Exit.DONE


def test_an_installed_pacslab_has_the_template(root: Path, tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"pacslab/templates/lab/{file}" for file in FILES} <= set(names)
