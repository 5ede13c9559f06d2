"""A lab as the rules look at it: found once, so that every rule takes time in proportion to the lab."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pacslab.errors import Diagnostic, Severity
from pacslab.model.dicom import Operation
from pacslab.model.lab import Conduit, Lab, Node, Origin, Service, Zone


@dataclass(frozen=True, slots=True)
class World:
    """A lab, the day it is looked at, and who may open what."""

    lab: Lab
    today: dt.date
    nodes: dict[str, Node]  # by path
    zones: dict[str, Zone]  # by name
    between: dict[tuple[str, str], tuple[Conduit, ...]]  # by initiating and responding node

    @staticmethod
    def of(lab: Lab, today: dt.date) -> World:
        """Look at a lab on a day."""
        between: defaultdict[tuple[str, str], list[Conduit]] = defaultdict(list)
        for conduit in lab.conduits:
            for pair in pairs(conduit):
                between[pair].append(conduit)
        return World(
            lab,
            today,
            {node.path: node for node in lab.nodes},
            {zone.name: zone for zone in lab.zones},
            {pair: tuple(found) for pair, found in between.items()},
        )

    def kinds(self, paths: Iterable[str]) -> set[str]:
        """The kinds of some nodes."""
        return {self.nodes[path].kind for path in paths}

    def services(self, conduit: Conduit) -> Iterator[tuple[Node, Service]]:
        """Where a conduit leads, as far as its nodes have that service; a series once."""
        for node in distinct(self.nodes[path] for path in conduit.destinations):
            service = node.service(conduit.service)
            if service is not None:
                yield node, service

    def may(self, operation: Operation, source: str, destination: str) -> bool:
        """Whether some conduit lets a node ask that of another."""
        return any(operation in conduit.operations for conduit in self.between.get((source, destination), ()))


Rule = Callable[[World], Iterator[Diagnostic]]


def pairs(conduit: Conduit) -> Iterator[tuple[str, str]]:
    """The pairs of nodes that a conduit opens; a node needs no conduit to itself."""
    for source in conduit.sources:
        for destination in conduit.destinations:
            if source != destination:
                yield source, destination


def distinct(nodes: Iterable[Node]) -> Iterator[Node]:
    """The first node of each place in a file: what is wrong with a series is wrong once."""
    seen: set[Origin] = set()
    for node in nodes:
        if node.origin not in seen:
            seen.add(node.origin)
            yield node


def problem(code: str, message: str, hint: str, origin: Origin, *related: Origin) -> Diagnostic:
    """What stops the work."""
    return Diagnostic(code, message, hint, origin, related=related)


def warning(code: str, message: str, hint: str, origin: Origin, *related: Origin) -> Diagnostic:
    """What a reviewer should look at."""
    return Diagnostic(code, message, hint, origin, Severity.WARNING, related)
