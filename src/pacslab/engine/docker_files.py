"""Files for a container -> one tar archive, as the engine's copy interface takes it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import PurePosixPath

from pacslab.model.plan import File

# Directories that every image has. An entry for one would change its owner and mode.
_STANDING = frozenset(
    {
        *("/", "/bin", "/dev", "/home", "/lib", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp"),  # noqa: S108
        *("/etc", "/etc/pacslab", "/etc/ssh", "/etc/ssl", "/opt", "/opt/pacslab"),
        *("/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/sbin", "/usr/share"),
        *("/var", "/var/cache", "/var/lib", "/var/lib/pacslab", "/var/log", "/var/tmp"),  # noqa: S108
    },
)


def archive(files: Iterable[tuple[File, bytes]]) -> bytes:
    """Pack files, with content already filled in, and the directories they need, into one tar to unpack at `/`.

    A file's group is its owner's number; a directory belongs to the owner of the first file beneath it.

    Raises:
        ValueError: A path is not absolute, or climbs with `..`.
    """
    buffer = io.BytesIO()
    made: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file, content in files:
            path = PurePosixPath(file.path)
            if not path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{file.path}: not an absolute path")
            for directory in reversed(path.parents):
                if str(directory) in _STANDING or str(directory) in made:
                    continue
                made.add(str(directory))
                entry = _entry(directory, 0o755, file.uid)
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            entry = _entry(path, file.mode, file.uid)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _entry(path: PurePosixPath, mode: int, owner: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(str(path).lstrip("/"))
    entry.mode = mode
    entry.uid = entry.gid = owner
    return entry
