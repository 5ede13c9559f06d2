"""What the fabric cannot do, as an exception: one sentence and a hint, which the host shows as they are."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - it is an answer to the host, not a bug
    """The fabric will not, or cannot, do what it was asked."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotANode(Refusal):
    """The process is gone, or its network namespace is not a node's."""
