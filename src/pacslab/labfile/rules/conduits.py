"""Where conduits lead, and whether everything that needs one has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pacslab.errors import Diagnostic
from pacslab.kinds import CLEAR, KINDS
from pacslab.labfile.rules.world import World, distinct, problem, warning
from pacslab.labfile.source import did_you_mean
from pacslab.model.dicom import DIMSE_APPLICATIONS, OPERATIONS, Application, Operation
from pacslab.model.lab import Conduit, Node, Origin, Service

_NEEDS = {  # setting -> what it opens
    "forward": DIMSE_APPLICATIONS | {Application.HTTPS},
    "database": frozenset({Application.POSTGRES}),
    "backend": frozenset({Application.HTTP}),
}
_STORES = frozenset({Operation.C_STORE, Operation.STOW_RS})


def conduits_reach_services(world: World) -> Iterator[Diagnostic]:
    """A conduit leads to a service that its node has, with operations that the service's application has."""
    for conduit in world.lab.conduits:
        told: set[str] = set()
        for node in distinct(world.nodes[path] for path in conduit.destinations):
            service = node.service(conduit.service)
            if service is None:
                hint = did_you_mean(conduit.service, [s.name for s in node.services]) or "nothing listens there"
                message = f"{node.path} has no service {conduit.service!r}"
                yield problem("unknown-service", message, hint, conduit.origin, node.origin)
            elif service.application not in told:
                told.add(service.application)
                yield from _operations(conduit, service)


def _operations(conduit: Conduit, service: Service) -> Iterator[Diagnostic]:
    known = OPERATIONS[service.application]
    for operation in conduit.operations:
        if operation not in known:
            message = f"{operation.value} is not spoken over {service.application.value}"
            hint = did_you_mean(operation.value, [op.value for op in known]) or "leave `operations` out"
            yield problem("wrong-operation", message, hint, conduit.origin)
    if known and not conduit.operations:
        hint = f"say which: {', '.join(op.value for op in known[:4])}, ..."
        yield problem("missing-operations", f"conduit {conduit.id!r} permits no operation", hint, conduit.origin)


def conduits_open_something_once(world: World) -> Iterator[Diagnostic]:
    """One pair and service, one conduit: otherwise nobody can say which one let a packet through."""
    told: set[tuple[Origin, Origin]] = set()
    for (source, destination), conduits in world.between.items():
        if len(conduits) < 2:
            continue
        first: dict[str, Origin] = {}
        for conduit in conduits:
            place = first.setdefault(conduit.service, conduit.origin)
            if place is not conduit.origin and (place, conduit.origin) not in told:
                told.add((place, conduit.origin))
                message = f"conduit {conduit.id!r} opens {source} -> {destination} {conduit.service} a second time"
                yield problem("shadowed-conduit", message, "merge the two", conduit.origin, place)


def settings_have_conduits(world: World) -> Iterator[Diagnostic]:
    """What a node's settings make it open must be a declared passage."""
    nodes = {node.name: node for node in world.lab.nodes}
    for node in distinct(world.lab.nodes):
        for setting in node.settings:
            for value in setting.values if setting.name in _NEEDS else ():
                target = nodes.get(value.rpartition("/")[2])
                if target is not None and not _opens(world, node, target, _NEEDS[setting.name]):
                    message = f"{setting.name!r} makes {node.path} open {target.path}, but no conduit permits it"
                    hint = f"add a conduit from {node.path} in the file of zone {target.zone}"
                    yield problem("missing-conduit", message, hint, setting.origin, target.origin)


def forwards_may_store(world: World) -> Iterator[Diagnostic]:
    """Where an archive forwards to, it may store: by C-STORE, or by STOW-RS at a web front."""
    nodes = {node.name: node for node in world.lab.nodes}
    for node in distinct(world.lab.nodes):
        for setting in (setting for setting in node.settings if setting.name == "forward"):
            for target in (nodes.get(value.rpartition("/")[2]) for value in setting.values):
                if target is None or not _opens(world, node, target, _NEEDS["forward"]):
                    continue
                conduits = world.between[node.path, target.path]
                if not any(_STORES & set(conduit.operations) for conduit in conduits):
                    message = f"{node.path} forwards to {target.path}, where no conduit lets it store"
                    hint = f"add C-STORE or STOW-RS to the operations of {conduits[0].id!r}"
                    yield problem("missing-conduit", message, hint, setting.origin, conduits[0].origin)


def _opens(world: World, source: Node, destination: Node, applications: frozenset[Application]) -> bool:
    """Whether a conduit leads to such a service; one to a service that is not there is another rule's."""
    between = world.between.get((source.path, destination.path), ())
    services = [destination.service(conduit.service) for conduit in between]
    return any(service is None or service.application in applications for service in services)


def services_are_reached(world: World) -> Iterator[Diagnostic]:
    """A service that no conduit leads to is attack surface that nobody needs.

    What a kind always listens with counts only where the node has no part in any conduit: it cannot be taken away.
    """
    reached = {(path, conduit.service) for conduit in world.lab.conduits for path in conduit.destinations}
    taking_part = {path for conduit in world.lab.conduits for path in (*conduit.sources, *conduit.destinations)}
    for node in distinct(world.lab.nodes):
        built_in = {service.name for service in KINDS[node.kind].services(replace(node, settings=()))}
        always = built_in | {CLEAR[name].name for name in built_in if name in CLEAR}
        for service in node.services:
            idle = service.name not in always or node.path not in taking_part
            if idle and (node.path, service.name) not in reached:
                message = f"no conduit leads to {service.name!r} of {node.path}"
                hint = "add a conduit to it, or take away what nobody needs"
                yield warning("unreached-service", message, hint, node.origin)
