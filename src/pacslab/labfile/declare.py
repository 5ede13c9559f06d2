"""A kind's services and a node's `services:` -> what the node listens with."""

from __future__ import annotations

import itertools
from dataclasses import replace

from pacslab.kinds import CLEAR, KINDS, Kind
from pacslab.labfile.problems import Problems
from pacslab.labfile.schema import NodeShape, ServiceShape
from pacslab.labfile.source import Loc, Source
from pacslab.model.dicom import Application, Protocol
from pacslab.model.lab import Node, Service


def services(problems: Problems, source: Source, shape: NodeShape, node: Node) -> tuple[Service, ...]:
    """The services of a node's kind, on the ports that the zone file gives them, and those that it adds.

    A service in clear text takes the place of the TLS service that its kind has.
    """
    loc: Loc = ("nodes", node.name)
    kind = KINDS[node.kind]
    built_in = kind.services(node)
    own = {service.name: service for service in built_in}  # by the built-in name, also of what stands in for it
    templates = {service.name: (service.name, service) for service in built_in}
    templates |= {CLEAR[name].name: (name, CLEAR[name]) for name in own if name in CLEAR}
    declared = [entry.name for entry in shape.services]
    for index, entry in enumerate(shape.services):
        at: Loc = (*loc, "services", index)
        if entry.name in declared[:index]:
            origin = source.origin((*at, "name"))
            problems.report("duplicate-service", f"service {entry.name!r} is declared twice", "merge them", origin)
        place, template = templates.get(entry.name, (entry.name, None))
        wrong = _cannot_declare(kind, entry) if template is None else _cannot_be(kind, template, entry)
        if place != entry.name and place in declared:
            wrong = f"{entry.name!r} stands in for {place!r}, and both are declared", "leave one of them out"
        if wrong is not None:
            problems.report("wrong-service", *wrong, source.origin(at))
            continue
        own[place] = _declared(entry) if template is None else replace(template, port=entry.port[0])
    _ports_are_apart(problems, source, loc, tuple(own.values()))
    return tuple(own.values())


def _declared(entry: ServiceShape) -> Service:
    first, last = entry.port
    application, protocol = entry.application or Application.OTHER, entry.protocol or Protocol.TCP
    return Service(entry.name, application, first, protocol, None if first == last else last)


def _cannot_be(kind: Kind, old: Service, entry: ServiceShape) -> tuple[str, str] | None:
    """Why a kind's own service cannot be had like this, and what to write."""
    if entry.name in kind.fixed_ports:
        return f"{entry.name!r} of kind {kind.name!r} stays on port {old.port}", "leave it out of `services`"
    if entry.port[0] != entry.port[1]:
        return f"{entry.name!r} listens on one port, not on a range", "write one port"
    if entry.application not in {None, old.application} or entry.protocol not in {None, old.protocol}:
        what = f"{old.application.value} over {old.protocol.value}"
        clear = CLEAR.get(old.name)
        hint = "only its `port` can be another; give others a new name"
        if clear is not None and entry.application is clear.application:
            hint = f"a machine without TLS says `name: {clear.name}`"
        return f"{entry.name!r} of kind {kind.name!r} is {what}", hint
    return None


def _cannot_declare(kind: Kind, entry: ServiceShape) -> tuple[str, str] | None:
    """Why a new service cannot be like this, and what to write."""
    application = entry.application or Application.OTHER
    if application is Application.OTHER:
        return None
    if not kind.serves_anything:
        message = f"nothing in a node of kind {kind.name!r} would answer {application.value} as {entry.name!r}"
        return message, "leave `application` out to open the port only, or use `kind: container`"
    if entry.protocol is Protocol.UDP:
        return f"{application.value} is spoken over tcp", "leave `protocol` out"
    if entry.port[0] != entry.port[1]:
        return f"{application.value} is spoken on one port", "write one port, or leave `application` out"
    return None


def _ports_are_apart(problems: Problems, source: Source, loc: Loc, found: tuple[Service, ...]) -> None:
    """One port, one service: a packet could not say which one it is for."""
    ordered = sorted(found, key=lambda service: (service.protocol, service.ports))
    for left, right in itertools.pairwise(ordered):
        if left.protocol is right.protocol and right.ports[0] <= left.ports[1]:
            message = f"{left.name!r} and {right.name!r} share port {right.port}/{right.protocol.value}"
            problems.report("port-taken", message, "give one of them another port", source.key((*loc, "services")))
