"""The how-to page about reviews, replayed: it shows what the commands print; `--golden-update` rewrites it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.cli.app import run
from pacslab.errors import Exit

PAGE = "docs/how-to/review-a-policy.md"
BLOCK = re.compile(r"```console\n\$ pacslab (?P<command>.+)\n(?P<shown>(?:.*\n)*?)```", re.MULTILINE)
CHANGE = re.compile(r"```diff\n(?P<lines>(?:.*\n)*?)```")
REST = "...\n"  # in place of all further lines


def test_the_page_shows_what_the_commands_print(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    golden: Callable[[Path, str], None],
) -> None:
    page = (root / PAGE).read_text(encoding="utf-8")
    for folder in ("", "before"):
        for part in ("lab", "zones"):
            shutil.copytree(root / part, tmp_path / folder / part, ignore=shutil.ignore_patterns(".pacslab"))
    monkeypatch.chdir(tmp_path)
    (change,) = CHANGE.finditer(page)
    blocks = list(BLOCK.finditer(page))
    assert len(blocks) == 5
    replayed, written = "", 0
    for number, block in enumerate(blocks):
        if block.start() > change.start() and (number == 0 or blocks[number - 1].start() < change.start()):
            _apply(Path("zones/pacs-core.yaml"), change["lines"].splitlines())
        assert run(block["command"].split()) == Exit.DONE
        printed = [f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines()]
        shown = block["shown"].splitlines(keepends=True)
        now = [*printed[: len(shown) - 1], REST] if shown[-1:] == [REST] else printed
        replayed += page[written : block.start("shown")] + "".join(now)
        written = block.end("shown")
    golden(root / PAGE, replayed + page[written:])


def _apply(file: Path, lines: list[str]) -> None:
    """Make the change that the page shows."""
    old, new = ("\n".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
