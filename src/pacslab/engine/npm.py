"""compose/images/npm.sha512 -> the npm packages it pins, in compose/images/npm, fetched where they are missing."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from pacslab.errors import PacslabError

PINS = "compose/images/npm.sha512"  # as sha512sum(1) writes it
PACKAGES = "compose/images/npm"
_FETCH_TIMEOUT_S = 300


def pinned_packages(root: Path) -> tuple[Path, ...]:
    """The packages that are there with the bytes that are pinned."""
    found = ((root / PACKAGES / name, digest) for name, digest in _pins(root).items())
    return tuple(path for path, digest in found if path.is_file() and _digest(path) == digest)


def ensure_packages(root: Path, on_line: Callable[[str], None]) -> None:
    """Fetch the pinned packages that are missing; what is there, put by hand or fetched before, is kept.

    Raises:
        PacslabError: They cannot be fetched, or are not what is pinned.
    """
    there = {path.name for path in pinned_packages(root)}
    missing = [name for name in _pins(root) if name not in there]
    if not missing:
        return
    place = root / PACKAGES
    place.mkdir(parents=True, exist_ok=True)
    on_line(f"fetching the packages of {PINS}")
    with tempfile.TemporaryDirectory(dir=place, prefix=".fetch-") as fresh:
        _fetch(missing, Path(fresh))
        for package in Path(fresh).glob("*.tgz"):
            package.replace(place / package.name)
    there = {path.name for path in pinned_packages(root)}
    if wrong := sorted(set(missing) - there):
        raise PacslabError(f"not what {PINS} pins, or missing: {', '.join(wrong)}", hint=_hint())


def _pins(root: Path) -> dict[str, str]:
    """File name -> SHA-512, in hexadecimal."""
    lines = (line.split() for line in (root / PINS).read_text().splitlines() if line.strip())
    return {name.removeprefix("*"): digest for digest, name in lines}


def _digest(path: Path) -> str:
    return hashlib.sha512(path.read_bytes()).hexdigest()


def _fetch(names: list[str], place: Path) -> None:
    # npm names the file of a package NAME-VERSION.tgz.
    wanted = ["@".join(name.removesuffix(".tgz").rsplit("-", 1)) for name in names]
    argv = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(place), *wanted]
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, cwd=place)
    except FileNotFoundError as error:
        raise PacslabError(
            "the viewer's packages are missing, and there is no npm to fetch them", hint=_hint()
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PacslabError(f"the viewer's packages did not come within {_FETCH_TIMEOUT_S} s", hint=_hint()) from error
    except (subprocess.CalledProcessError, OSError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        raise PacslabError(f"cannot fetch the viewer's packages: {' '.join(said)}", hint=_hint()) from error


def _hint() -> str:
    return f"install npm and check the network, or put the files that {PINS} names into {PACKAGES} by hand"
