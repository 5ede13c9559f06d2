"""What the firewall has to enforce, whatever its rules look like: cables, zones, flows, and the posture."""

from __future__ import annotations

from dataclasses import dataclass

from pacslab.model.fabric import Cable
from pacslab.model.lab import Posture, Service
from pacslab.model.plan import Flow, Plan, PlannedZone


@dataclass(frozen=True, slots=True)
class Policy:
    """The set of all flows, who may send from where, and how much of it is enforced."""

    zones: tuple[PlannedZone, ...]
    cables: tuple[Cable, ...]
    flows: tuple[Flow, ...]
    posture: Posture
    services: tuple[tuple[str, Service], ...] = ()  # node, what it listens with: for names in words only

    @classmethod
    def of(cls, plan: Plan, posture: Posture | None = None) -> Policy:
        """The policy of a plan, in its own posture or another."""
        services = tuple((node.name, service) for node in plan.nodes for service in node.services)
        return cls(plan.zones, plan.cables, plan.flows, posture or plan.posture, services)
