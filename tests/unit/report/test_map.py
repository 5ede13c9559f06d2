"""The network map: what is drawn, that it can be read, and that other programs can read it too."""

import itertools
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pacslab.compiler.compile import compile_lab
from pacslab.labfile.load import load
from pacslab.model.dicom import Application
from pacslab.model.lab import Lab, Service
from pacslab.model.passage import Protection
from pacslab.model.plan import Plan
from pacslab.report import map_dot, map_mermaid, map_svg
from pacslab.report.map import Chart, End, Line, chart
from pacslab.report.map_layout import LABEL_PX, Layout, Side, label_width, lay_out

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn(reference_lab: Lab, reference: Plan) -> Chart:
    return chart(reference_lab, reference)


def _large(folder: Path) -> Chart:
    """Sixty nodes in six zones; every zone talks to the next but one, and its nodes to each other."""
    for n in range(6):
        names = [f"n{n}-{i}" for i in range(10)]
        nodes = "".join(f"  {name}: {{kind: workstation, ae_title: {name.upper()}}}\n" for name in names)
        conduits = "".join(
            f"  - {{id: c{n}-{k}, from: {source}, to: {to}, service: dicom-tls, operations: [C-ECHO], why: It must.}}\n"
            for k, (source, to) in enumerate(
                [
                    (f"z{(n + 2) % 6}", '"*"'),
                    (f"z{n}/n{n}-1", f"[n{n}-2, n{n}-3]"),
                    (f"[z{(n + 1) % 6}/n{(n + 1) % 6}-4]", f"n{n}-5"),
                ]
            )
        )
        text = f"zone: z{n}\nnetwork: 198.18.{n}.0/24\nnodes:\n{nodes}accepts:\n{conduits}"
        (folder / f"z{n}.yaml").write_text(text, encoding="utf-8")
    (folder / "lab.yaml").write_text(
        f"lab: large\nzones: [{', '.join(f'z{n}.yaml' for n in range(6))}]\n", encoding="utf-8"
    )
    lab = load(folder / "lab.yaml").lab
    return chart(lab, compile_lab(lab))


