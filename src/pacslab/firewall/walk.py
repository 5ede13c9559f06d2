"""What is loaded and one packet -> its way, step by step, to a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pacslab.firewall.readback import CONNTRACK_PRIORITY
from pacslab.firewall.world import Way
from pacslab.model.loaded import Condition, Decision, Entry, Field, Loaded, LoadedChain, LoadedRule, Part, Verdict
from pacslab.model.packet import Packet, State


@dataclass(frozen=True, slots=True)
class Stop:
    """A rule that a packet met, and what it did."""

    chain: LoadedChain
    rule: LoadedRule | None  # None: the base chain's policy
    verdict: Verdict
    entry: Entry | None = None  # the element that decided
    set_name: str = ""


@dataclass(frozen=True, slots=True)
class Walk:
    """A packet's way."""

    packet: Packet
    stops: tuple[Stop, ...]
    accepted: bool

    @property
    def decision(self) -> Stop | None:
        """The stop that settled it: the drop, or else what let it through `forward`; None: it met no chain."""
        if not self.accepted:
            return self.stops[-1] if self.stops else None
        accepting = [stop for stop in self.stops if stop.verdict.decision is Decision.ACCEPT]
        by_element = [stop for stop in accepting if stop.entry is not None]
        return next(reversed(by_element or accepting), None)


def walk(loaded: Loaded, packet: Packet, *, routes: Mapping[object, str], way: Way = Way.FORWARD) -> Walk:
    """Send a packet through everything that is loaded.

    Args:
        loaded: What is loaded.
        packet: The packet.
        routes: Destination address -> interface it leaves by.
        way: Through which hooks.
    """
    walker = _Walker(loaded, packet, routes.get(packet.destination, ""))
    for hook in way.value:
        for chain in sorted((c for c in loaded.chains if c.hook == hook), key=lambda c: c.priority):
            if not walker.passes(chain):
                return Walk(packet, tuple(walker.stops), accepted=False)
    return Walk(packet, tuple(walker.stops), accepted=True)


@dataclass(slots=True)
class _Walker:
    loaded: Loaded
    packet: Packet
    leaves_by: str
    stops: list[Stop] = field(default_factory=list)
    _values: dict[Field, int | str] = field(default_factory=dict)

    def passes(self, base: LoadedChain) -> bool:
        """Whether a base chain accepts it."""
        packet = self.packet
        early = base.hook in {"prerouting", "output"} and base.priority < CONNTRACK_PRIORITY
        routed = base.hook in {"forward", "postrouting", "output"}
        self._values = {
            Field.IIF: packet.interface,
            Field.OIF: self.leaves_by if routed else "",
            Field.FAMILY: packet.source.version,
            Field.SOURCE: int(packet.source),
            Field.DESTINATION: int(packet.destination),
            Field.PROTOCOL: packet.protocol,
            Field.SPORT: packet.source_port,
            Field.DPORT: packet.destination_port,
            Field.FLAGS: packet.flags,
            Field.STATE: State.INVALID if early else packet.state,
        }
        settled = self._chain(base)
        if settled is None:
            decision = Decision.ACCEPT if base.policy == "accept" else Decision.DROP
            self.stops.append(Stop(base, None, Verdict(decision)))
            settled = decision
        return settled is Decision.ACCEPT

    def _chain(self, chain: LoadedChain) -> Decision | None:
        """Accept or drop, or None where the chain ends without."""
        for rule in chain.rules:
            for verdict, entry, name in self._verdicts(rule):
                self.stops.append(Stop(chain, rule, verdict, entry, name))
                match verdict.decision:
                    case Decision.ACCEPT | Decision.DROP:
                        return verdict.decision
                    case Decision.RETURN:
                        return None
                    case Decision.JUMP | Decision.GOTO:
                        settled = self._chain(self._named(chain, verdict.chain))
                        if settled is not None or verdict.decision is Decision.GOTO:
                            return settled
                    case Decision.CONTINUE:
                        continue  # within the rule
                break
        return None

    def _verdicts(self, rule: LoadedRule) -> Iterator[tuple[Verdict, Entry | None, str]]:
        """The rule's verdict on this packet, if it comes to one."""
        for step in rule.steps:
            if isinstance(step, Verdict):
                yield step, None, ""
                return
            entry = self._matching(step)
            if step.is_map:
                if entry is not None and entry.verdict is not None:
                    yield entry.verdict, entry, step.name
                    if entry.verdict.decision is not Decision.CONTINUE:
                        return
            elif self._reads(step) is False or (entry is None) is not step.negated:
                return

    def _reads(self, condition: Condition) -> bool:
        """Whether the packet has what the condition looks at."""
        family, protocol = self._values[Field.FAMILY], self._values[Field.PROTOCOL]
        return condition.family in {None, family} and condition.protocol in {None, protocol}

    def _matching(self, condition: Condition) -> Entry | None:
        if not self._reads(condition):
            return None
        values = [self._values[name] for name in condition.fields]
        for entry in condition.entries:
            if all(_in(part, value) for part, value in zip(entry.key, values, strict=True)):
                return entry
        return None

    def _named(self, chain: LoadedChain, name: str) -> LoadedChain:
        wanted = (chain.family, chain.table, name)
        return next(c for c in self.loaded.chains if (c.family, c.table, c.name) == wanted)


def _in(part: Part, value: int | str) -> bool:
    if isinstance(part, tuple):
        return part[0] <= int(value) <= part[1]
    name = str(value)
    if part.endswith("*") and not part.endswith("\\*"):
        return name.startswith(part[:-1])
    return name == part.replace("\\*", "*")
