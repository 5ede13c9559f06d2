"""Two policies -> the host pairs and ports that the second one opens, closes or changes, each with its reason."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pacslab.model.dicom import Operation, Protocol
from pacslab.model.lab import Origin
from pacslab.model.passage import port_text
from pacslab.model.plan import Flow, Plan, PlannedNode

Pair = tuple[str, str, Protocol, int]  # source, destination, protocol, address family
Cause = tuple[str, tuple[Origin, ...], tuple[Origin, ...]]  # why; where on the side that has it, and on the other


class Access(StrEnum):
    """What became of one pair's ports."""

    OPENED = "opened"
    CLOSED = "closed"
    GRANTABLE = "grantable"  # was denied, is closed until granted
    WITHDRAWN = "withdrawn"  # was closed until granted, is denied
    CHANGED = "changed"  # as open as before, for something else


@dataclass(frozen=True, slots=True)
class PassageChange:
    """One pair of hosts and a port or range, what became of it, why, and where that is written."""

    access: Access
    source: str
    destination: str
    protocol: Protocol
    port: int
    last_port: int | None
    families: tuple[int, ...]
    service: str
    conduit: str
    operations: tuple[Operation, ...]  # of what opened or closed; empty where the service has none, or for a change
    gained: tuple[Operation, ...]  # of a change
    lost: tuple[Operation, ...]
    reason: str
    after: tuple[Origin, ...]  # where it is written, the cause first
    before: tuple[Origin, ...]  # where it was written

    @property
    def ports(self) -> str:
        """The port or the range, with its protocol."""
        return port_text(self.protocol, self.port, self.last_port)


def passage_changes(before: Plan, after: Plan) -> tuple[PassageChange, ...]:
    """Every change of what a pair of hosts may do, ordered by what became of it, then by names."""
    sides = _Side.of(before), _Side.of(after)
    merged: dict[PassageChange, tuple[int, ...]] = {}
    for segment in _segments(*sides):
        change = _change(segment, *sides)
        if change is not None:
            bare = replace(change, families=())
            merged[bare] = tuple(sorted({*merged.get(bare, ()), *change.families}))
    found = (replace(change, families=families) for change, families in merged.items())
    order = list(Access)
    return tuple(sorted(found, key=lambda c: (order.index(c.access), c.source, c.destination, c.protocol, c.port)))


def conduit_names(before: Plan, after: Plan) -> tuple[tuple[str, str], ...]:
    """What one conduit permitted and another one permits now: names before and after, where they differ."""
    segments = _segments(_Side.of(before), _Side.of(after))
    pairs = {(s.before.conduit, s.after.conduit) for s in segments if s.before and s.after}
    return tuple(sorted((old, new) for old, new in pairs if old != new))


@dataclass(frozen=True, slots=True)
class _Segment:
    """Ports of one pair over which nothing varies on either side."""

    pair: Pair
    first: int
    last: int
    before: Flow | None
    after: Flow | None


@dataclass(frozen=True, slots=True)
class _Side:
    """One plan, looked up the ways that reasons need."""

    nodes: dict[str, PlannedNode]
    pairs: dict[Pair, tuple[Flow, ...]]
    conduits: dict[str, tuple[Flow, ...]]

    @classmethod
    def of(cls, plan: Plan) -> _Side:
        pairs: defaultdict[Pair, list[Flow]] = defaultdict(list)
        conduits: defaultdict[str, list[Flow]] = defaultdict(list)
        for flow in plan.flows:
            pairs[flow.source, flow.destination, flow.protocol, flow.destination_address.version].append(flow)
            conduits[flow.conduit].append(flow)
        nodes = {node.name: node for node in plan.nodes}
        return cls(nodes, {k: tuple(v) for k, v in pairs.items()}, {k: tuple(v) for k, v in conduits.items()})


def _segments(before: _Side, after: _Side) -> Iterator[_Segment]:
    for pair in dict.fromkeys((*before.pairs, *after.pairs)):
        old, new = before.pairs.get(pair, ()), after.pairs.get(pair, ())
        cuts = sorted({cut for flow in (*old, *new) for cut in (flow.ports[0], flow.ports[1] + 1)})
        pending: _Segment | None = None
        for first, following in itertools.pairwise(cuts):
            segment = _Segment(pair, first, following - 1, _ruling(old, first), _ruling(new, first))
            if pending and (pending.before, pending.after) == (segment.before, segment.after):
                pending = replace(pending, last=segment.last)
                continue
            if pending:
                yield pending
            pending = segment
        if pending:
            yield pending


def _ruling(flows: Iterable[Flow], port: int) -> Flow | None:
    """The flow that decides about a port: an open one before one that is closed until granted."""
    covering = [flow for flow in flows if flow.ports[0] <= port <= flow.ports[1]]
    return min(covering, key=lambda flow: flow.granted, default=None)


