"""Chart -> Graphviz dot, for those who lay out their own drawings."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.report.map import COLOURS, Chart, ChartZone, End, Entrance, Line


def render(chart: Chart) -> str:
    """Write the map as a directed graph with one cluster for each zone; dashed arrows are closed until granted."""
    zones = {zone.name: zone for zone in chart.zones}
    title = f"Network map of lab {chart.lab}" + (f": {chart.title}" if chart.title else "")
    lines = [
        f"digraph {_quoted(chart.lab)} {{",
        f"  graph [label={_quoted(title)}, labelloc=t, rankdir=LR, compound=true, fontname=Helvetica, ranksep=2.5];",
        "  node [shape=box, style=filled, fillcolor=white, fontname=Helvetica, fontsize=10];",
        "  edge [fontname=Helvetica, fontsize=9];",
    ]
    for zone in chart.zones:
        lines += _cluster(zone)
    for line in chart.lines:
        lines += _edges(line, zones)
    return "\n".join([*lines, "}"]) + "\n"


def _cluster(zone: ChartZone) -> Iterator[str]:
    said = (zone.title, ", ".join((zone.name, *zone.networks)), zone.trust)
    yield f"  subgraph {_quoted(_cluster_name(zone.name))} {{"
    yield f'    graph [label={_quoted(*said)}, style=filled, fillcolor="#f4f5f7"];'
    for node in zone.nodes:
        kind = node.kind + (f", AE title {node.ae_title}" if node.ae_title else "")
        yield f"    {_quoted(node.name)} [label={_quoted(node.name, node.title, kind, ', '.join(node.addresses))}];"
    yield "  }"


def _edges(line: Line, zones: dict[str, ChartZone]) -> Iterator[str]:
    for entrance in line.entrances:
        for source in line.sources:
            yield from _edge(line, source, entrance, zones)


def _edge(line: Line, source: End, entrance: Entrance, zones: dict[str, ChartZone]) -> Iterator[str]:
    """Dot draws to a cluster only from outside of it: inside a zone, every node gets its own arrow."""
    target = entrance.end
    inside = source.zone == target.zone
    granted = "closed until granted" if line.granted else ""
    label = _quoted(line.conduit, f"{entrance}, {entrance.protection.value}", granted)
    style = f'label={label}, color="{COLOURS[entrance.protection]}"' + (", style=dashed" if line.granted else "")
    if source.node is None and not inside:
        style += f", ltail={_quoted(_cluster_name(source.zone))}"
    if target.node is None and not inside:
        style += f", lhead={_quoted(_cluster_name(target.zone))}"
    for left in _nodes(source, zones, every=inside):
        for right in _nodes(target, zones, every=inside):
            if left != right:
                yield f"  {_quoted(left)} -> {_quoted(right)} [{style}];"


def _nodes(end: End, zones: dict[str, ChartZone], *, every: bool) -> tuple[str, ...]:
    """The node; or every node of the zone, or the one that stands for them."""
    names = (end.node,) if end.node else tuple(node.name for node in zones[end.zone].nodes)
    return names if every else names[len(names) // 2 :][:1]


def _cluster_name(zone: str) -> str:
    return f"cluster_{zone}"


def _quoted(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines if line)
    return '"' + "\\n".join(escaped) + '"'
