"""What a change of the policy means: exactly the pairs that opened or closed; another way of writing means nothing."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from pacslab.compiler.compile import compile_lab
from pacslab.compiler.difference import Attribute, Difference, Turn, compare, container_parts
from pacslab.compiler.openings import Access
from pacslab.labfile.load import load
from pacslab.model.dicom import Protocol
from pacslab.model.lab import Posture, Service
from pacslab.model.plan import Flow, Plan


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """The shipped files, to be changed."""
    for folder in ("lab", "zones"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".pacslab"))
    return tmp_path


Edit = Callable[[str, str, str], Difference]


@pytest.fixture
def edit(copy: Path, reference: Plan) -> Edit:
    """The reference lab with one text replaced by another, compared with what it was."""

    def edited(file: str, old: str, new: str) -> Difference:
        path = copy / "zones" / f"{file}.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
        return compare(reference, _plan(copy))

    return edited


def _plan(folder: Path) -> Plan:
    return compile_lab(load(folder / "lab/reference.yaml").lab)


def _pairs(difference: Difference, access: Access) -> list[str]:
    return [f"{c.source} {c.destination} {c.ports}" for c in difference.passages if c.access is access]


def test_a_plan_does_not_differ_from_itself(reference: Plan) -> None:
    difference = compare(reference, reference)
    assert not difference
    assert difference == Difference((), (), (), (), ())


def _reversed(value: Any, *, name: str = "") -> Any:
    """Everything backwards but the nodes, whose order counts their addresses."""
    match value:
        case dict():
            keys = list(value) if name == "nodes" else reversed(value)
            return {key: _reversed(value[key], name=key) for key in keys}
        case list():
            return [_reversed(item) for item in reversed(value)]
    return value


def test_another_order_another_style_and_remarks_are_no_difference(copy: Path, reference: Plan) -> None:
    for file in copy.glob("*/*.yaml"):
        value = yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - text only
        file.write_text("# a remark\n\n" + json.dumps(_reversed(value), indent=3), encoding="utf-8")
    rewritten = _plan(copy)
    assert rewritten.digest != reference.digest
    assert [zone.name for zone in rewritten.zones] != [zone.name for zone in reference.zones]
    assert compare(reference, rewritten) == Difference((), (), (), (), ())


def test_a_conduit_split_in_two_is_no_difference_but_noted(edit: Edit) -> None:
    found = edit(
        "pacs-core",
        "  - id: acquire\n    from: modality\n    to: pacs\n",
        "  - id: acquire-ct\n    from: modality/ct-1\n    to: pacs\n    service: dicom-tls\n"
        "    operations: [N-ACTION-STGCMT, C-STORE, C-ECHO]\n    why: The CT stores its images.\n"
        "  - id: acquire\n    from: [modality/us-1, modality/mr-1]\n    to: pacs\n",
    )
    assert not found
    assert found.notes == ("what conduit 'acquire' permitted, conduit 'acquire-ct' permits now",)


def test_another_reason_or_owner_is_no_difference(edit: Edit) -> None:
    assert not edit("archive", "    owner: pacs-admin\n", "    owner: somebody\n    references: [RAD-1]\n")


def test_a_widened_conduit_names_exactly_the_pairs_that_opened(edit: Edit, root: Path) -> None:
    found = edit(
        "pacs-core",
        "    from: clinical/reading-1\n    to: pacs-web\n",
        "    from: [clinical, outside]\n    to: pacs-web\n",
    )
    assert _pairs(found, Access.OPENED) == [
        "ehr pacs-web 443/tcp",
        "guest-1 pacs-web 443/tcp",
        "internet-1 pacs-web 443/tcp",
        "ris pacs-web 443/tcp",
    ]
    assert len(found.passages) == 4
    assert not found.nodes
    assert not found.zones
    guest = found.passages[1]
    assert guest.reason == "conduit 'read-web' now lets in guest-1"
    lines = (root / "zones/pacs-core.yaml").read_text(encoding="utf-8").splitlines()
    line = lines.index("  - id: read-web") + 1
    assert [(Path(place.file).name, place.line) for place in guest.after] == [("pacs-core.yaml", line)]
    assert [str(place) for place in guest.before] == [f"zones/pacs-core.yaml:{line}:5"]


def _granted(plan: Plan, conduit: str, *, granted: bool) -> Plan:
    """The plan with a conduit closed until granted, or not."""
    return replace(plan, flows=tuple(replace(f, granted=granted) if f.conduit == conduit else f for f in plan.flows))


def test_a_conduit_closed_until_granted_closes_its_pair(reference: Plan) -> None:
    found = compare(reference, _granted(reference, "vendor-login", granted=True))
    assert _pairs(found, Access.CLOSED) == ["vendor-1 bastion 22/tcp"]
    assert found.passages[0].reason == "conduit 'vendor-login' is closed until granted now"


def test_a_longer_grant_is_a_difference(edit: Edit) -> None:
    (change,) = edit("modality", "    for: 30m\n", "    for: 8h\n").passages
    assert (change.access, change.source, change.destination) == (Access.CHANGED, "bastion", "ct-1")
    assert change.reason == "a grant lasts at most 28800 s now, not at most 1800 s"


def test_an_operation_more_is_a_difference(edit: Edit) -> None:
    found = edit("archive", "[C-ECHO, C-STORE, C-FIND, C-GET]", "[C-STORE, C-ECHO, C-FIND, C-MOVE]")
    (change,) = found.passages
    assert change.access is Access.CHANGED
    assert (change.source, change.destination, change.gained, change.lost) == ("pacs", "vna", ("C-MOVE",), ("C-GET",))
    assert change.reason == "conduit 'archive' also permits C-MOVE; conduit 'archive' no longer permits C-GET"


def test_a_grant_made_for_good_opens_its_pair(reference: Plan) -> None:
    (change,) = compare(reference, _granted(reference, "vendor-service", granted=False)).passages
    assert (change.access, change.source, change.destination, change.port) == (Access.OPENED, "bastion", "ct-1", 22)
    assert change.reason == "conduit 'vendor-service' is no longer closed until granted"


def test_a_conduit_that_is_gone_closes_its_pairs(edit: Edit, reference: Plan) -> None:
    text = "  - id: vendor-login\n    from: vendor-remote/vendor-1\n    to: bastion\n    service: ssh\n"
    found = edit("vendor-remote", f"accepts:\n{text}", f"accepts:\n{text.replace('vendor-login', 'other')}")
    assert not found
    without = replace(reference, flows=tuple(flow for flow in reference.flows if flow.conduit != "vendor-login"))
    (change,) = compare(reference, without).passages
    assert (change.access, change.reason) == (Access.CLOSED, "conduit 'vendor-login' is gone")
    assert not change.after
    assert str(change.before[0]).startswith("zones/vendor-remote.yaml:")


def test_a_closed_conduit_that_is_new_is_grantable_and_withdrawn_again(reference: Plan) -> None:
    without = replace(reference, flows=tuple(flow for flow in reference.flows if not flow.granted))
    assert [c.access for c in compare(without, reference).passages] == [Access.GRANTABLE]
    assert [c.access for c in compare(reference, without).passages] == [Access.WITHDRAWN]


def test_a_new_node_comes_with_what_it_opens(edit: Edit) -> None:
    found = edit("modality", "\naccepts:", "  xa-1: {kind: modality, modality: CT, ae_title: XA1}\n\naccepts:")
    (node,) = found.nodes
    assert (node.turn, node.name) == (Turn.ADDED, "xa-1")
    assert Attribute("address", "", "198.18.10.13") in node.attributes
    assert _pairs(found, Access.OPENED) == ["pacs xa-1 2762/tcp", "xa-1 pacs 2762/tcp", "xa-1 ris 2762/tcp"]
    assert {change.reason for change in found.passages} == {"node xa-1 is new"}
    assert {change.after[0] for change in found.passages} == set(node.after)
    assert not node.before


def test_a_zone_left_out_goes_with_its_nodes(reference: Plan, minimal: Plan) -> None:
    found = compare(reference, minimal)
    assert [(z.turn, z.name) for z in found.zones][:2] == [(Turn.REMOVED, "archive"), (Turn.REMOVED, "clinical")]
    assert len(found.nodes) == len(reference.nodes) - len(minimal.nodes)
    assert not _pairs(found, Access.OPENED)
    assert len(_pairs(found, Access.CLOSED)) == sum(not f.granted for f in reference.flows) - len(minimal.flows)
    assert found.notes == ("lab reference is compared with lab minimal",)


RENUMBERED = ("archive", "    kind: orthanc\n", "    kind: orthanc\n    address: 198.18.30.77\n")


@pytest.mark.parametrize(
    ("change", "node", "attribute"),
    [
        (("modality", "ae_title: CT1", "ae_title: CT9"), "ct-1", Attribute("AE title", "CT1", "CT9")),
        (("modality", "modality: US", "modality: MR"), "us-1", Attribute("modality", "US", "MR")),
        (RENUMBERED, "vna", Attribute("address", "198.18.30.10", "198.18.30.77")),
    ],
)
def test_a_node_that_is_another_than_it_was(
    change: tuple[str, str, str], node: str, attribute: Attribute, edit: Edit
) -> None:
    found = edit(*change)
    assert [(n.turn, n.name, n.attributes) for n in found.nodes] == [(Turn.CHANGED, node, (attribute,))]
    assert found
    assert not found.passages


@pytest.mark.parametrize(
    "change",
    [
        ("outside", "title: A guest's laptop", "title: Another laptop"),
        ("pacs-core", "forward: [archive/vna]", "forward: vna"),
    ],
)
def test_a_node_that_is_only_written_differently(change: tuple[str, str, str], edit: Edit) -> None:
    assert not edit(*change)


def test_another_posture_is_a_difference(reference: Plan) -> None:
    found = compare(reference, replace(reference, posture=Posture.FLAT))
    assert found
    assert found.lab == (Attribute("posture", "segmented", "flat"),)


def _with_port(plan: Plan, node: str, first: int, last: int | None) -> Plan:
    """The plan with another port, or range, for every service of a node."""

    def moved(service: Service) -> Service:
        return replace(service, port=first, last_port=last)

    nodes = tuple(replace(n, services=tuple(map(moved, n.services))) if n.name == node else n for n in plan.nodes)
    flows = tuple(replace(f, port=first, last_port=last) if f.destination == node else f for f in plan.flows)
    return replace(plan, nodes=nodes, flows=flows)


def test_a_service_on_another_port(reference: Plan) -> None:
    found = compare(reference, _with_port(reference, "ct-1", 104, None))
    assert _pairs(found, Access.OPENED) == ["pacs ct-1 104/tcp"]
    assert _pairs(found, Access.CLOSED) == ["pacs ct-1 2762/tcp"]
    assert found.passages[0].reason == "service dicom-tls of ct-1 is at 104/tcp now, not 2762/tcp"
    (node,) = found.nodes
    assert [a.name for a in node.attributes] == ["services"]


def test_of_a_widened_range_only_the_new_ports_open(reference: Plan) -> None:
    narrow, wide = _with_port(reference, "vna", 5000, 5010), _with_port(reference, "vna", 4990, 5020)
    found = compare(narrow, wide)
    assert _pairs(found, Access.OPENED) == ["pacs vna 4990-4999/tcp", "pacs vna 5011-5020/tcp"]
    assert len(found.passages) == 2
    assert _pairs(compare(wide, narrow), Access.CLOSED) == _pairs(found, Access.OPENED)


def _with_ipv6(plan: Plan) -> Plan:
    """The plan with a second flow over IPv6 for every flow."""

    def twin(flow: Flow) -> Flow:
        return replace(flow, source_address=IPv6Address(1), destination_address=IPv6Address(2))

    return replace(plan, flows=(*plan.flows, *map(twin, plan.flows)))


def test_ipv6_beside_ipv4_opens_ipv6_only(minimal: Plan) -> None:
    found = compare(minimal, _with_ipv6(minimal))
    assert [(c.access, c.families) for c in found.passages] == [(Access.OPENED, (6,))] * len(minimal.flows)
    assert found.passages[0].reason == "ct-1 and pacs now both have IPv6"


def test_both_families_of_one_passage_are_one_change(minimal: Plan) -> None:
    found = compare(replace(minimal, flows=()), _with_ipv6(minimal))
    assert [c.families for c in found.passages] == [(4, 6)] * len(minimal.flows)


def test_udp_is_not_tcp(minimal: Plan) -> None:
    flow = minimal.flows[0]
    found = compare(minimal, replace(minimal, flows=(*minimal.flows, replace(flow, protocol=Protocol.UDP))))
    assert _pairs(found, Access.OPENED) == [f"{flow.source} {flow.destination} {flow.port}/udp"]


def test_every_place_is_a_place_in_a_file(reference: Plan, minimal: Plan) -> None:
    for found in (compare(reference, minimal), compare(minimal, reference)):
        for change in (*found.passages, *found.nodes, *found.zones):
            places = (*change.after, *change.before)
            assert places
            assert all(re.fullmatch(r"(zones|lab)/[a-z-]+\.yaml:\d+:\d+", str(place)) for place in places)


def test_parts_of_a_container_that_differ(reference: Plan) -> None:
    old = reference.containers[0]
    new = replace(old, image="other", files=(*old.files[1:], replace(old.files[0], text="other")))
    assert container_parts(old, old) == ()
    assert container_parts(old, new) == ("image", old.files[0].path)
    assert container_parts(old, replace(old, files=old.files[1:], pids=7)) == ("limits", old.files[0].path)
