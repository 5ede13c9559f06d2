"""compose/images/requirements.txt -> the wheels it pins, in compose/images/wheels, fetched where they are missing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pacslab.errors import PacslabError

REQUIREMENTS = "compose/images/requirements.txt"
WHEELS = "compose/images/wheels"
IMAGE_PYTHON = "3.13"  # Debian trixie's
_FETCH_TIMEOUT_S = 600


def pinned(root: Path) -> dict[str, Path]:
    """The wheels that are there and pinned, by SHA-256."""
    wanted = _hashes(root)
    found = {hashlib.sha256(wheel.read_bytes()).hexdigest(): wheel for wheel in sorted((root / WHEELS).glob("*.whl"))}
    return {digest: wheel for digest, wheel in found.items() if digest in wanted}


def ensure_wheels(root: Path, on_line: Callable[[str], None]) -> None:
    """Fetch the pinned wheels that are missing; what is there, put by hand or fetched before, is kept.

    Raises:
        PacslabError: They cannot be fetched.
    """
    if set(pinned(root)) == _hashes(root):
        return
    place = root / WHEELS
    place.mkdir(parents=True, exist_ok=True)
    on_line(f"fetching the wheels of {REQUIREMENTS}")
    with tempfile.TemporaryDirectory(dir=place, prefix=".fetch-") as fresh:
        _fetch(root, Path(fresh))
        for wheel in Path(fresh).glob("*.whl"):
            wheel.replace(place / wheel.name)
    if missing := len(_hashes(root) - set(pinned(root))):
        raise PacslabError(f"{missing} of the wheels in {REQUIREMENTS} are still missing", hint=_hint())


def _fetch(root: Path, place: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    only = ["--no-deps", "--only-binary=:all:", "--python-version", IMAGE_PYTHON, "--require-hashes"]
    argv = [*pip, *only, "--dest", str(place), "--requirement", str(root / REQUIREMENTS)]
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise PacslabError(f"the wheels did not come within {_FETCH_TIMEOUT_S} s", hint=_hint()) from error
    except (subprocess.CalledProcessError, OSError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        raise PacslabError(f"cannot fetch the images' wheels: {' '.join(said)}", hint=_hint()) from error


def _hashes(root: Path) -> set[str]:
    words = (root / REQUIREMENTS).read_text().split()
    return {word.removeprefix("--hash=sha256:") for word in words if word.startswith("--hash=sha256:")}


def _hint() -> str:
    return f"check the network, or put the wheels that {REQUIREMENTS} pins into {WHEELS} by hand"
