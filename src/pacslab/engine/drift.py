"""What runs and its plan -> every difference by meaning, with its effect in words of nodes and services."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pacslab.engine.converge import plugs
from pacslab.engine.docker import FABRIC_CAPABILITIES, Docker
from pacslab.engine.docker_values import Running
from pacslab.engine.fabric import Fabric
from pacslab.engine.prepare import RULESET_FILE
from pacslab.engine.state import State
from pacslab.engine.vault import Vault
from pacslab.firewall.proof import prove
from pacslab.firewall.readback import UnknownRuleError, read_back
from pacslab.model.fabric import Cable, CableState, LookRequest, Seen, Sight, WireRequest
from pacslab.model.lab import Origin
from pacslab.model.plan import Container, File, Plan
from pacslab.model.policy import Policy
from pacslab.model.proof import Difference

NODE_INTERFACE = "eth0"


class Where(StrEnum):
    """What differs."""

    RULESET = "ruleset"
    CABLE = "cable"
    ADDRESS = "address"
    ROUTE = "route"
    LINK = "link"
    SYSCTL = "sysctl"
    CONTAINER = "container"
    PRIVILEGE = "privilege"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One difference between what runs and the plan."""

    where: Where
    node: str  # "fabric", or the node
    effect: str
    detail: str = ""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """Everything that differs; nothing, if the lab is as planned."""

    lab: str
    posture: str
    deviations: tuple[Deviation, ...]
    more: int = 0  # of the ruleset's differences, beyond those listed


def drift(docker: Docker, plan: Plan, state: State) -> Drift:
    """Compare a running lab with its plan; changes nothing.

    Raises:
        PacslabError: The fabric does not run or does not answer.
    """
    running = docker.list(lab=plan.lab)
    fabric = Fabric(docker, plan.fabric.name)
    present = {container.name: container for container in running}
    found = [*_containers(plan, present)]
    more = 0
    if (fabric_container := present.get(plan.fabric.name)) is not None and fabric_container.running:
        of_rules, more = ruleset(fabric, plan)
        found += [*of_rules, *wiring(fabric, plan, running)]
    found += _files(docker, plan, state, present)
    return Drift(plan.lab, plan.posture.value, tuple(found), more)


def ruleset(fabric: Fabric, plan: Plan) -> tuple[tuple[Deviation, ...], int]:
    """What is loaded against the policy in the plan's posture; how many more differences there are than listed."""
    try:
        proof = prove(read_back(fabric.ruleset()), Policy.of(plan))
    except UnknownRuleError as error:
        return (Deviation(Where.RULESET, "fabric", "may do anything: the proof refuses", error.message),), 0
    return tuple(_deviation(difference) for difference in proof.differences), proof.more


def _deviation(difference: Difference) -> Deviation:
    detail = f"decided by {difference.rule}" if difference.rule else ""
    return Deviation(Where.RULESET, "fabric", difference.effect, detail, difference.origin)


def _containers(plan: Plan, present: dict[str, Running]) -> Iterator[Deviation]:
    planned = {container.name: container for container in (plan.fabric, *plan.containers)}
    for name, container in planned.items():
        running = present.get(name)
        if running is None or not running.running:
            state = running.state if running else "missing"
            yield Deviation(Where.CONTAINER, container.node, f"{container.node} does not run", state)
        if running is not None:
            yield from privileges(container, running, is_fabric=container is plan.fabric)
    for name, running in present.items():
        if name not in planned:
            yield Deviation(Where.CONTAINER, running.node, f"container {name} carries the lab's label, unplanned")


def privileges(container: Container, running: Running, *, is_fabric: bool) -> Iterator[Deviation]:
    """What a container may do beyond its plan."""
    node = container.node
    if running.privileged:
        yield Deviation(Where.PRIVILEGE, node, f"{node} is privileged: it can leave its confinement and the firewall")
    allowed = set(FABRIC_CAPABILITIES) if is_fabric else set()
    if extra := set(running.cap_add) - {name.removeprefix("CAP_") for name in allowed}:
        yield Deviation(Where.PRIVILEGE, node, f"{node} has capabilities nobody planned: {', '.join(sorted(extra))}")
    for network in running.networks:
        yield Deviation(Where.PRIVILEGE, node, f"{node} is on Docker network {network}: a way around the firewall")
    for port in running.ports:
        yield Deviation(Where.PRIVILEGE, node, f"{node} publishes {port}: a way in around the firewall")


def wiring(fabric: Fabric, plan: Plan, running: tuple[Running, ...]) -> tuple[Deviation, ...]:
    """What differs in cables, links, addresses, routes and sysctls: all that leads packets to the rules."""
    return (*_cables(fabric, plan, running), *_namespaces(fabric, plan, running))


def _cables(fabric: Fabric, plan: Plan, running: Iterable[Running]) -> Iterator[Deviation]:
    for report in fabric.observe(WireRequest(plugs(plan, running))).cables:
        if report.state is CableState.MISSING:
            effect = f"cuts {report.node} off, or sends what is meant for it elsewhere"
            yield Deviation(Where.CABLE, report.node, effect, report.detail)
        elif report.detail:
            yield Deviation(Where.LINK, report.node, f"gives {report.node} another way out", report.detail)


