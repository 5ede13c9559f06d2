"""Lab -> Plan, stage by stage; pure, and the same for the same lab."""

from __future__ import annotations

from pacslab.compiler.addressing import cables, planned_nodes, planned_zones
from pacslab.compiler.containers import containers, fabric
from pacslab.compiler.policy import flows, probe_ports
from pacslab.firewall.emit import emit
from pacslab.firewall.text import render
from pacslab.model.lab import Lab, Posture
from pacslab.model.plan import Plan


def compile_lab(lab: Lab, posture: Posture | None = None) -> Plan:
    """Decide everything about a lab that can be decided before the engine is touched.

    Args:
        lab: The lab.
        posture: Enforce this one instead of the lab file's.
    """
    posture = posture or lab.posture
    zones = planned_zones(lab)
    laid = cables(lab)
    policy = flows(lab)
    return Plan(
        lab=lab.name,
        title=lab.title,
        posture=posture,
        zones=zones,
        nodes=planned_nodes(lab),
        fabric=fabric(lab),
        containers=containers(lab, policy),
        cables=laid,
        flows=policy,
        ports=probe_ports(lab),
        ruleset=render(emit(zones, laid, policy, posture)),
    )
