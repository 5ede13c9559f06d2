"""Matrix -> tables for a terminal, a spreadsheet (CSV) and a document (Markdown)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pacslab.report.matrix import Cell, Matrix, Row

_CORNER = "from \\ to"
_DETAIL = ("from", "to", "service", "operations", "IP", "state", "conduit", "why")


def print_matrix(console: Console, matrix: Matrix, *, nodes: bool) -> None:
    """Print the zone table for people; with `nodes`, the node table and every passage after it."""
    cells = _by_pair(matrix.zone_cells)
    table = Table(_CORNER, *matrix.zones, box=None, pad_edge=False)
    for source in matrix.zones:
        shown = (str(cells.get((source, destination), ".")) for destination in matrix.zones)
        table.add_row(Text(source), *(Text(cell, style="dim" if cell == "." else "") for cell in shown))
    console.print(table)
    console.print()
    if nodes:
        for line in _node_lines(matrix):
            console.print(Text(line), soft_wrap=True)
        console.print()
        console.print(_detail(matrix))
        console.print()
    for line in _conclusion(matrix):
        console.print(Text(line))


def csv_text(matrix: Matrix, *, nodes: bool) -> str:
    """The zone table, or with `nodes` one line for each passage, as CSV with a heading."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for row in _csv_passages(matrix) if nodes else _zone_table(matrix):
        writer.writerow([_inert(cell) for cell in row])
    return file.getvalue()


def markdown(matrix: Matrix, *, nodes: bool) -> str:
    """The zone table, with `nodes` also every passage, as Markdown."""
    title = f"Who may talk to whom in lab {matrix.lab}" + (f": {matrix.title}" if matrix.title else "")
    parts = [f"# {_escaped(title)}\n", *_markdown_table(_zone_table(matrix)), ""]
    if nodes:
        rows = ([cell or " " for cell in _detail_cells(row)] for row in matrix.passages)
        parts += ["## Passages\n", *_markdown_table([_DETAIL, *rows]), ""]
    return "\n".join([*parts, *map(_escaped, _conclusion(matrix)), ""])


def _by_pair(cells: Iterable[Cell]) -> dict[tuple[str, str], Cell]:
    return {(cell.source, cell.destination): cell for cell in cells}


def _zone_table(matrix: Matrix) -> Iterator[tuple[str, ...]]:
    cells = _by_pair(matrix.zone_cells)
    yield ("from / to", *matrix.zones)
    for source in matrix.zones:
        yield (source, *(str(cells.get((source, destination), 0)) for destination in matrix.zones))


def _node_lines(matrix: Matrix) -> Iterator[str]:
    """Node by node: columns have the numbers of the rows, so that many nodes fit."""
    cells = _by_pair(matrix.node_cells)
    digits = max(2, len(str(len(matrix.nodes))))
    name = max((len(node) for node in matrix.nodes), default=0)
    numbers = " ".join(f"{n:>{digits}}" for n in range(1, len(matrix.nodes) + 1))
    yield f"{_CORNER:<{digits + name + 1}} {numbers}"
    for n, source in enumerate(matrix.nodes, 1):
        row = (_sign(cells.get((source, destination))) for destination in matrix.nodes)
        yield f"{n:>{digits}} {source:<{name}} " + " ".join(f"{sign:>{digits}}" for sign in row)


def _sign(cell: Cell | None) -> str:
    if cell is None:
        return "."
    return str(cell.open) if cell.open else "c"


def _detail(matrix: Matrix) -> Table:
    """Every passage on one line where there is room; the reasons are left to documents."""
    table = Table(*_DETAIL[:-1], box=None, pad_edge=False)
    for row in matrix.passages:
        table.add_row(*(Text(cell) for cell in _detail_cells(row)[:-1]))
    return table


def _detail_cells(row: Row) -> tuple[str, ...]:
    named = "" if row.service == row.application.value else f"{row.service}: "
    return (
        f"{row.source_zone}/{row.source}",
        f"{row.destination_zone}/{row.destination}",
        f"{named}{row.application.value} {row.ports}, {row.protection.value}",
        ", ".join(operation.value for operation in row.operations),
        _families(row),
        _state(row),
        row.conduit,
        row.why,
    )


def _families(row: Row) -> str:
    return "+".join(f"v{family}" for family in row.families)


def _state(row: Row) -> str:
    until = f" until {row.until}" if row.until else ""
    return ("closed until granted" if row.closed_until_granted else "open") + until


_CSV_HEADING = (
    "from_zone,from,from_addresses,to_zone,to,to_addresses,service,application,ports,protection,operations,ip,state,"
    "until,conduit,why,owner,references,written_at"
)


def _csv_passages(matrix: Matrix) -> Iterator[tuple[str, ...]]:
    yield tuple(_CSV_HEADING.split(","))
    for row in matrix.passages:
        yield (
            row.source_zone,
            row.source,
            " ".join(row.source_addresses),
            row.destination_zone,
            row.destination,
            " ".join(row.destination_addresses),
            row.service,
            row.application.value,
            row.ports,
            row.protection.value,
            " ".join(operation.value for operation in row.operations),
            _families(row),
            "closed until granted" if row.closed_until_granted else "open",
            row.until,
            row.conduit,
            row.why,
            row.owner,
            " ".join(row.references),
            str(row.origin),
        )


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _markdown_table(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    for n, row in enumerate(rows):
        cells = [_escaped(cell) for cell in row]
        yield f"| {' | '.join(cells)} |"
        if n == 0:
            yield "|" + "---|" * len(cells)


def _escaped(text: str) -> str:
    """A text that means only itself in Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in text)


def _conclusion(matrix: Matrix) -> Iterator[str]:
    closed = f", {matrix.closed} closed until granted" if matrix.closed else ""
    yield (
        f"{len(matrix.zones)} zones, {len(matrix.nodes)} nodes: {matrix.open} passages open{closed}; everything else "
        "is denied."
    )
    yield "Rows open conversations, columns listen. Over IPv4, IPv6 or both, a passage counts once."
    if matrix.posture != "segmented":
        yield f"The posture is {matrix.posture}, which does not enforce all of this."
