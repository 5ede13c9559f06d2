"""Bytes and UIDs -> files that appear complete or not at all, and only under names that are UIDs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pacslab.model.dicom import is_uid


def uid_path(folder: Path, *uids: str, suffix: str = "") -> Path:
    """Join UIDs to a path below a folder.

    Raises:
        ValueError: One of them is not a UID, and might lead elsewhere (FACTS 1.15).
    """
    for uid in uids:
        if not is_uid(uid):
            raise ValueError(f"{uid!r} is not a UID")
    return folder.joinpath(*uids[:-1], uids[-1] + suffix)


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file under its name only when it is complete; replaces one of that name.

    Args:
        path: The file.
        content: All of it.
        durable: Return only when it would survive a loss of power.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_json(path: Path, value: Any, *, durable: bool = False) -> None:
    """Write a JSON value as a whole file."""
    write_whole(path, json.dumps(value, ensure_ascii=False).encode(), durable=durable)


def read_json(path: Path) -> Any:
    """Read a JSON value from a file."""
    return json.loads(path.read_bytes())


def wait_until(holds: Callable[[], bool], timeout_s: float, every_s: float = 0.05) -> bool:
    """Look again and again until something holds; False when the time is up first."""
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() >= end:
            return False
        time.sleep(every_s)
    return True
