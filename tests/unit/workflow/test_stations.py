"""Who plays which role is read from kinds, flows and operations, never from names."""

from dataclasses import replace

import pytest

from pacslab.errors import Exit, PacslabError
from pacslab.model.dicom import Operation
from pacslab.model.lab import Setting
from pacslab.model.plan import Flow, Plan
from pacslab.model.workflow import Part, Step
from pacslab.workflow.planning import WORKFLOWS, plan_steps, require
from pacslab.workflow.stations import find_stations


def _without(plan: Plan, *operations: Operation) -> Plan:
    """A lab whose flows lack operations."""
    kept = tuple(
        replace(flow, operations=tuple(op for op in flow.operations if op not in operations)) for flow in plan.flows
    )
    return replace(plan, flows=kept)


def _renamed(plan: Plan) -> Plan:
    """The same lab under other names."""

    def new(name: str) -> str:
        return f"x{name[::-1]}"

    def moved(setting: Setting) -> Setting:
        names = {node.name for node in plan.nodes}
        values = tuple(new(v.rpartition("/")[2]) if v.rpartition("/")[2] in names else v for v in setting.values)
        return replace(setting, values=values)

    def turned(flow: Flow) -> Flow:
        return replace(flow, source=new(flow.source), destination=new(flow.destination))

    nodes = tuple(replace(n, name=new(n.name), settings=tuple(map(moved, n.settings))) for n in plan.nodes)
    return replace(plan, nodes=nodes, flows=tuple(map(turned, plan.flows)))


def test_each_scanner_of_the_reference_lab_has_a_whole_day(reference: Plan) -> None:
    found = find_stations(reference)
    assert [(one.scanner, one.modality, one.ae_title) for one in found] == [
        ("ct-1", "CT", "CT1"), ("mr-1", "MR", "MR1"), ("us-1", "US", "US1"),
    ]  # fmt: skip
    assert all(one.parts == tuple(Part) for one in found)


def test_the_way_of_a_study_is_that_of_the_reference_lab(reference: Plan) -> None:
    steps = [(s.step, s.source, s.destination, s.conduit) for s in plan_steps(find_stations(reference)[0], tuple(Part))]
    assert steps[:7] == [
        (Step.ORDER, "ehr", "ris", "order"),
        (Step.SCHEDULE, "ris", "ris", ""),
        (Step.WORKLIST, "ct-1", "ris", "worklist"),
        (Step.START, "ct-1", "ris", "worklist"),
        (Step.STORE, "ct-1", "pacs", "acquire"),
        (Step.COMMIT, "ct-1", "pacs", "acquire"),
        (Step.COMPLETE, "ct-1", "ris", "worklist"),
    ]
    assert (Step.COPY, "pacs", "vna", "archive") in steps
    assert steps[-7:] == [
        (Step.FIND, "reading-1", "pacs", "read-dimse"),
        (Step.DELIVER, "reading-1", "pacs", "read-dimse"),
        (Step.SEARCH, "reading-1", "pacs-web", "read-web"),
        (Step.RETRIEVE, "reading-1", "pacs-web", "read-web"),
        (Step.STATUS, "ris", "ehr", "result"),
        (Step.RESULT, "ris", "ehr", "result"),
        (Step.FILE, "ehr", "ehr", ""),
    ]


def test_a_copy_behind_a_web_front_is_looked_for_at_the_archive_behind_it(reference: Plan) -> None:
    forward = Setting("forward", ("cloud/cloud-web",), reference.node("vna").origin)
    nodes = tuple(
        replace(n, settings=(*(s for s in n.settings if s.name != "forward"), forward)) if n.name == "vna" else n
        for n in reference.nodes
    )
    legs = find_stations(replace(reference, nodes=nodes))[0].copies
    assert [(leg.source, leg.holder, leg.flow.destination) for leg in legs] == [
        ("pacs", "vna", "vna"), ("vna", "cloud-store", "cloud-web"),
    ]  # fmt: skip


def test_archives_that_forward_to_each_other_are_walked_once(reference: Plan) -> None:
    back = Setting("forward", ("pacs-core/pacs",), reference.node("vna").origin)
    nodes = tuple(replace(n, settings=(back,)) if n.name == "vna" else n for n in reference.nodes)
    flow = next(f for f in reference.flows if f.conduit == "archive")
    home = replace(flow, source="vna", destination="pacs", operations=(Operation.C_STORE,))
    legs = find_stations(replace(reference, nodes=nodes, flows=(*reference.flows, home)))[0].copies
    assert [leg.holder for leg in legs] == ["vna"]


def test_names_do_not_matter(reference: Plan) -> None:
    plain, renamed = find_stations(reference)[0], find_stations(_renamed(reference))[0]
    assert renamed.scanner == "x1-tc"
    steps = plan_steps(renamed, tuple(Part))
    assert [s.step for s in steps] == [s.step for s in plan_steps(plain, tuple(Part))]
    assert {s.source for s in steps} >= {"xrhe", "xscap", "x1-gnidaer"}


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        (Operation.ORM_O01, Part.ORDER),
        (Operation.ADT_A01, Part.ORDER),
        (Operation.C_FIND_MWL, Part.ACQUIRE),
        (Operation.N_SET_MPPS, Part.ACQUIRE),
        (Operation.C_MOVE, Part.READ),
        (Operation.ORU_R01, Part.REPORT),
    ],
)
def test_a_part_is_missing_without_its_operation(reference: Plan, operation: Operation, part: Part) -> None:
    found = find_stations(_without(reference, operation))
    assert all(part not in one.parts for one in found)
    with pytest.raises(PacslabError, match=f"no stations for {part.value}:") as caught:
        require("odd", found, tuple(Part))
    assert caught.value.exit_code is Exit.USAGE
    assert "can run: " in caught.value.hint
    assert part.value not in caught.value.hint


def test_what_is_not_permitted_is_left_out_where_a_day_can_do_without(reference: Plan) -> None:
    lean = _without(reference, Operation.N_EVENT_REPORT_STGCMT, Operation.QIDO_RS)
    steps = {s.step for s in plan_steps(find_stations(lean)[0], tuple(Part))}
    assert not steps & {Step.COMMIT, Step.SEARCH, Step.RETRIEVE}
    assert {Step.STORE, Step.DELIVER} <= steps


def test_a_grant_is_nothing_to_rest_a_day_on(reference: Plan) -> None:
    flows = tuple(replace(f, granted=True) if f.conduit == "acquire" else f for f in reference.flows)
    assert Part.ACQUIRE not in find_stations(replace(reference, flows=flows))[0].parts


def test_a_lab_without_a_ris_says_all_it_lacks(minimal: Plan) -> None:
    with pytest.raises(PacslabError) as caught:
        require("minimal", find_stations(minimal), WORKFLOWS["radiology-day"])
    assert "order needs an ehr that may send ADT^A01 and ORM^O01 to a ris" in caught.value.message
    assert "reference.yaml" in caught.value.hint


def test_a_lab_without_scanners_can_still_order(reference: Plan) -> None:
    nodes = tuple(node for node in reference.nodes if node.kind != "modality")
    names = {node.name for node in nodes}
    flows = tuple(f for f in reference.flows if {f.source, f.destination} <= names)
    found = find_stations(replace(reference, nodes=nodes, flows=flows))
    assert len(found) == 1
    assert set(found[0].parts) == {Part.ORDER, Part.REPORT}
