"""Process id -> sockets in that process's network namespace, after checking that the namespace is a node's."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from pacslab.fabric.refusal import NotANode

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"
_LIBC = ctypes.CDLL(None, use_errno=True)  # os.setns only exists from Python 3.12 on


def open_namespace(pid: int) -> int:
    """Open the network namespace of a node's process; returns a file descriptor that the caller closes.

    Raises:
        NotANode: The process is gone, or lives in the fabric's own or in the host's namespace.
    """
    try:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise NotANode(f"process {pid} is gone") from None
    except PermissionError:
        raise NotANode(
            f"the namespace of process {pid} may not be opened",
            "the fabric needs the capability SYS_PTRACE and the host's process ids",
        ) from None
    try:
        _refuse_foreign(pid, fd)
    except NotANode:
        os.close(fd)
        raise
    return fd


def _refuse_foreign(pid: int, fd: int) -> None:
    identity = _identity(fd)
    if identity == _identity(_OWN):
        raise NotANode(f"process {pid} is in the fabric's own network namespace")
    # The engine's shim, parent of what runs in a container, lives in the host's namespace. Some hosts let nobody look
    # at their first process, AppArmor's docker-default at neither; laying a cable checks for the host's links as well.
    for witness in (1, os.getppid()):
        with suppress(PermissionError):
            if identity == _identity(f"/proc/{witness}/ns/net"):
                raise NotANode(f"process {pid} is in the host's network namespace")


def _identity(where: int | str) -> tuple[int, int]:
    status = os.stat(where)  # noqa: PTH116 - a file descriptor, too
    return status.st_dev, status.st_ino


@contextmanager
def inside(fd: int) -> Iterator[None]:
    """Let this thread make sockets in the namespace `fd`; a socket keeps the namespace it was created in."""
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(fd)
        try:
            yield
        finally:
            _setns(own)
    finally:
        os.close(own)


def make_inside(pid: int, make: Callable[[], T]) -> T:
    """Call `make`, which creates sockets, in the namespace of a node's process.

    Raises:
        NotANode: As `open_namespace`.
    """
    fd = open_namespace(pid)
    try:
        with inside(fd):
            return make()
    finally:
        os.close(fd)


def _setns(fd: int) -> None:
    if _LIBC.setns(fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
