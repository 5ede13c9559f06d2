"""Whatever two policies are: the pairs and ports that are said to open and close are exactly those that do."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from pacslab.compiler.openings import Access, PassageChange, conduit_names, passage_changes
from pacslab.model.dicom import Application, Operation, Protocol
from pacslab.model.lab import Origin
from pacslab.model.plan import Flow, Plan, PlannedNode

NODES = ("a", "b", "c")
PORTS = range(1, 9)
Socket = tuple[str, str, Protocol, int, int]  # with family and port


@st.composite
def _flow(draw: st.DrawFn) -> Flow:
    source, destination = draw(st.permutations(NODES))[:2]
    address = draw(st.sampled_from([IPv4Address("198.18.0.1"), IPv6Address("2001:2::1")]))
    first, last = sorted((draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))))
    return Flow(
        conduit=draw(st.sampled_from(["x", "y"])),
        source=source,
        source_address=address,
        destination=destination,
        destination_address=address,
        protocol=draw(st.sampled_from(Protocol)),
        port=first,
        service="dicom",
        application=Application.DICOM,
        operations=tuple(draw(st.sets(st.sampled_from([Operation.C_ECHO, Operation.C_STORE]), min_size=1))),
        granted=draw(st.booleans()),
        origin=Origin("zone.yaml", draw(st.integers(1, 9))),
        last_port=last if last > first else None,
    )


def _plan(flows: tuple[Flow, ...], like: Plan) -> Plan:
    address, origin = IPv4Address("198.18.0.1"), Origin("zone.yaml")
    return replace(like, nodes=tuple(PlannedNode(n, "z", "probe", address, (), origin) for n in NODES), flows=flows)


FLOWS = st.lists(_flow(), max_size=5).map(tuple)


def _open(flows: tuple[Flow, ...], *, granted: bool = False) -> set[Socket]:
    """Every socket that a policy opens, or that somebody may be granted, one by one."""
    return {
        (flow.source, flow.destination, flow.protocol, flow.destination_address.version, port)
        for flow in flows
        if flow.granted is granted
        for port in range(flow.ports[0], flow.ports[1] + 1)
    }


def _said(changes: tuple[PassageChange, ...], access: Access) -> list[Socket]:
    return [
        (change.source, change.destination, change.protocol, family, port)
        for change in changes
        if change.access is access
        for family in change.families
        for port in range(change.port, (change.last_port or change.port) + 1)
    ]


@given(before=FLOWS, after=FLOWS)
def test_exactly_what_opens_and_closes_is_said_and_said_once(
    before: tuple[Flow, ...], after: tuple[Flow, ...], minimal: Plan
) -> None:
    changes = passage_changes(_plan(before, minimal), _plan(after, minimal))
    assert sorted(_said(changes, Access.OPENED)) == sorted(_open(after) - _open(before))
    assert sorted(_said(changes, Access.CLOSED)) == sorted(_open(before) - _open(after))
    all_before, all_after = (_open(flows) | _open(flows, granted=True) for flows in (before, after))
    assert sorted(_said(changes, Access.GRANTABLE)) == sorted(all_after - _open(after) - all_before)
    assert sorted(_said(changes, Access.WITHDRAWN)) == sorted(all_before - _open(before) - all_after)


@given(before=FLOWS, after=FLOWS)
def test_every_change_has_a_reason_and_a_place_and_the_way_back_is_its_mirror(
    before: tuple[Flow, ...], after: tuple[Flow, ...], minimal: Plan
) -> None:
    old, new = _plan(before, minimal), _plan(after, minimal)
    there, back = passage_changes(old, new), passage_changes(new, old)
    assert all(change.reason and (change.after or change.before) for change in there)
    assert sorted(_said(there, Access.OPENED)) == sorted(_said(back, Access.CLOSED))
    assert len(_said(there, Access.CHANGED)) == len(_said(back, Access.CHANGED))


@given(flows=FLOWS)
def test_nothing_differs_from_itself(flows: tuple[Flow, ...], minimal: Plan) -> None:
    plan = _plan(flows, minimal)
    moved = replace(plan, flows=tuple(replace(flow, origin=Origin("other.yaml")) for flow in flows))
    assert passage_changes(plan, moved) == ()
    assert conduit_names(plan, moved) == ()
