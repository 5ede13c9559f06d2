"""Headings, paragraphs, tables and pictures -> one Markdown or HTML document."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never


@dataclass(frozen=True, slots=True)
class Heading:
    """A numbered heading; level 1 is the document's title."""

    level: int
    text: str

    @property
    def anchor(self) -> str:
        """As GitHub makes it."""
        return re.sub(r"[^\w -]", "", self.text.lower()).replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """Text whose line breaks and blanks are the point."""

    text: str


Block = Heading | Paragraph | Table | Diagram


def contents(blocks: Iterable[Block], depth: int = 3) -> tuple[Heading, ...]:
    """The headings that a table of contents lists."""
    return tuple(block for block in blocks if isinstance(block, Heading) and 1 < block.level <= depth)


def markdown(blocks: tuple[Block, ...]) -> str:
    """Write Markdown."""
    return "\n".join(_markdown(block) for block in blocks)


def _markdown(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {block.text}\n"
        case Paragraph():
            return f"{block.text}\n"
        case Diagram():
            return f"```text\n{block.text}\n```\n"
        case Table():
            rows = (block.head, tuple("---" for _ in block.head), *block.rows)
            return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows) + "\n"
    assert_never(block)


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }}
table {{ border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }}
th, td {{ border: 1px solid #999; padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; }}
th {{ background: #eee; }}
pre {{ background: #f4f4f4; padding: 0.8rem; overflow-x: auto; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(blocks: tuple[Block, ...]) -> str:
    """Write one HTML file that needs no other."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    return _PAGE.format(title=html.escape(title), body="\n".join(_html(block) for block in blocks))


def _html(block: Block) -> str:
    match block:
        case Heading():
            return f'<h{block.level} id="{block.anchor}">{html.escape(block.text)}</h{block.level}>'
        case Paragraph():
            return f"<p>{html.escape(block.text)}</p>"
        case Diagram():
            return f"<pre>{html.escape(block.text)}</pre>"
        case Table():
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.head)
            rows = "\n".join(
                f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in block.rows
            )
            return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    assert_never(block)
