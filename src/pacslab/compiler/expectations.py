"""Plan -> expectations: for every ordered pair of nodes and every port of the lab, allowed or denied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from pacslab.model.dicom import Protocol
from pacslab.model.plan import Flow, Plan


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should be seen when a source opens a port of a destination."""

    source: str
    destination: str
    protocol: Protocol
    port: int
    flow: Flow | None  # the flow that permits it; None: denied

    @property
    def allowed(self) -> bool:
        """Whether the policy permits it."""
        return self.flow is not None


@dataclass(frozen=True, slots=True)
class Pairs:
    """How many combinations there are, and how many the policy allows."""

    total: int
    allowed: int


def expectations(plan: Plan) -> Iterator[Expectation]:
    """Every ordered pair of nodes with every port that any service of the lab uses, over IPv4.

    The policy is what counts, not the posture: a flat lab is expected to be segmented, and fails.
    """
    flows = _permitted(plan)
    for source in plan.nodes:
        for destination in plan.nodes:
            if source is destination:
                continue
            for protocol, port in plan.ports:
                flow = flows.get((source.name, destination.name, protocol, port))
                yield Expectation(source.name, destination.name, protocol, port, flow)


def expected_pairs(plan: Plan) -> Pairs:
    """Count the expectations without making them."""
    total = len(plan.nodes) * (len(plan.nodes) - 1) * len(plan.ports)
    return Pairs(total, len(_permitted(plan)))


def _permitted(plan: Plan) -> dict[tuple[str, str, Protocol, int], Flow]:
    """The open flow over IPv4 of each pair and probed port; a range permits every probed port in it."""
    permitted: dict[tuple[str, str, Protocol, int], Flow] = {}
    for flow in plan.flows:
        if flow.granted or not isinstance(flow.source_address, IPv4Address):
            continue
        for port in _probed(plan, flow):
            permitted[flow.source, flow.destination, flow.protocol, port] = flow
    return permitted


def _probed(plan: Plan, flow: Flow) -> tuple[int, ...]:
    first, last = flow.ports
    if first == last:
        return (first,)
    return tuple(port for protocol, port in plan.ports if protocol is flow.protocol and first <= port <= last)
