"""What can go wrong, as values: diagnostics with a place in a file, and errors with a hint and an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from pacslab.model.lab import Origin


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    NO = 1  # a verdict failed, or drift
    USAGE = 2  # the command line, or the lab's files
    REFUSED = 3  # the world refused: engine, files, images
    INCONCLUSIVE = 4
    BUG = 70
    INTERRUPTED = 130


class Severity(StrEnum):
    """Whether a diagnostic stops the work."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem in a lab's files: where it is, what it is, what to write instead."""

    code: str
    message: str
    hint: str
    origin: Origin
    severity: Severity = Severity.ERROR
    related: tuple[Origin, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.origin}: {self.severity.value}[{self.code}]: {self.message}"]
        lines += [f"  see also {place}" for place in self.related]
        lines += [f"  hint: {self.hint}"] if self.hint else []
        return "\n".join(lines)


class PacslabError(Exception):
    """A sentence for the user, a hint what to do, and the exit code that follows."""

    def __init__(self, message: str, *, hint: str = "", exit_code: Exit = Exit.REFUSED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class LabFileError(PacslabError):
    """The lab's files have errors; all of a stage's diagnostics at once."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        count = sum(d.severity is Severity.ERROR for d in diagnostics)
        noun = "error" if count == 1 else "errors"
        super().__init__(f"{count} {noun} in the lab's files", exit_code=Exit.USAGE)
        self.diagnostics = diagnostics
