"""Plan -> expectations: for every ordered pair of nodes and every port of the lab, allowed or denied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    """Every ordered pair of nodes with every port that any service of the lab uses.

    The policy is what counts, not the posture: a flat lab is expected to be segmented, and fails.
    """
    flows = {(f.source, f.destination, f.protocol, f.port): f for f in plan.flows if not f.granted}
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
    return Pairs(total, len({(f.source, f.destination, f.protocol, f.port) for f in plan.flows if not f.granted}))
