"""A ruleset and a mutant of it -> what the mutant does to packets and to the evidence about them: exact, over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pacslab.firewall.boxes import Box, difference
from pacslab.firewall.evaluate import Evaluation
from pacslab.firewall.planned import planned
from pacslab.firewall.world import Universe, Way
from pacslab.model.loaded import Loaded
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Accept, Counter, Drop, Goto, Limit, Log, Lookup, Rule, StateMap, Table

Trace = tuple[str, ...]  # what a packet leaves behind: ("log", "pacslab:state", "group 1")


@dataclass(frozen=True, slots=True)
class Change:
    """Packets of one universe that end otherwise than before."""

    universe: Universe
    opened: tuple[Box, ...]  # get through only now
    closed: tuple[Box, ...]  # got through only before

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a mutant does."""

    changes: tuple[Change, ...]  # none: every packet ends as before
    traces: tuple[Trace, ...]  # logs, counters and conduits that other packets come to than before

    @property
    def changes_packets(self) -> bool:
        """Whether some packet ends otherwise."""
        return bool(self.changes)

    @property
    def is_none(self) -> bool:
        """Whether the mutant is proved equivalent: the same packets get through and leave the same traces."""
        return not self.changes and not self.traces


@dataclass(slots=True)
class _Side:
    """One ruleset sent through one universe."""

    passed: list[Box]
    traces: dict[Trace, list[Box]]


@dataclass(slots=True)
class Comparison:
    """A ruleset that many mutants are compared with."""

    table: Table
    policy: Policy
    _universes: tuple[Universe, ...] = ()
    _sides: tuple[_Side, ...] = ()
    _loaded: Loaded = field(init=False)

    def __post_init__(self) -> None:
        self._loaded = planned(self.table)
        cables = self.policy.cables
        self._universes = tuple(Universe.of(family, way, cables, self._loaded) for family in (4, 6) for way in Way)
        self._sides = tuple(_side(self.table, self._loaded, universe) for universe in self._universes)

    def effect(self, mutant: Table) -> Effect:
        """What a mutant does to packets; only where it does nothing, also what it does to the evidence.

        Raises:
            PacslabError: The mutant is too complex, or says something the proof does not model.
        """
        loaded = planned(mutant)
        sides = [_side(mutant, loaded, universe) for universe in self._universes]
        pairs = list(zip(self._universes, self._sides, sides, strict=True))
        found = (
            Change(universe, _only(now.passed, before.passed), _only(before.passed, now.passed))
            for universe, before, now in pairs
        )
        changes = tuple(change for change in found if change)
        traces: dict[Trace, None] = {}
        if not changes:
            for _, before, now in pairs:
                traces |= dict.fromkeys(_differing(before.traces, now.traces))
        return Effect(changes, tuple(traces))


def _side(table: Table, loaded: Loaded, universe: Universe) -> _Side:
    met: dict[int, list[Box]] = {}
    evaluation = Evaluation(loaded, universe, met=met)
    passed = evaluation.passed()
    boxes = [one.box for one in passed]
    traces: dict[Trace, list[Box]] = {}
    for one in passed:
        if one.entry is not None:
            traces.setdefault(("conduit", one.entry.comment), []).append(one.box)
    for chain, read in zip(table.chains, loaded.chains, strict=True):
        for rule, loaded_rule in zip(chain.rules, read.rules, strict=True):
            if (arriving := met.get(id(loaded_rule))) is not None:
                for trace, denied in _left_by(rule):
                    # An element that accepts does not take its packets out of what goes on (firewall/evaluate.py).
                    came = list(difference(arriving, boxes)) if denied else arriving
                    traces.setdefault(trace, []).extend(came)
    return _Side(boxes, traces)


def _left_by(rule: Rule) -> Iterator[tuple[Trace, bool]]:
    """The traces that a packet leaves in a rule, and whether it is of packets that get no further."""
    limited = False
    for statement in rule.statements:
        match statement:
            case Limit():
                limited = True
            case Log():
                yield ("watch" if limited else "log", statement.prefix, f"group {statement.group}"), True
            case Counter():
                yield ("counter", rule.comment), rule.comment.startswith("deny")
            case Accept() | Drop() | Goto() | Lookup() | StateMap():
                return


def _differing(before: dict[Trace, list[Box]], now: dict[Trace, list[Box]]) -> Iterator[Trace]:
    for trace in before.keys() | now.keys():
        was, is_ = before.get(trace, []), now.get(trace, [])
        if _only(was, is_) or _only(is_, was):
            yield trace


def _only(left: Iterable[Box], right: Iterable[Box]) -> tuple[Box, ...]:
    return tuple(difference(left, right))
