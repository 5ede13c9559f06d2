"""A YAML file -> a tree of text with positions; refuses whatever hides meaning."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pacslab.errors import Diagnostic, LabFileError
from pacslab.model.lab import Origin

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MANY_WORDS = 200
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # YAML 1.1 4.1.4: what ends a line

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file's values as plain text, lists and mappings, with the place of each."""

    file: str
    path: Path
    value: Any
    places: dict[Loc, Origin]  # of values
    keys: dict[Loc, Origin]  # of the keys that lead to them

    def origin(self, loc: Iterable[str | int]) -> Origin:
        """Where a value stands; of what is missing, where its nearest parent stands."""
        loc = tuple(loc)
        while loc not in self.places and loc:
            loc = loc[:-1]
        return self.places.get(loc, Origin(self.file))

    def key(self, loc: Iterable[str | int]) -> Origin:
        """Where the key of a value stands, or the value itself in a list."""
        loc = tuple(loc)
        return self.keys.get(loc) or self.origin(loc)


def read(path: Path, *, seen_from: Origin | None = None) -> Source:
    """Read a file.

    Args:
        path: The file.
        seen_from: The line that names the file, for the error when it cannot be read.

    Raises:
        LabFileError: The file cannot be read, is not UTF-8, not YAML, or hides meaning.
    """
    name = display_name(path)
    place = seen_from or Origin(name)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise _refuse("file-unreadable", f"{name} is a directory", "name a YAML file in it", place) from None
    except FileNotFoundError:
        raise _refuse("file-missing", f"there is no file {name}", _nearby(path), place) from None
    except OSError as error:
        raise _refuse(
            "file-unreadable", f"cannot read {name}: {error.strerror}", "check the path and its permissions", place
        ) from None
    except ValueError:  # a NUL, which YAML can write and no file system knows
        raise _refuse("file-unreadable", f"{name!r} cannot be a file's name", "check the path", place) from None
    if len(data) > MAX_BYTES:
        raise _refuse("file-too-large", f"{name} is larger than {MAX_BYTES // 2**20} MiB", "split it", place)
    return parse(data, name, path)


def parse(data: bytes, name: str, path: Path | None = None) -> Source:
    """Parse the bytes of a YAML file called `name`.

    Raises:
        LabFileError: As for `read`.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]  # not data[...]: a byte order mark is counted in one and not the other
        hint = "save it as UTF-8" + (" (it looks like Latin-1)" if byte >= 0xA0 else "")
        origin = _after(name, error.object[: error.start].decode())
        raise _refuse("not-utf-8", f"byte 0x{byte:02x} is not UTF-8", hint, origin) from None
    builder = _Builder(name)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        end = _after(name, text)  # the parser counts a line more when the last one has no end
        origin = min(end, _marked(name, error.problem_mark or error.context_mark))
        begun = min(end, _marked(name, error.context_mark))
        problem = (error.problem or "not YAML").strip()
        related = () if error.context_mark is None or begun == origin else (begun,)
        hint = _yaml_hint(problem, text, origin)
        raise _refuse("not-yaml", f"not YAML: {problem}", hint, origin, *related) from None
    except yaml.reader.ReaderError as error:
        character = chr(error.character)
        origin = _after(name, text.partition(character)[0])
        message = f"the character {character!r} may not stand in YAML"
        raise _refuse("not-yaml", message, "take it out, or write it as an escape in double quotes", origin) from None
    return Source(name, path or Path(name), builder.root, builder.places, builder.keys)


def display_name(path: Path) -> str:
    """The path as messages show it: relative to the working directory where that is shorter."""
    try:
        relative = path.resolve().relative_to(Path.cwd())
    except (ValueError, OSError, RuntimeError):  # RuntimeError: a link that leads to itself, until Python 3.13
        return str(path)
    return str(relative)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or lists them all when none is near."""
    words = sorted(set(known))
    if len(words) > MANY_WORDS:  # comparing takes long: only what begins alike
        words = [other for other in words if other[:1] == word[:1]][:MANY_WORDS] or words[:MANY_WORDS]
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    if not words:
        return ""
    shown = ", ".join(words[:12]) + (", ..." if len(words) > 12 else "")
    return f"known here: {shown}"