@pytest.fixture(params=["reference", "large", "empty"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Layout:
    if request.param == "large":
        return lay_out(_large(tmp_path), 100)
    drawn: Chart = request.getfixturevalue("drawn")
    return lay_out(drawn if request.param == "reference" else replace(drawn, lines=()), 100)


def _line(drawn: Chart, conduit: str) -> Line:
    (line,) = (line for line in drawn.lines if line.conduit == conduit)
    return line


def test_every_conduit_and_node_is_on_the_map(drawn: Chart, reference_lab: Lab) -> None:
    assert {line.conduit for line in drawn.lines} == {conduit.id for conduit in reference_lab.conduits}
    assert [node.name for zone in drawn.zones for node in zone.nodes] == [node.name for node in reference_lab.nodes]


def test_a_zone_stands_for_all_of_its_nodes(drawn: Chart) -> None:
    assert _line(drawn, "acquire").sources == (End("modality"),)
    assert [entrance.end for entrance in _line(drawn, "commit").entrances] == [End("modality")]
    assert _line(drawn, "archive").sources == (End("pacs-core", "pacs"),)  # the zone has other nodes
    assert _line(drawn, "acquire").passages == 3


def test_a_zone_of_one_node_is_that_node(minimal_lab: Lab, minimal: Plan) -> None:
    assert _line(chart(minimal_lab, minimal), "acquire").sources == (End("modality", "ct-1"),)


def test_nodes_that_listen_differently_are_drawn_apart(reference_lab: Lab) -> None:
    first = reference_lab.zones[0]
    moved = replace(first.nodes[0], services=(Service("dicom-tls", Application.DICOM, 104),))
    lab = replace(reference_lab, zones=(replace(first, nodes=(moved, *first.nodes[1:])), *reference_lab.zones[1:]))
    lab = replace(lab, zones=(replace(lab.zones[0], conduits=first.conduits[:1]), *lab.zones[1:]))
    entrances = _line(chart(lab, compile_lab(lab)), "commit").entrances
    assert [(str(e.end), str(e), e.protection) for e in entrances] == [
        ("ct-1", "dicom-tls: dicom 104/tcp", Protection.CLEAR),
        ("mr-1", "dicom-tls 2762/tcp", Protection.TLS),
        ("us-1", "dicom-tls 2762/tcp", Protection.TLS),
    ]


def test_protection_is_said_for_each_application(drawn: Chart) -> None:
    said = {line.conduit: line.entrances[0].protection for line in drawn.lines}
    assert said["order"] is Protection.TLS
    assert said["vendor-login"] is Protection.OWN
    assert said["acquire"] is Protection.TLS
    assert said["web-backend"] is Protection.CLEAR


def test_sources_that_may_not_open_every_destination_have_lines_of_their_own(
    reference_lab: Lab, reference: Plan
) -> None:
    flows = tuple(f for f in reference.flows if f.conduit != "commit" or f.destination != "us-1")
    worklist = [f for f in flows if f.conduit == "worklist"]
    odd = replace(worklist[0], destination="ehr")
    lines = chart(reference_lab, replace(reference, flows=(*flows, odd))).lines
    ends = [(line.sources, [str(e.end) for e in line.entrances]) for line in lines if line.conduit == "worklist"]
    assert ends == [
        ((End("modality", "ct-1"),), ["ehr", "ris"]),
        ((End("modality", "mr-1"),), ["ris"]),
        ((End("modality", "us-1"),), ["ris"]),
    ]


def test_every_line_ends_at_the_edge_of_its_box(layout: Layout) -> None:
    for route in layout.routes:
        assert {tap.entrance is None for tap in route.taps} == {True, False}
        for tap in route.taps:
            box = layout.ends[tap.end]
            assert tap.x == (box.x + box.width if tap.side is Side.LEFT else box.x)
            assert box.y < tap.y < box.y + box.height


def test_no_line_runs_along_another(layout: Layout) -> None:
    level = sorted((tap.y, *sorted((tap.x, route.lane_x))) for route in layout.routes for tap in route.taps)
    for (y, _, right), (other_y, left, _) in itertools.pairwise(level):
        assert y != other_y or right < left
    ys = {route: [tap.y for tap in route.taps] for route in layout.routes}
    upright = sorted((route.lane_x, min(ys[route]), max(ys[route])) for route in layout.routes)
    for (x, _, low), (other_x, high, _) in itertools.pairwise(upright):
        assert x != other_x or low < high


def test_no_label_touches_another_or_a_lane(layout: Layout) -> None:
    boxes = []
    for route in layout.routes:
        for tap in route.taps:
            width = label_width(route.line, tap.label)
            left = tap.label_x if tap.side is Side.LEFT else tap.label_x - width
            boxes.append((left, left + width, tap.y - 3.5 - LABEL_PX, tap.y))
            assert all(not left < other.lane_x < left + width for other in layout.routes)
    for a, b in itertools.combinations(boxes, 2):
        assert a[1] < b[0] or b[1] < a[0] or a[3] < b[2] or b[3] < a[2]


def test_no_box_touches_another(layout: Layout) -> None:
    for boxes in ([box for _, _, box in layout.zones], list(layout.ends.values())):
        for a, b in itertools.combinations(boxes, 2):
            apart = a.x + a.width < b.x or b.x + b.width < a.x or a.y + a.height < b.y or b.y + b.height < a.y
            assert apart


def test_everything_is_inside_the_picture(layout: Layout) -> None:
    for _, _, box in layout.zones:
        assert box.x >= 0
        assert box.x + box.width <= layout.width
        assert box.y + box.height <= layout.height


def test_the_picture_is_well_formed_and_self_contained(drawn: Chart) -> None:
    text = map_svg.render(drawn)
    root = ET.fromstring(text)  # noqa: S314 - our own
    said = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    for word in ("Imaging modalities", "modality, 198.18.10.0/24", "devices that cannot defend themselves", "ct-1"):
        assert word in said
    assert "vendor-servicessh 22/tcp, own encryption, closed until granted" in said
    assert not re.search(r"href|url\((?!#)|@import|<image|<script", text)
    markers = set(re.findall(r"url\(#([a-z-]+)\)", text))
    assert markers <= {element.get("id") for element in root.iter(f"{SVG}marker")}


def test_arrows_are_where_services_listen(drawn: Chart) -> None:
    root = ET.fromstring(map_svg.render(drawn))  # noqa: S314 - our own
    arrows = [path.get("d", "") for group in root.iter(f"{SVG}g") for path in group if path.get("marker-end")]
    ends = [re.search(r"([0-9.]+) H ([0-9.]+)$", way) for way in arrows]
    taps = [tap for route in lay_out(drawn, map_svg.HEAD).routes for tap in route.taps]
    assert {(float(end[2]), float(end[1])) for end in ends if end} == {(tap.x, tap.y) for tap in taps if tap.entrance}


HOSTILE = '</text><script>"x"\' & `]]> #35; end\\'


@pytest.fixture(scope="module")
def hostile(drawn: Chart) -> Chart:
    """The map with every word of its writer's choosing made to break out."""
    zones = tuple(
        replace(
            z, title=HOSTILE, trust=HOSTILE, nodes=tuple(replace(n, title=HOSTILE, ae_title='A"]') for n in z.nodes)
        )
        for z in drawn.zones
    )
    return replace(drawn, title=HOSTILE, zones=zones, lines=tuple(replace(line, why=HOSTILE) for line in drawn.lines))


def test_words_cannot_break_out_of_the_picture(hostile: Chart) -> None:
    text = map_svg.render(hostile)
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert "<script" not in text
    assert HOSTILE in [title.text for title in root.iter(f"{SVG}title")]


def test_words_cannot_break_out_of_a_flowchart(hostile: Chart) -> None:
    text = map_mermaid.render(hostile)
    assert "script>" not in text
    for line in text.splitlines():
        assert line.count('"') in {0, 2}
        assert not re.search(r"[<>`\\]", line.replace("<br/>", "").replace("-->", "").replace("-.->", ""))


def test_a_flowchart_has_every_arrow_once(drawn: Chart) -> None:
    text = map_mermaid.render(drawn)
    arrow = re.compile(r"  [nz]_[a-z0-9_]+ (-->|-\.->)\|\".+\"\| [nz]_[a-z0-9_]+")
    arrows = [line for line in text.splitlines() if "->" in line]
    assert all(arrow.fullmatch(line) for line in arrows)
    assert len(arrows) == len(drawn.lines)
    assert [line for line in arrows if "-.->" in line] == [line for line in arrows if "closed until granted" in line]


def test_inside_a_zone_a_flowchart_and_a_graph_draw_node_to_node(drawn: Chart) -> None:
    commit = _line(drawn, "commit")
    among = replace(drawn, lines=(replace(commit, sources=(End("modality"),)),))
    assert sum("-->" in line for line in map_mermaid.render(among).splitlines()) == 6
    text = map_dot.render(among)
    assert sum("->" in line for line in text.splitlines()) == 6
    assert "lhead" not in text


def test_a_graph_ends_at_clusters(drawn: Chart) -> None:
    text = map_dot.render(drawn)
    assert '"pacs" -> "mr-1" [label="commit\\ndicom-tls 2762/tcp, TLS"' in text
    assert 'lhead="cluster_modality"' in text
    assert sum(" -> " in line for line in text.splitlines()) == len(drawn.lines)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed; nothing of pacslab needs it")
def test_graphviz_takes_it(drawn: Chart, hostile: Chart) -> None:
    for each in (drawn, hostile):
        done = subprocess.run(["dot", "-Tsvg"], input=map_dot.render(each), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
