"""What a lab keeps on the host: `.pacslab/<lab>/` beside its lab file, and nothing secret anywhere else."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pacslab.errors import Exit, PacslabError
from pacslab.model import codec
from pacslab.model.plan import Plan


@dataclass(frozen=True, slots=True)
class State:
    """The folder of one lab."""

    folder: Path

    @classmethod
    def beside(cls, lab_file: Path, lab: str) -> State:
        """The state of the lab that a lab file defines."""
        return cls(lab_file.resolve().parent / ".pacslab" / lab)

    @property
    def plan_file(self) -> Path:
        """The plan that was last brought up."""
        return self.folder / "plan.json"

    @property
    def reports(self) -> Path:
        """Where `verify` writes; kept when the lab goes down."""
        return self.folder / "reports"

    def make(self) -> None:
        """Create the folder, for its owner only, ignored by git.

        Raises:
            PacslabError: The place is not writable or the disk is full.
        """
        with saying(f"create {self.folder}"):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
            ignore = self.folder.parent / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")

    def write_plan(self, plan: Plan) -> None:
        """Keep the plan that is being brought up."""
        self.write("plan.json", codec.dumps(plan, indent=1).encode())

    def read_plan(self) -> Plan | None:
        """The plan that was last brought up, if this version of pacslab can still read it."""
        try:
            return codec.loads(Plan, self.plan_file.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None

    def write(self, name: str, data: bytes, *, mode: int = 0o600) -> Path:
        """Write a file of the folder, whole or not at all."""
        path = self.folder / name
        with saying(f"write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
        return path

    def read(self, name: str) -> bytes | None:
        """A file of the folder, if it is there."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return (self.folder / name).read_bytes()
        return None

    def forget(self) -> None:
        """Remove plan, keys and secrets; keep reports. An empty `.pacslab` goes too."""
        if not self.folder.is_dir():
            return
        for entry in self.folder.iterdir():
            if entry == self.reports and any(entry.iterdir()):
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()
            ignore = self.folder.parent / ".gitignore"
            if [*self.folder.parent.iterdir()] == [ignore]:  # other labs' secrets still want it
                ignore.unlink()
                self.folder.parent.rmdir()

    @contextlib.contextmanager
    def held(self, command: str) -> Iterator[None]:
        """Hold the lab for one changing command.

        Raises:
            PacslabError: Another command holds it; says which.
        """
        self.make()
        path = self.folder / "lock"
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
                file.seek(0)
                raise PacslabError(
                    f"another command holds this lab: {file.read().strip() or 'unknown'}",
                    hint="wait until it ends, or end it",
                ) from None
            file.truncate(0)
            file.write(f"pacslab {command}, process {os.getpid()}")
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def saying(doing: str) -> Iterator[None]:
    """Turn an error of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        hint = "free some disk space and run the command again" if error.errno == errno.ENOSPC else ""
        raise PacslabError(f"cannot {doing}: {error.strerror}", hint=hint, exit_code=Exit.REFUSED) from error