def _events(text: str) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    return iter(yaml.parse(text, Loader=loader))


class _Builder:
    """Builds values from parser events without recursion, so that depth is bounded by us and not by the stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Any = None
        self.places: dict[Loc, Origin] = {}
        self.keys: dict[Loc, Origin] = {}
        self._stack: list[tuple[Loc, Any]] = []
        self._key: list[tuple[str, Origin] | None] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        origin = _marked(self.file, event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _refuse("many-documents", "a second document starts here", "one file, one document", origin)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refuse("anchor", "anchors and aliases hide meaning", "write the value out where it is used", origin)
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
            self._refuse_tag(event, origin)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, origin)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open({}, origin)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open([], origin)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop()
            self._key.pop()

    def _refuse_tag(self, event: Any, origin: Origin) -> None:
        if event.tag is not None and event.tag != "!":
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _refuse("tag", f"the tag {tag!r} is not used here", "write the plain value", origin)

    def _scalar(self, event: yaml.ScalarEvent, origin: Origin) -> None:
        if self._stack and isinstance(self._stack[-1][1], dict) and self._key[-1] is None:
            self._new_key(event.value, origin)
            return
        empty = event.value == "" and event.implicit[0]
        self._put(None if empty else event.value, origin)

    def _new_key(self, key: str, origin: Origin) -> None:
        loc, mapping = self._stack[-1]
        if key == "<<":
            raise _refuse("merge-key", "merge keys hide meaning", "write the values out", origin)
        if key in mapping:
            first = self.keys[*loc, key]
            raise _refuse("duplicate-key", f"{key!r} is written twice", "keep one of them", origin, first)
        self._key[-1] = (key, origin)

    def _put(self, value: Any, origin: Origin) -> Loc:
        if not self._stack:
            self.root = value
            self.places[()] = origin
            return ()
        parent, container = self._stack[-1]
        if isinstance(container, list):
            loc: Loc = (*parent, len(container))
            container.append(value)
        else:
            entry = self._key[-1]
            if entry is None:
                raise _refuse("complex-key", "a key must be plain text", "write `name: value`", origin)
            key, key_origin = entry
            loc = (*parent, key)
            container[key] = value
            self.keys[loc] = key_origin
            self._key[-1] = None
        self.places[loc] = origin
        return loc

    def _open(self, value: Any, origin: Origin) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _refuse("too-deep", f"nested deeper than {MAX_DEPTH} levels", "no lab needs that", origin)
        loc = self._put(value, origin)
        self._stack.append((loc, value))
        self._key.append(None)


def _marked(name: str, mark: Any) -> Origin:
    """The place of the parser's mark, which counts from zero."""
    return Origin(name, mark.line + 1, mark.column + 1) if mark else Origin(name)


def _after(name: str, text: str) -> Origin:
    """The place that follows the beginning `text` of a file."""
    lines = _BREAK.split(text)
    return Origin(name, len(lines), len(lines[-1]) + 1)


def _refuse(code: str, message: str, hint: str, origin: Origin, *related: Origin) -> LabFileError:
    return LabFileError((Diagnostic(code, message, hint, origin, related=related),))


def _yaml_hint(problem: str, text: str, origin: Origin) -> str:
    line = text.split("\n")[origin.line - 1 : origin.line]
    if "\t" in "".join(line)[: origin.column]:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in problem:
        return "quote text that holds ': ', or check the indentation of this line"
    return "check the indentation and the quotes of this line and the one before"


def _nearby(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix in {".yaml", ".yml"}]
    except OSError:
        return "check the path"
    return did_you_mean(path.name, names) or "check the path"