def _namespaces(fabric: Fabric, plan: Plan, running: Iterable[Running]) -> Iterator[Deviation]:
    plugged = plugs(plan, running)
    of_nodes = {name for container in plan.containers for name, _ in container.sysctls}
    names = tuple(name for name, _ in plan.fabric.sysctls)
    seen = fabric.look(LookRequest(plugged, names, tuple(sorted(of_nodes)))).seen
    return compare(plan, [plug.cable for plug in plugged], seen)


def compare(plan: Plan, cables: Iterable[Cable], seen: Iterable[Seen]) -> Iterator[Deviation]:
    """What namespaces hold against what they should; what lacks for a cable is said by the cable itself."""
    cables = tuple(cables)
    wanted = set(_wanted(plan, cables))
    nodes = {str(at): cable.node for cable in cables for at in (cable.address, cable.address6) if at is not None}
    for one in sorted(set(seen) - wanted, key=lambda s: (s.node, s.sight, s.what)):
        node = one.node or "fabric"
        match one.sight:
            case Sight.LINK:
                yield Deviation(Where.LINK, node, f"gives {node} a link nobody planned: {one.what}")
            case Sight.ADDRESS:
                yield Deviation(Where.ADDRESS, node, f"gives {node} an address nobody planned: {one.what}")
            case Sight.ROUTE:
                yield Deviation(Where.ROUTE, node, _route_effect(one.what, node, nodes), one.what)
            case Sight.SYSCTL:
                name, _, value = one.what.partition("=")
                planned = next((w.what for w in wanted if w.node == one.node and w.what.startswith(f"{name}=")), "")
                yield Deviation(Where.SYSCTL, node, f"{node}: {name} is {value}", f"planned: {planned}")
            case Sight.GONE:
                yield Deviation(Where.CONTAINER, node, f"{node} has no network namespace", one.what)
    missing = wanted - set(seen)
    for one in sorted((w for w in missing if w.sight is Sight.ROUTE), key=lambda s: (s.node, s.what)):
        destination = one.what.partition("/")[0]
        target = nodes.get(destination, "every other node")
        node = one.node or "fabric"
        way = f"every node -> {target}" if not one.node else f"{node} -> {target}"
        yield Deviation(Where.ROUTE, node, f"blocks {way}: a route is gone", one.what)


def _route_effect(route: str, node: str, nodes: dict[str, str]) -> str:
    destination = route.partition("/")[0]
    if target := nodes.get(destination):
        return f"sends what is meant for {target} by another way: {route}"
    return f"gives {node} a route nobody planned: {route}"


def _wanted(plan: Plan, cables: tuple[Cable, ...]) -> Iterator[Seen]:
    """What wiring lays (fabric/wiring.py), and the planned sysctls."""
    for cable in cables:
        node = cable.node
        yield Seen("", Sight.LINK, cable.interface)
        yield Seen(node, Sight.LINK, NODE_INTERFACE)
        halves = ((cable.address, cable.gateway, "0.0.0.0/0"), (cable.address6, cable.gateway6, "::/0"))
        for address, gateway, anywhere in halves:
            if address is None or gateway is None:
                continue
            alone = address.max_prefixlen
            yield Seen("", Sight.ADDRESS, f"{gateway}/{alone} dev {cable.interface}")
            yield Seen("", Sight.ROUTE, f"{address}/{alone} dev {cable.interface}")
            yield Seen(node, Sight.ADDRESS, f"{address}/{alone} dev {NODE_INTERFACE}")
            yield Seen(node, Sight.ROUTE, f"{gateway}/{alone} dev {NODE_INTERFACE}")
            yield Seen(node, Sight.ROUTE, f"{anywhere} via {gateway} dev {NODE_INTERFACE}")
    for name, value in plan.fabric.sysctls:
        yield Seen("", Sight.SYSCTL, f"{name}={value}")
    plugged = {cable.node for cable in cables}
    for container in plan.containers:
        if container.node in plugged:
            for name, value in container.sysctls:
                yield Seen(container.node, Sight.SYSCTL, f"{name}={value}")


def _files(docker: Docker, plan: Plan, state: State, present: dict[str, Running]) -> Iterator[Deviation]:
    """Every copied file's SHA-256, as the container itself computes it."""
    vault = Vault(state, plan)
    fabric_files = ((File(RULESET_FILE, "", uid=0), plan.ruleset.encode()),)
    planned = [(container, vault.fill(container)) for container in plan.containers]
    for container, files in [(plan.fabric, fabric_files), *planned]:
        running = present.get(container.name)
        if running is None or not running.running or not files:
            continue
        sums = _sums(docker, container.name, tuple(file for file, _ in files))
        for file, data in files:
            if sums.get(file.path) != hashlib.sha256(data).hexdigest():
                what = "is not as planned" if file.path in sums else "is gone or cannot be read"
                yield Deviation(Where.FILE, container.node, f"{container.node}: {file.path} {what}")


def _sums(docker: Docker, container: str, files: tuple[File, ...]) -> dict[str, str]:
    """Path -> SHA-256; without capabilities even root reads only its own files, so each owner is asked."""
    sums: dict[str, str] = {}
    for uid in sorted({file.uid for file in files}):
        paths = (file.path for file in files if file.uid == uid)
        done = docker.exec(container, ("sha256sum", "--", *paths), user=str(uid))
        for line in done.stdout.decode(errors="replace").splitlines():
            digest, _, path = line.partition("  ")
            sums[path] = digest
    return sums
