"""Chart -> a Mermaid flowchart, for documents that are kept as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.report.map import Chart, ChartNode, ChartZone, End, Entrance, Line


def render(chart: Chart) -> str:
    """Write the map as a flowchart; dotted arrows are closed until granted."""
    zones = {zone.name: zone for zone in chart.zones}
    lines = ["flowchart LR"]
    for zone in chart.zones:
        lines += _zone(zone)
    for line in chart.lines:
        lines += _arrows(line, zones)
    return "\n".join(lines) + "\n"


def _zone(zone: ChartZone) -> Iterator[str]:
    said = (zone.title, ", ".join((zone.name, *zone.networks)), zone.trust)
    yield f"  subgraph {_id(End(zone.name))}[{_label(*said)}]"
    for node in zone.nodes:
        yield f"    {_id(End(zone.name, node.name))}[{_label(*_facts(node))}]"
    yield "  end"


def _facts(node: ChartNode) -> Iterator[str]:
    yield node.name
    yield node.title
    yield node.kind + (f", AE title {node.ae_title}" if node.ae_title else "")
    yield ", ".join(node.addresses)


def _arrows(line: Line, zones: dict[str, ChartZone]) -> Iterator[str]:
    for entrance in line.entrances:
        for source in line.sources:
            for left, right in _ends(source, entrance.end, zones):
                arrow = "-.->" if line.granted else "-->"
                yield f"  {_id(left)} {arrow}|{_label(*_said(line, entrance))}| {_id(right)}"


def _said(line: Line, entrance: Entrance) -> Iterator[str]:
    yield line.conduit
    yield f"{entrance}, {entrance.protection.value}"
    if line.granted:
        yield "closed until granted"


def _ends(source: End, target: End, zones: dict[str, ChartZone]) -> Iterator[tuple[End, End]]:
    """Mermaid draws no arrow between a zone and what is inside of it: there, every node gets its own."""
    inside = source.zone == target.zone and None in {source.node, target.node}
    for left in _nodes(source, zones) if inside else (source,):
        for right in _nodes(target, zones) if inside else (target,):
            if left != right:
                yield left, right


def _nodes(end: End, zones: dict[str, ChartZone]) -> tuple[End, ...]:
    return (end,) if end.node else tuple(End(end.zone, node.name) for node in zones[end.zone].nodes)


def _id(end: End) -> str:
    """An identifier: names may be words of Mermaid's own, such as `end`, and have hyphens."""
    return f"n_{end.node}".replace("-", "_") if end.node else f"z_{end.zone}".replace("-", "_")


def _label(*lines: str) -> str:
    """A quoted text of several lines; Mermaid reads entities, HTML and Markdown in it."""
    return '"' + "<br/>".join("".join(_SIGNS.get(sign, sign) for sign in line) for line in lines if line) + '"'


_SIGNS = {sign: f"#{ord(sign)};" for sign in '#"<>&`*_[]{}|\\;'}
