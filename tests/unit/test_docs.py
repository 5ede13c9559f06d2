"""The generated pages of docs/reference are what the code says now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import typer
import yaml
from typer.core import TyperGroup

from pacslab.cli.app import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date() -> None:
    for name, text in _generator().pages().items():
        assert (DOCS / "reference" / name).read_text() == text, f"{name} is stale: run `make docs`"


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page}: {target}"


PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
COMMANDS = re.compile(r"^(?:[$] |- run: |run: |- |)(?:sudo )?(?:[.]venv/bin/)?pacslab ((?:[a-z-]+)(?: [^\n|#&;>)`]*)?)")


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "diagnostics.md"], ids=lambda p: p.name)
def test_yaml_in_the_pages_is_yaml(page: Path) -> None:
    for block in _blocks(page, "ya?ml"):
        assert yaml.safe_load(block) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_and_option_in_the_pages_exists(page: Path) -> None:
    root = typer.main.get_command(app)
    for block in _blocks(page, "(?:sh|console|ya?ml)"):
        for line in (found for text in block.splitlines() for found in COMMANDS.findall(text.strip())):
            command, words = root, line.partition(" -- ")[0].split()
            while words and isinstance(command, TyperGroup) and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            assert command is not root or words[0].startswith("-"), f"{page.name}: there is no `pacslab {line}`"
            known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
            for word in words:
                option = word.partition("=")[0]
                assert not option.startswith("--") or option in known, f"{page.name}: {option} in `pacslab {line}`"
