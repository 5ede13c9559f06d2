"""A plan -> which zone a result's source or destination is in, whatever a suite calls it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from pacslab.model.plan import Plan

FABRIC = "fabric"  # and all else that is in no zone


@dataclass(frozen=True)
class Seats:
    """The zones of a lab, and who sits in each."""

    zones: tuple[str, ...] = ()
    nodes: tuple[tuple[str, str], ...] = ()  # node, zone
    networks: tuple[tuple[str, object], ...] = ()  # zone, one of its networks
    _known: dict[str, str] = field(default_factory=dict, compare=False, repr=False)  # name -> zone, as asked so far

    @classmethod
    def of(cls, plan: Plan) -> Seats:
        """The seats of a plan."""
        networks = [(zone.name, net) for zone in plan.zones for net in (zone.network, zone.network6) if net is not None]
        return cls(tuple(z.name for z in plan.zones), tuple((n.name, n.zone) for n in plan.nodes), tuple(networks))

    def zone(self, name: str) -> str:
        """The zone of a node, a `zone/something`, or an address; `FABRIC` for what is in none, nothing for nothing."""
        if not name:
            return ""
        if not self._known:
            self._known.update(self.nodes)
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> str:
        for word in (name.partition("/")[0], *name.replace(",", " ").split()):
            if word in self.zones:
                return word
            if word in self._known:
                return self._known[word]
            try:
                address = ip_address(word)
            except ValueError:
                continue
            for zone, network in self.networks:
                if address in network:  # type: ignore[operator]
                    return zone
        return FABRIC
