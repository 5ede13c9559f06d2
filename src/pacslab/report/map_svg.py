"""Chart -> SVG: one self-contained picture, with a legend and a table of the conduits, that prints well."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from pacslab.model.passage import Protection
from pacslab.report.map import COLOURS, Chart, ChartNode, ChartZone, End, Line
from pacslab.report.map_layout import INSET, LABEL_PX, MARGIN, Layout, Route, Side, Tap, lay_out
from pacslab.report.map_table import table
from pacslab.report.svg import Box, dot, rectangle, shortened, text, text_width

HEAD = 108  # title and legend
LEGEND_Y = 82
BEND = 4  # radius of a line's corners
LEAST_WIDTH = 960
_STYLE = f"""\
  text {{ font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: {LABEL_PX}px; fill: #1c1c1c }}
  .title {{ font-size: 18px; font-weight: bold }}
  .zone-title {{ font-size: 13px; font-weight: bold }}
  .b {{ font-weight: bold }}
  .quiet {{ fill: #55535a }}
  .trust {{ fill: #55535a; font-style: italic }}
  .zone {{ fill: #f4f5f7; stroke: #3d3846; stroke-width: 1.6 }}
  .node {{ fill: #ffffff; stroke: #77767b; stroke-width: 1 }}
  .every {{ fill: #e4e8ee; stroke: #77767b; stroke-width: 1; stroke-dasharray: 2 2 }}
  .line {{ fill: none; stroke-width: 1.5 }}
  .granted {{ stroke-dasharray: 7 4 }}
  .rule {{ stroke: #c0bfbc; stroke-width: 0.8 }}"""


def render(chart: Chart) -> str:
    """Draw the map; equal charts give equal text."""
    layout = lay_out(chart, HEAD)
    width = max(layout.width, LEAST_WIDTH)
    rows, bottom = table(chart, MARGIN, layout.height + 44, width - 2 * MARGIN)
    size = f'width="{width:.0f}" height="{bottom + MARGIN:.0f}"'
    parts = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} viewBox="0 0 {width:.0f} {bottom + MARGIN:.0f}">',
        f"<title>{escape(_title(chart))}</title>",
        f"<style>\n{_STYLE}\n</style>",
        "<defs>",
        *(_arrowhead(protection) for protection in Protection),
        "</defs>",
        f'<rect {size} fill="#ffffff"/>',
        *_head(chart),
        *_picture(layout),
        *rows,
        "</svg>",
    )
    return "\n".join(parts) + "\n"


def _title(chart: Chart) -> str:
    return f"Network map of lab {chart.lab}" + (f": {chart.title}" if chart.title else "")


def _head(chart: Chart) -> Iterator[str]:
    nodes = sum(len(zone.nodes) for zone in chart.zones)
    conduits = len({line.conduit for line in chart.lines})
    enforced = "" if chart.posture == "segmented" else " (which does not enforce all of this)"
    said = f"{len(chart.zones)} zones, {nodes} nodes, {conduits} conduits; posture {chart.posture}{enforced}."
    yield text(MARGIN, 36, _title(chart), "title")
    yield text(MARGIN, 56, f"{said} Whatever is not drawn is denied. Plan {chart.digest[:12]}.", "quiet")
    used = {entrance.protection for line in chart.lines for entrance in line.entrances}
    samples = [(protection, protection.value, "") for protection in Protection if protection in used]
    if any(line.granted for line in chart.lines):
        samples.append((Protection.OWN, "closed until granted", " granted"))
    x = float(MARGIN)
    for protection, meaning, extra in samples:
        yield _path(f"M {x + 3:g} {LEGEND_Y - 4} H {x + 34:g}", protection, extra, arrow=True)
        yield dot(x + 3, LEGEND_Y - 4, 2.6, COLOURS[protection])
        yield text(x + 42, LEGEND_Y, meaning)
        x += round(42 + text_width(meaning) + 20)
    yield text(
        x, LEGEND_Y, "A dot is at the end that opens the conversation, an arrow at the service it opens.", "quiet"
    )


def _arrowhead(protection: Protection) -> str:
    return (
        f'<marker id="{_marker(protection)}" viewBox="0 0 10 8" refX="10" refY="4" markerWidth="10" '
        f'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M 0 0 L 10 4 L 0 8 z" fill="{COLOURS[protection]}"/></marker>'
    )


def _marker(protection: Protection) -> str:
    return f"arrow-{protection.name.lower()}"


def _picture(layout: Layout) -> Iterator[str]:
    for zone, _, box in layout.zones:
        yield from _zone(zone, box, layout.ends)
    for route in layout.routes:
        yield from _route(route)


def _zone(zone: ChartZone, box: Box, ends: dict[End, Box]) -> Iterator[str]:
    x, room = box.x + INSET, box.width - 2 * INSET
    networks = ", ".join((zone.name, *zone.networks))
    yield rectangle(box, "zone", 3)
    yield text(x, box.y + 20, shortened(zone.title, room, 13 * 1.12), "zone-title", full=zone.title)
    yield text(x, box.y + 37, shortened(networks, room), full=networks)
    yield text(x, box.y + 53, shortened(zone.trust, room), "trust", full=zone.trust)
    every = ends.get(End(zone.name))
    if every:
        yield rectangle(every, "every", 8)
        yield text(every.x + 10, every.y + every.height / 2 + 4, f"every node of {zone.name}", "trust")
    for node in zone.nodes:
        yield from _node(node, ends[End(zone.name, node.name)])


def _node(node: ChartNode, box: Box) -> Iterator[str]:
    x, room = box.x + 10, box.width - 20
    top = box.y + (box.height - 46) / 2
    name = round(text_width(node.name) * 1.15) + 8
    kind = node.kind + (f", AE title {node.ae_title}" if node.ae_title else "")
    addresses = ", ".join(node.addresses)
    yield rectangle(box, "node", 3)
    yield text(x, top + 12, node.name, "b")
    yield text(x + name, top + 12, shortened(node.title, room - name), full=node.title)
    yield text(x, top + 27, shortened(kind, room), "quiet", full=kind)
    yield text(x, top + 41, shortened(addresses, room), "quiet", full=addresses)


def _route(route: Route) -> Iterator[str]:
    """A line: along its lane, and out to each of its ends."""
    ys = sorted(tap.y for tap in route.taps)
    common = next(tap.entrance.protection for tap in route.taps if tap.entrance)
    extra = " granted" if route.line.granted else ""
    yield f"<g><title>{escape(_tip(route.line))}</title>"
    yield _path(f"M {route.lane_x:g} {ys[0] + BEND:g} V {ys[-1] - BEND:g}", common, extra)
    for tap in route.taps:
        protection = tap.entrance.protection if tap.entrance else common
        yield _path(_way(route.lane_x, tap, ys[0], ys[-1]), protection, extra, arrow=tap.entrance is not None)
        if ys[0] < tap.y < ys[-1]:
            yield dot(route.lane_x, tap.y, 2.2, COLOURS[protection])
        if tap.entrance is None:
            yield dot(tap.x, tap.y, 2.6, COLOURS[protection])
        yield _label(route.line, tap)
    yield "</g>"


def _way(lane: float, tap: Tap, low: float, high: float) -> str:
    """From the lane to a box; round the corner where the lane ends there."""
    if low < tap.y < high:
        return f"M {lane:g} {tap.y:g} H {tap.x:g}"
    start = tap.y + (BEND if tap.y == low else -BEND)
    turn = lane + (-BEND if tap.side is Side.LEFT else BEND)
    return f"M {lane:g} {start:g} Q {lane:g} {tap.y:g} {turn:g} {tap.y:g} H {tap.x:g}"


def _tip(line: Line) -> str:
    """What a browser shows when the pointer rests on a line."""
    operations = ", ".join(operation.value for operation in line.operations)
    owner = f"owner: {line.owner}" if line.owner else ""
    return "\n".join(fact for fact in (line.conduit, operations, line.why, owner, str(line.origin)) if fact)


def _label(line: Line, tap: Tap) -> str:
    anchor = ' text-anchor="end"' if tap.side is Side.RIGHT else ""
    return (
        f'<text x="{tap.label_x:g}" y="{tap.y - 3.5:g}"{anchor}><tspan class="b">{escape(line.conduit)}</tspan>'
        f'<tspan dx="6">{escape(tap.label)}</tspan></text>'
    )


def _path(way: str, protection: Protection, extra: str, *, arrow: bool = False) -> str:
    marker = f' marker-end="url(#{_marker(protection)})"' if arrow else ""
    return f'<path class="line{extra}" d="{way}" stroke="{COLOURS[protection]}"{marker}/>'
