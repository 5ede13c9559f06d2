"""What is to be said of a code."""

from __future__ import annotations

from dataclasses import dataclass

from pacslab.errors import Severity


@dataclass(frozen=True, slots=True)
class Code:
    """A diagnostic's code, which never changes its meaning."""

    name: str
    meaning: str  # one sentence
    file: str  # where its example stands: a lab file, or the file of a zone
    good: str  # lines without it; empty: the whole file
    bad: str  # what brings it about in their place
    severity: Severity = Severity.ERROR
