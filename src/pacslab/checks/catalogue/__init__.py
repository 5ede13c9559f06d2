"""Every check pacslab makes: id, the requirement in one sentence, and what it answers to; a file per suite."""

from __future__ import annotations

from pacslab.checks.catalogue import dicom, listeners, proof, reach, workflow
from pacslab.model.verdict import Check

CATALOGUE: tuple[Check, ...] = (*reach.CHECKS, *listeners.CHECKS, *dicom.CHECKS, *proof.CHECKS, *workflow.CHECKS)

SUITES: tuple[str, ...] = tuple(dict.fromkeys(check.suite for check in CATALOGUE))


def check(identity: str) -> Check:
    """The check of that id.

    Raises:
        KeyError: There is none.
    """
    for entry in CATALOGUE:
        if entry.id == identity:
            return entry
    raise KeyError(identity)
