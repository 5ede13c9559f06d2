"""What a server says on stderr -> the same, and a file of bounded size that its service console can show."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import sys
import threading
from pathlib import Path
from typing import TextIO

from pacslab.devices.home import Home

FILE_MAX_BYTES = 2**20


def log_file(home: Home) -> Path:
    """Where a device's log is kept."""
    return home.data / "log" / "serve.log"


def keep(home: Home) -> None:
    """Keep all that this process says on stderr from now on; a disk that is full loses the copy, not the server."""
    home.folder("log")
    sys.stderr = Logbook(sys.stderr, log_file(home))


class Logbook(io.TextIOBase):
    """A stream that also writes whole lines, with their time, into a file; the file begins anew when it is full."""

    def __init__(self, stream: TextIO, path: Path) -> None:
        super().__init__()
        self._stream = stream
        self._path = path
        self._begun = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Write to the stream, and each line that is complete to the file."""
        self._stream.write(text)
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            if lines:
                with contextlib.suppress(OSError):
                    self._keep(lines)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def _keep(self, lines: list[str]) -> None:
        now = dt.datetime.now().astimezone().isoformat(timespec="seconds")
        if self._path.exists() and self._path.stat().st_size > FILE_MAX_BYTES:
            self._path.replace(self._path.with_suffix(".log.1"))
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(f"{now} {line}\n" for line in lines)
