"""Every diagnostic's code: what it means, and an example without it and with it."""

from __future__ import annotations

from pacslab.labfile.codes import conduits, files, nodes, review
from pacslab.labfile.codes.code import Code

CODES: tuple[Code, ...] = tuple(
    sorted((*files.CODES, *nodes.CODES, *conduits.CODES, *review.CODES), key=lambda code: code.name)
)

__all__ = ["CODES", "Code"]
