"""Random bytes and mutated files -> the loader, for N seconds: a lab or diagnostics with a place, never anything else.

`python -m tests.fuzz.loader [SECONDS] [SEED]`; 300 seconds unless given. A file that breaks the loader is kept.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pacslab.errors import Diagnostic, LabFileError
from pacslab.labfile.load import load
from pacslab.model.lab import Origin

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "tests" / "unit" / "labfile" / "world"
LIMIT_S = 2.0
WORDS = (
    *("*", "&a ", "*a", "!!int ", "<<: ", "\t", "- ", ": ", "#", "'", '"', "[", "]", "{", "}", "|", ">", "?", "%"),
    *("\n", "\r", "---\n", "\x00", "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "null", "~", "NO", "1e99", "0104"),
    *("count: 9999", "count: 1", "{n}", "replicas", "without", "network6: 2001:2::/48", "address6: ::1", "for: 25h"),
    *("198.18.0.0/15", "198.19.255.255", "::/0", "0.0.0.0/0", "9999-12-31", "0000-00-00", "granted: true", "services"),
    *("[{name: a, port: 1-65535}]", "kind: container", "image: x", "environment: {A: b}", "scanners/*", "mr-3", "/"),
    *("\ud800", "a" * 300, "[" * 40, "- " * 40, "security_level: 4", "from", "to", "*", "", " ", "  ", "    "),
)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A file with a few changes of bytes, words or lines."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(_CHANGES)(rng, data)
    return data


def _bytes(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randrange(4)) + data[at + rng.randrange(4) :]


def _word(rng: random.Random, data: bytes) -> bytes:
    spans = [found.span() for found in re.finditer(rb"[^\s,\[\]{}]+", data)] or [(0, 0)]
    start, end = rng.choice(spans)
    other = rng.choice(spans)
    new = rng.choice((rng.choice(WORDS).encode("utf-8", "surrogatepass"), data[other[0] : other[1]]))
    return data[:start] + new + data[end:]


def _line(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at] = b" " * rng.randrange(8) + lines[at].lstrip()
        case 3:
            lines.insert(to, lines.pop(at))
    return b"".join(lines)


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


_CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (_bytes, _word, _word, _word, _line, _line, _cut)


def complaint(lab_file: Path) -> str:
    """What is wrong with how the loader takes a lab; empty if nothing."""
    began = time.perf_counter()
    try:
        found: tuple[Diagnostic, ...] = load(lab_file).warnings
    except LabFileError as error:
        found = error.diagnostics
        if not found:
            return "an error without a diagnostic"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"{type(error).__name__}: {error}"
    if time.perf_counter() - began > LIMIT_S:
        return f"took {time.perf_counter() - began:.1f} s"
    wrong = [str(d) for d in found for place in (d.origin, *d.related) if not _stands(place)]
    return f"points outside: {wrong[0]}" if wrong else ""


def _stands(place: Origin) -> bool:
    """Whether a place is in its file."""
    text = Path(place.file).read_bytes().decode("utf-8-sig", "replace")
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)  # YAML 1.1 line breaks
    return 1 <= place.line <= len(lines) and 1 <= place.column <= len(lines[place.line - 1]) + 1


def main(seconds: float, seed: int) -> int:
    """Fuzz; print how much was tried, and the first file that broke the loader."""
    rng = random.Random(seed)  # noqa: S311 - the same seed, the same files
    tried: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(WORLD, Path(name) / "world"))
        for file in (ROOT / "zones").glob("*.yaml"):
            shutil.copy(file, folder)
        reference = (ROOT / "lab/reference.yaml").read_text(encoding="utf-8").replace("../zones/", "")
        (folder / "reference.yaml").write_text(reference, encoding="utf-8")
        good = {file: file.read_bytes() for file in sorted(folder.glob("*.yaml"))}
        while time.monotonic() < deadline:
            file = rng.choice(list(good))
            raw = rng.random() < 0.1
            data = rng.randbytes(rng.randrange(200)) if raw else mutated(rng, good[file])
            file.write_bytes(data)
            lab = folder / ("lab.yaml" if (WORLD / file.name).exists() else "reference.yaml")
            wrong = complaint(lab)
            if wrong:
                kept = Path(tempfile.gettempdir()) / f"pacslab-fuzz-{file.name}"
                kept.write_bytes(data)
                print(f"after {sum(tried.values())} files, seed {seed}: {wrong}\n  {kept}")
                return 1
            file.write_bytes(good[file])
            tried["random bytes" if raw else "mutated"] += 1
    print(f"{sum(tried.values())} files in {seconds:.0f} s, seed {seed}: {dict(tried)}; none broke the loader")
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(float(arguments[0]) if arguments else 300.0, int(arguments[1]) if len(arguments) > 1 else 5225))