def _change(segment: _Segment, before: _Side, after: _Side) -> PassageChange | None:
    old, new = segment.before, segment.after
    access = _access(old, new)
    closing = access in {Access.CLOSED, Access.WITHDRAWN}
    flow = old if closing else new
    if access is None or flow is None:
        return None
    if access is Access.CHANGED and old and new:
        reason, here, there = _alteration(old, new)
    elif closing:
        reason, here, there = _cause(flow, new, before, after, closing=True)
    else:
        reason, here, there = _cause(flow, old, after, before, closing=False)
    change = access is Access.CHANGED
    source, destination, protocol, family = segment.pair
    return PassageChange(
        access=access,
        source=source,
        destination=destination,
        protocol=protocol,
        port=segment.first,
        last_port=segment.last if segment.last != segment.first else None,
        families=(family,),
        service=flow.service,
        conduit=flow.conduit,
        operations=() if change else flow.operations,
        gained=_without(new, old) if change else (),
        lost=_without(old, new) if change else (),
        reason=reason,
        after=there if closing else here,
        before=here if closing else there,
    )


def _access(old: Flow | None, new: Flow | None) -> Access | None:
    """What became of a segment; None: nothing, or there is nothing."""
    match (old and not old.granted, new and not new.granted):
        case (None, None):
            return None
        case (None, False):
            return Access.GRANTABLE
        case (False, None):
            return Access.WITHDRAWN
        case (None | False, True):
            return Access.OPENED
        case (True, None | False):
            return Access.CLOSED
    assert old
    assert new
    said = ((flow.application, set(flow.operations), flow.grant_limit_s) for flow in (old, new))
    return None if next(said) == next(said) else Access.CHANGED


def _without(flow: Flow | None, other: Flow | None) -> tuple[Operation, ...]:
    left = set(flow.operations if flow else ()) - set(other.operations if other else ())
    return tuple(sorted(left))


def _alteration(old: Flow, new: Flow) -> Cause:
    parts = []
    if old.application is not new.application:
        parts.append(f"{new.destination} speaks {new.application.value} there, not {old.application.value}")
    if gained := _without(new, old):
        parts.append(f"conduit {new.conduit!r} also permits {', '.join(gained)}")
    if lost := _without(old, new):
        parts.append(f"conduit {new.conduit!r} no longer permits {', '.join(lost)}")
    if old.grant_limit_s != new.grant_limit_s:
        parts.append(f"a grant lasts {_lasting(new)} now, not {_lasting(old)}")
    return "; ".join(parts), (new.origin,), (old.origin,)


def _lasting(flow: Flow) -> str:
    return "without end" if flow.grant_limit_s is None else f"at most {flow.grant_limit_s} s"


def _cause(flow: Flow, rival: Flow | None, here: _Side, there: _Side, *, closing: bool) -> Cause:
    """Why a flow stands on one side (`here`) and not on the other, and where that is written on both sides.

    Args:
        flow: The flow that opened, or the one that closed.
        rival: What rules the same ports on the other side, if anything.
        here: The side that has the flow.
        there: The side that has not.
        closing: Whether `here` is the past.
    """
    name, conduit = repr(flow.conduit), there.conduits.get(flow.conduit, ())
    if rival is not None:
        word = "is closed until granted now" if closing else "is no longer closed until granted"
        return f"conduit {(rival if closing else flow).conduit!r} {word}", (flow.origin,), (rival.origin,)
    for end in (flow.source, flow.destination):
        if end not in there.nodes:
            return f"node {end} is {'gone' if closing else 'new'}", (here.nodes[end].origin, flow.origin), ()
    if not conduit:
        return f"conduit {name} is {'gone' if closing else 'new'}", (flow.origin,), ()
    places = (flow.origin,), (conduit[0].origin,)
    twins = [other for other in conduit if (other.source, other.destination) == (flow.source, flow.destination)]
    if twins:
        return _moved(flow, twins, here, there, closing=closing)
    if all(other.source != flow.source for other in conduit):
        return f"conduit {name} {'no longer lets in' if closing else 'now lets in'} {flow.source}", *places
    if all(other.destination != flow.destination for other in conduit):
        return f"conduit {name} {'no longer leads to' if closing else 'now leads to'} {flow.destination}", *places
    return f"conduit {name} is {'narrower' if closing else 'wider'}", *places


def _moved(flow: Flow, twins: list[Flow], here: _Side, there: _Side, *, closing: bool) -> Cause:
    """Why one conduit means other ports of one pair than on the other side."""
    twin = next((t for t in twins if t.destination_address.version == flow.destination_address.version), None)
    if twin is None:
        family = f"IPv{flow.destination_address.version}"
        reason = f"{flow.source} and {flow.destination} {'no longer' if closing else 'now'} both have {family}"
        return reason, (here.nodes[flow.destination].origin, flow.origin), (there.nodes[flow.destination].origin,)
    if twin.service != flow.service:
        old, new = (flow, twin) if closing else (twin, flow)
        return f"conduit {flow.conduit!r} is for {new.service} now, not {old.service}", (flow.origin,), (twin.origin,)
    mine, other = (port_text(f.protocol, f.port, f.last_port) for f in (flow, twin))
    old_text, new_text = (mine, other) if closing else (other, mine)
    reason = f"service {flow.service} of {flow.destination} is at {new_text} now, not {old_text}"
    return reason, (here.nodes[flow.destination].origin, flow.origin), (there.nodes[flow.destination].origin,)
