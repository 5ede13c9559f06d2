"""Any edit of a shipped file either loads or is refused at a place inside a file, never with another exception."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacslab.compiler.compile import compile_lab
from pacslab.errors import Diagnostic, LabFileError
from pacslab.labfile.load import load
from pacslab.model.lab import Origin

ROOT = Path(__file__).resolve().parents[2]
ZONES = sorted(file.name for file in (ROOT / "zones").glob("*.yaml"))
LABS = sorted(file.name for file in (ROOT / "lab").glob("*.yaml"))

_PIECES = [
    "*", "&a ", "*a", "!!int ", "<<: ", "\t", "- ", ": ", "#", "'", '"', "[", "]", "{", "}", "|", ">", "?", "%",
    "\n", "---\n", "\\0", '"\\0"', "\x00", "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "null", "~", "true",
    "-1", "1e99", "255.255.255.255/32", "0.0.0.0/0", "198.18.10.10", "::1", "2027-06-30", "from", "from_", "kind",
    "probe", "pacs", "[]", "{}", "[[]]", "{a: b}", "x" * 70, "{{pacslab:password:x}}", "[/]", "..", "/", "",
]  # fmt: skip
_RAW = [b"\xff", b"\xf6", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\x7f"]

Edit = Callable[[bytes], bytes]


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """One change: of bytes, of a word, or of lines; `where` and `to` are parts of a thousand."""
    kind = draw(st.sampled_from(["bytes", "word", "drop", "double", "move", "cut", "indent"]))
    where, to = draw(st.integers(0, 999)), draw(st.integers(0, 999))
    piece = draw(st.sampled_from([piece.encode() for piece in _PIECES] + _RAW))

    def edit(data: bytes) -> bytes:
        at = len(data) * where // 1000
        if kind == "bytes":
            return data[:at] + piece + data[at + to % 3 :]
        if kind == "cut":
            return data[:at]
        if kind == "word":
            words = list(re.finditer(rb"[^\s:,\[\]]+", data)) or [None]
            word = words[len(words) * where // 1000]
            return data if word is None else data[: word.start()] + piece + data[word.end() :]
        lines = data.splitlines(keepends=True) or [b""]
        line = len(lines) * where // 1000
        match kind:
            case "drop":
                del lines[line]
            case "double":
                lines.insert(line, lines[line])
            case "move":
                lines.insert(len(lines) * to // 1000, lines.pop(line))
            case "indent":
                lines[line] = b" " * (to % 5) + lines[line].lstrip()
        return b"".join(lines)

    return edit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("shipped")
    shutil.copytree(ROOT / "zones", copy / "zones")
    (copy / "lab").mkdir()
    for name in LABS:
        shutil.copy(ROOT / "lab" / name, copy / "lab")
    return copy


@settings(max_examples=60)
@given(changes=st.lists(edits(), min_size=1, max_size=3))
@pytest.mark.parametrize("name", ZONES)
def test_an_edited_zone_file(name: str, folder: Path, changes: list[Edit]) -> None:
    data = (ROOT / "zones" / name).read_bytes()
    for change in changes:
        data = change(data)
    (folder / "zones/edited.yaml").write_bytes(data)
    (folder / "lab/one.yaml").write_text("lab: one\nzones: [../zones/edited.yaml]\n", encoding="utf-8")
    _loads_or_says_where(folder / "lab/one.yaml")


@settings(max_examples=80)
@given(changes=st.lists(edits(), min_size=1, max_size=3))
@pytest.mark.parametrize("name", LABS)
def test_an_edited_lab_file(name: str, folder: Path, changes: list[Edit]) -> None:
    data = (ROOT / "lab" / name).read_bytes()
    for change in changes:
        data = change(data)
    (folder / "lab/edited.yaml").write_bytes(data)
    _loads_or_says_where(folder / "lab/edited.yaml")


def _loads_or_says_where(file: Path) -> None:
    found: tuple[Diagnostic, ...] = ()
    try:
        loaded = load(file)
        found = loaded.warnings
        compile_lab(loaded.lab)  # what the loader takes, the compiler takes
    except LabFileError as error:
        found = error.diagnostics or (Diagnostic("none", "", "", Origin(str(file))),)
    for diagnostic in found:
        _stands_inside(diagnostic)


def _stands_inside(diagnostic: Diagnostic) -> None:
    assert diagnostic.message
    assert "\n" not in diagnostic.message
    for place in (diagnostic.origin, *diagnostic.related):
        _is_inside(place, diagnostic)


def _is_inside(place: Origin, diagnostic: Diagnostic) -> None:
    text = Path(place.file).read_bytes().decode("utf-8-sig", "replace")
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)  # YAML 1.1 line breaks
    assert 1 <= place.line <= len(lines), str(diagnostic)
    assert 1 <= place.column <= len(lines[place.line - 1]) + 1, str(diagnostic)
