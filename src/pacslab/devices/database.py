"""A file -> an SQLite database whose transactions survive a kill, a power cut and several writers at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pacslab.devices.observing import say

BUSY_TIMEOUT_S = 5.0


class StorageError(OSError):
    """The database's file cannot be read or written: the disk is full, another writer holds it for too long."""


class Database:
    """One file; safe to use from several threads and several processes."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._busy = False  # within a transaction
        self._sql = _open(path)
        if self._foreign(version):
            self._sql.close()
            _set_aside(path)
            self._sql = _open(path)
        self._sql.executescript(f"PRAGMA user_version = {version}; {schema}")

    def _foreign(self, version: int) -> bool:
        (found,) = self._sql.execute("PRAGMA user_version").fetchone()
        (tables,) = self._sql.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return bool(tables) and found != version

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement; outside of `transaction` it is one by itself.

        Raises:
            StorageError: The file could not be read or written.
        """
        with self._lock, _named():
            return self._sql.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that happens inside is kept, or nothing; a transaction within one belongs to it."""
        with self._lock:
            if self._busy:
                yield
                return
            # IMMEDIATE: two processes that read and then write would otherwise fail each other (SQLITE_BUSY).
            self.rows("BEGIN IMMEDIATE")
            self._busy = True
            try:
                yield
                self.rows("COMMIT")
            except BaseException:
                if self._sql.in_transaction:  # a full disk ends it by itself
                    self._sql.execute("ROLLBACK")
                raise
            finally:
                self._busy = False


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageError(f"the node's memory: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    sql = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    # WAL: readers do not wait for writers. FULL: a commit is on the disk before anybody hears of it.
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = FULL")
    return sql


def _set_aside(path: Path) -> None:
    aside = path.with_name(f"{path.name}.old")
    path.replace(aside)
    say(f"{path} was written by another version: kept as {aside.name}, begun anew")
