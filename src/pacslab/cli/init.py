"""`pacslab init [DIR]`: a lab of one's own to start from."""

from __future__ import annotations

import re
import shlex
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from pacslab.cli.output import print_json, say
from pacslab.cli.target import JsonOption
from pacslab.engine.state import saying
from pacslab.errors import PacslabError

FILES = ("lab.yaml", "zones/modality.yaml", "zones/pacs-core.yaml", "zones/clinical.yaml")
NAME = "my-lab"  # of the folder, and of the lab in the template
LONGEST_NAME = 32


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it.")] = Path(NAME),
    *,
    json: JsonOption = False,
) -> None:
    """Write a small lab with every line explained: a lab file and three zone files."""
    name = lab_name(folder)
    texts = {folder / file: _template(file) for file in FILES}
    texts[folder / FILES[0]] = texts[folder / FILES[0]].replace(f"\nlab: {NAME}\n", f"\nlab: {name}\n")
    _refuse_to_overwrite(tuple(texts))
    for path, text in texts.items():
        with saying(f"write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    commands = [
        f"pacslab {command} {shlex.quote(str(folder / FILES[0]))}" for command in ("lint", "matrix", "up", "verify")
    ]
    if json:
        print_json({"lab": name, "files": [str(path) for path in texts], "next": commands})
        return
    say(f"lab {name}: {', '.join(map(str, texts))}")
    say("next:\n" + "\n".join(f"  {command}" for command in commands))


def lab_name(folder: Path) -> str:
    """The lab is called after its folder, where that is a name: two labs of one name cannot run at once."""
    words = re.findall(r"[a-z0-9]+", folder.resolve().name.lower())
    name = "-".join(words)
    return name if re.fullmatch(rf"[a-z][a-z0-9-]{{0,{LONGEST_NAME - 1}}}", name) else NAME


def _template(file: str) -> str:
    return resources.files("pacslab").joinpath("templates", "lab", *file.split("/")).read_text(encoding="utf-8")


def _refuse_to_overwrite(paths: tuple[Path, ...]) -> None:
    """Raise if a file is there, or something that is no folder is where a folder is needed.

    Raises:
        PacslabError: Names everything that is in the way.
    """
    folders = {folder for path in paths for folder in path.parents if folder.exists() and not folder.is_dir()}
    taken = [*(path for path in paths if path.exists() or path.is_symlink()), *sorted(folders)]
    if taken:
        raise PacslabError(
            f"nothing is written: {', '.join(map(str, taken))} {'is' if len(taken) == 1 else 'are'} there already",
            hint="choose another folder: pacslab init DIR",
        )
