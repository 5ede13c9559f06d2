"""Chart -> where everything is drawn, in pixels: two columns of zones with lanes between them.

Every end of a line has a row of its own and every line a lane of its own, so that labels cannot meet, and lines can
cross but never run into each other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum

from pacslab.report.map import Chart, ChartZone, End, Entrance, Line
from pacslab.report.svg import TEXT_PX, Box, text_width

ROW = 18  # height of everything is a multiple of it; rows of the right column lie between those of the left
LANE = 12
MARGIN = 24
ZONE_WIDTH = 300
INSET = 12  # from a zone's border to its nodes
HEADER_ROWS = 4  # of a zone: title, name and networks, trust, air
ZONE_GAP_ROWS = 2
NODE_ROWS = 3  # name and title, kind and AE title, addresses
BREATH = 14  # between a label and what is beside it
LABEL_PX = TEXT_PX


class Side(Enum):
    """A column of zones."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Tap:
    """One end of a line: the row it runs on, the box it touches, and what is written above it."""

    end: End
    side: Side
    x: float  # of the box's edge
    y: float
    label_x: float  # where the label begins; in the right column, where it ends
    label: str  # after the conduit's id
    entrance: Entrance | None  # None: this end initiates


@dataclass(frozen=True, slots=True)
class Route:
    """A line with its lane and taps."""

    line: Line
    lane_x: float
    taps: tuple[Tap, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is drawn."""

    width: float
    height: float
    zones: tuple[tuple[ChartZone, Side, Box], ...]
    ends: dict[End, Box]  # nodes, and the boxes that stand for every node of a zone
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class _Use:
    """One end of one line, before it has a place."""

    index: int  # of the line
    end: End
    entrance: Entrance | None


@dataclass(frozen=True, slots=True)
class _Places:
    """Zones and ends with their boxes."""

    zones: dict[str, tuple[Side, Box]]
    ends: dict[End, Box]

    def side(self, end: End) -> Side:
        return self.zones[end.zone][0]


def lay_out(chart: Chart, top: int) -> Layout:
    """Place everything below `top`; the same chart always gets the same places."""
    uses = _uses(chart)
    sides = _sides(chart, uses)
    strips = {side: _strip(chart, uses, sides, side) for side in Side}
    places = _places(chart, uses, sides, top, 0.0)
    rows = _rows(uses, places)
    lanes, depth = _lanes(chart, places, rows)
    first_lane = MARGIN + ZONE_WIDTH + strips[Side.LEFT]
    right = first_lane + max(depth, 1) * LANE + strips[Side.RIGHT]
    places = _places(chart, uses, sides, top, right)
    routes = tuple(
        Route(
            line,
            first_lane + (lanes[index] + 0.5) * LANE,
            tuple(_tap(line, use, places, rows[use]) for use in rows if use.index == index),
        )
        for index, line in enumerate(chart.lines)
    )
    bottom = max((box.y + box.height for _, box in places.zones.values()), default=float(top))
    zones = tuple((zone, *places.zones[zone.name]) for zone in chart.zones)
    return Layout(right + ZONE_WIDTH + MARGIN, bottom, zones, places.ends, routes)


def label(line: Line, entrance: Entrance | None) -> str:
    """What is written above an end of a line, after the conduit's id."""
    if entrance is not None:
        granted = ", closed until granted" if line.granted else ""
        return f"{entrance}, {entrance.protection.value}{granted}"
    if len(line.entrances) == 1:
        return f"→ {line.entrances[0].end}"
    return f"→ {len(line.entrances)} ends"


def label_width(line: Line, text: str) -> float:
    """How wide a label may become, the conduit's id in bold before it."""
    return text_width(line.conduit) * 1.12 + text_width(f"  {text}")


def _uses(chart: Chart) -> dict[End, list[_Use]]:
    found: defaultdict[End, list[_Use]] = defaultdict(list)
    for index, line in enumerate(chart.lines):
        for end in line.sources:
            found[end].append(_Use(index, end, None))
        for entrance in line.entrances:
            found[entrance.end].append(_Use(index, entrance.end, entrance))
    return dict(found)


def _blocks(zone: ChartZone, uses: dict[End, list[_Use]]) -> list[tuple[End, int]]:
    """What is stacked in a zone, each with its height in rows."""
    every = End(zone.name)
    blocks = [(every, len(uses[every]))] if every in uses else []
    nodes = (End(zone.name, node.name) for node in zone.nodes)
    return blocks + [(end, max(NODE_ROWS, len(uses.get(end, ())))) for end in nodes]


def _zone_rows(zone: ChartZone, uses: dict[End, list[_Use]]) -> int:
    return HEADER_ROWS + sum(rows + 1 for _, rows in _blocks(zone, uses))


def _sides(chart: Chart, uses: dict[End, list[_Use]]) -> dict[str, Side]:
    """Each zone, in the lab's order, goes where there is more room."""
    heights = dict.fromkeys(Side, 0)
    sides = {}
    for zone in chart.zones:
        side = min(Side, key=lambda side: heights[side])
        sides[zone.name] = side
        heights[side] += _zone_rows(zone, uses) + ZONE_GAP_ROWS
    return sides


def _strip(chart: Chart, uses: dict[End, list[_Use]], sides: dict[str, Side], side: Side) -> int:
    """How much room the labels of one column need."""
    lines = ((chart.lines[u.index], u.entrance) for end, some in uses.items() if sides[end.zone] is side for u in some)
    return (
        math.ceil(max((label_width(line, label(line, entrance)) for line, entrance in lines), default=0.0)) + 2 * BREATH
    )


def _places(chart: Chart, uses: dict[End, list[_Use]], sides: dict[str, Side], top: int, right: float) -> _Places:
    zones: dict[str, tuple[Side, Box]] = {}
    ends: dict[End, Box] = {}
    y = dict.fromkeys(Side, top)
    for zone in chart.zones:
        side = sides[zone.name]
        x = MARGIN if side is Side.LEFT else right
        rows = _zone_rows(zone, uses)
        zones[zone.name] = side, Box(x, y[side], ZONE_WIDTH, rows * ROW)
        inner = y[side] + HEADER_ROWS * ROW
        for end, height in _blocks(zone, uses):
            ends[end] = Box(x + INSET, inner, ZONE_WIDTH - 2 * INSET, height * ROW)
            inner += (height + 1) * ROW
        y[side] += (rows + ZONE_GAP_ROWS) * ROW
    return _Places(zones, ends)


def _rows(uses: dict[End, list[_Use]], places: _Places) -> dict[_Use, float]:
    """The height at which each end runs; ends of one box are in the order of where their lines go."""
    partners: defaultdict[int, list[float]] = defaultdict(list)
    for end, some in uses.items():
        for use in some:
            partners[use.index].append(places.ends[end].y + places.ends[end].height / 2)

    def goes_to(use: _Use) -> tuple[float, int, bool]:
        middle = places.ends[use.end].y + places.ends[use.end].height / 2
        heights = partners[use.index]
        return (sum(heights) - middle) / max(len(heights) - 1, 1), use.index, use.entrance is None

    rows: dict[_Use, float] = {}
    for end, some in uses.items():
        box = places.ends[end]
        spare = round(box.height / ROW) - len(some)
        offset = 0.75 if places.side(end) is Side.LEFT else 0.25
        for n, use in enumerate(sorted(some, key=goes_to)):
            rows[use] = box.y + (spare // 2 + n + offset) * ROW
    return rows


def _lanes(chart: Chart, places: _Places, rows: dict[_Use, float]) -> tuple[dict[int, int], int]:
    """A lane for each line, and how many there are: lines of one column keep close to it, short ones closest."""
    sides: defaultdict[int, set[Side]] = defaultdict(set)
    spans: dict[int, tuple[float, float]] = {}
    for use, y in rows.items():
        sides[use.index].add(places.side(use.end))
        low, high = spans.get(use.index, (y, y))
        spans[use.index] = min(low, y), max(high, y)
    everything = range(len(chart.lines))
    short_first = sorted(everything, key=lambda i: (spans[i][1] - spans[i][0], i))
    left = _packed([i for i in short_first if sides[i] == {Side.LEFT}], spans)
    cross = _packed([i for i in everything if len(sides[i]) > 1], spans)
    right = _packed([i for i in short_first if sides[i] == {Side.RIGHT}], spans)
    counts = [1 + max(group.values(), default=-1) for group in (left, cross, right)]
    depth = sum(counts)
    lanes = left | {i: counts[0] + lane for i, lane in cross.items()}
    return lanes | {i: depth - 1 - lane for i, lane in right.items()}, depth


def _packed(indices: list[int], spans: dict[int, tuple[float, float]]) -> dict[int, int]:
    """Lane numbers; lines share a lane only if there is a row between them."""
    taken: list[list[tuple[float, float]]] = []
    result = {}
    for index in indices:
        low, high = spans[index]
        free = (
            n for n, lane in enumerate(taken) if all(high + ROW < other[0] or other[1] + ROW < low for other in lane)
        )
        result[index] = next(free, len(taken))
        if result[index] == len(taken):
            taken.append([])
        taken[result[index]].append((low, high))
    return result


def _tap(line: Line, use: _Use, places: _Places, y: float) -> Tap:
    side, zone = places.zones[use.end.zone]
    box = places.ends[use.end]
    text = label(line, use.entrance)
    if side is Side.LEFT:
        x, label_x = box.x + box.width, zone.x + zone.width + BREATH
    else:
        x, label_x = box.x, zone.x - BREATH
    return Tap(use.end, side, x, y, label_x, text, use.entrance)
