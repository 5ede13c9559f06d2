"""What is found wrong while a stage goes on: diagnostics, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pacslab.errors import Diagnostic, Severity
from pacslab.labfile.source import did_you_mean
from pacslab.model.lab import Origin

_DIGITS = re.compile(r"[0-9]+")


@dataclass(slots=True)
class Problems:
    """A stage's diagnostics so far."""

    _found: list[Diagnostic] = field(default_factory=list)

    def report(self, code: str, message: str, hint: str, origin: Origin, *related: Origin) -> None:
        """Add one."""
        self._found.append(Diagnostic(code, message, hint, origin, related=related))

    def warn(self, code: str, message: str, hint: str, origin: Origin) -> None:
        """Add one that does not stop the work."""
        self._found.append(Diagnostic(code, message, hint, origin, Severity.WARNING))

    def unknown(self, code: str, message: str, word: str, known: Iterable[str], origin: Origin) -> None:
        """Add one about a name that nothing has; its hint is the nearest known name."""
        self.report(code, message, did_you_mean(word, known), origin)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """All of them."""
        return tuple(self._found)


def ordered(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By place; what is wrong with every member of a series at one place is said once."""
    first: dict[tuple[Origin, str, tuple[Origin, ...], str], Diagnostic] = {}
    for diagnostic in found:
        shape = _DIGITS.sub("", diagnostic.message)
        first.setdefault((diagnostic.origin, diagnostic.code, diagnostic.related, shape), diagnostic)
    return tuple(sorted(first.values(), key=lambda d: (d.origin, d.code, d.message)))
