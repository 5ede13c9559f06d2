"""`pacslab doctor`: is this machine fit, and what to do if not."""

from __future__ import annotations


def doctor() -> None:
    """Examine this machine."""
