"""Chart -> the table beneath the map: every conduit with its ends, service, operations and reason."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.report.map import Chart, Line
from pacslab.report.svg import text, wrapped

LINE_PX = 14
GAP = 14  # between columns
# Heading, and its share of the width.
_COLUMNS = (("conduit", 10), ("from", 15), ("to", 12), ("service", 19), ("operations", 18), ("why", 26))


def table(chart: Chart, x: float, y: float, width: float) -> tuple[tuple[str, ...], float]:
    """The table's elements, and the height at which it ends.

    Args:
        chart: The map.
        x: Its left edge.
        y: Its upper edge.
        width: How wide it may be.
    """
    edges = [x + width * sum(share for _, share in _COLUMNS[:n]) / 100 for n in range(len(_COLUMNS) + 1)]
    parts = [text(edge, y, name, "b") for edge, (name, _) in zip(edges, _COLUMNS, strict=False)]
    y += 6
    for line in chart.lines:
        parts.append(f'<path class="rule" d="M {x:g} {y:g} H {x + width:g}"/>')
        cells = [
            wrapped(cell, right - left - GAP) for cell, left, right in zip(_cells(line), edges, edges[1:], strict=False)
        ]
        for edge, lines in zip(edges, cells, strict=False):
            style = "b" if edge == x else ""
            parts += [text(edge, y + LINE_PX * (n + 1) - 1, said, style) for n, said in enumerate(lines)]
        y += LINE_PX * max(len(lines) for lines in cells) + 6
    return tuple(parts), y


def _cells(line: Line) -> Iterator[str]:
    yield line.conduit
    yield ", ".join(map(str, line.sources))
    yield ", ".join(str(entrance.end) for entrance in line.entrances)
    services = dict.fromkeys(f"{entrance}, {entrance.protection.value}" for entrance in line.entrances)
    granted = "; closed until granted" if line.granted else ""
    yield "; ".join(services) + granted + (f"; until {line.until}" if line.until else "")
    yield ", ".join(operation.value for operation in line.operations)
    yield line.why
