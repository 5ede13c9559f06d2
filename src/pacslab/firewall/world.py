"""The universe a proof speaks about: one address family, one way through the hooks, every cable and all the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from pacslab.firewall.boxes import ADDRESSES, EVERY_FLAGS, EVERY_PROTOCOL, EVERY_STATE, PORTS, Box, Entries
from pacslab.firewall.intervals import Intervals, union
from pacslab.model.fabric import Cable
from pacslab.model.loaded import Condition, Field, Loaded

ELSEWHERE = "*"  # any interface that nothing names


class Way(Enum):
    """How a packet goes through the fabric: the hooks it meets, in order."""

    FORWARD = ("prerouting", "forward", "postrouting")
    INPUT = ("prerouting", "input")
    OUTPUT = ("output", "postrouting")

    @property
    def enters(self) -> bool:
        """Whether it comes in on an interface."""
        return self is not Way.OUTPUT


@dataclass(frozen=True, slots=True)
class Universe:
    """All packets of a family on a way, with interfaces as numbers."""

    family: int
    way: Way
    names: tuple[str, ...]
    routes: dict[str, Intervals]  # interface a packet leaves by -> destinations
    ids: dict[str, int] = field(compare=False)

    @classmethod
    def of(cls, family: int, way: Way, cables: Iterable[Cable], loaded: Loaded) -> Universe:
        """The universe of a lab's cables and of whatever else the rules name."""
        cables = tuple(cables)
        names = dict.fromkeys([*(cable.interface for cable in cables), "lo", *_named(loaded), ELSEWHERE])
        if not way.enters:
            names = {"": None}
        routes: dict[str, Intervals] = {
            cable.interface: ((int(address), int(address)),)
            for cable in cables
            if (address := cable.address if family == 4 else cable.address6) is not None
        }
        return cls(family, way, tuple(names), routes, {name: n for n, name in enumerate(names)})

    @property
    def whole(self) -> Box:
        """Every packet there can be."""
        addresses = ADDRESSES[self.family]
        entries = Entries(dict.fromkeys(range(len(self.names)), addresses))
        return Box(entries, addresses, EVERY_PROTOCOL, PORTS, PORTS, EVERY_FLAGS, EVERY_STATE)

    def cables(self, part: str) -> frozenset[int]:
        """The interfaces that a name, or `name*`, means."""
        if part.endswith("*") and not part.endswith("\\*"):
            prefix = part[:-1]
            return frozenset(n for n, name in enumerate(self.names) if name.startswith(prefix) and name != ELSEWHERE)
        number = self.ids.get(part.replace("\\*", "*"))
        return frozenset() if number is None else frozenset({number})

    def destinations(self, part: str, hook: str) -> Intervals:
        """The destinations of packets that leave by an interface, or by one that nothing is routed to."""
        if hook not in {"forward", "postrouting", "output"}:  # not routed yet: the interface has no name
            return ADDRESSES[self.family] if part == "*" else ()
        if part.endswith("*") and not part.endswith("\\*"):
            return union(pair for name, ds in self.routes.items() if name.startswith(part[:-1]) for pair in ds)
        return self.routes.get(part, ())


def _named(loaded: Loaded) -> Iterable[str]:
    """Every interface a rule names; a pattern stands for itself with another letter, which nothing else has."""
    for chain in loaded.chains:
        for rule in chain.rules:
            for step in rule.steps:
                if isinstance(step, Condition) and Field.IIF in step.fields:
                    place = step.fields.index(Field.IIF)
                    for entry in step.entries:
                        part = str(entry.key[place])
                        pattern = part.endswith("*") and not part.endswith("\\*")
                        yield f"{part[:-1]}\N{HORIZONTAL ELLIPSIS}" if pattern else part.replace("\\*", "*")
