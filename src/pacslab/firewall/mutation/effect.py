"""A ruleset and a mutant of it -> what the mutant does to packets and to the evidence about them: exact, over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pacslab.firewall.boxes import Box, difference
from pacslab.firewall.evaluate import Evaluation
from pacslab.firewall.mutation.occurring import Wire
from pacslab.firewall.planned import planned
from pacslab.firewall.world import Universe, Way
from pacslab.model.loaded import Loaded
from pacslab.model.policy import Policy
from pacslab.model.ruleset import LOG_GROUP, Accept, Counter, Drop, Goto, Limit, Log, Lookup, Rule, StateMap, Table

Trace = tuple[str, ...]  # what a packet leaves behind: ("log", "pacslab:state", "group 1")


@dataclass(frozen=True, slots=True)
class Change:
    """Packets of one universe that end otherwise than before."""

    universe: Universe
    opened: tuple[Box, ...]  # get through only now
    closed: tuple[Box, ...]  # got through only before
    occurring: Box | None  # some of both that can come about

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a mutant does."""

    loaded: Loaded  # the mutant, as a kernel would list it
    changes: tuple[Change, ...]  # none: every packet ends as before
    traces: tuple[Trace, ...]  # logs, counters and conduits that other packets come to than before
    unlogged: tuple[tuple[Universe, tuple[Box, ...]], ...]  # denied as before, but no longer logged

    @property
    def changes_packets(self) -> bool:
        """Whether some packet ends otherwise."""
        return bool(self.changes)

    @property
    def occurs(self) -> bool:
        """Whether some packet that can come about ends otherwise."""
        return any(change.occurring is not None for change in self.changes)

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
    _wire: Wire = field(init=False)

    def __post_init__(self) -> None:
        self._wire = Wire(self.policy)
        self._loaded = planned(self.table)
        cables = self.policy.cables
        self._universes = tuple(Universe.of(family, way, cables, self._loaded) for family in (4, 6) for way in Way)
        self._sides = tuple(_side(self.table, self._loaded, universe) for universe in self._universes)

    def effect(self, mutant: Table) -> Effect:
        """What a mutant does to packets; only where no packet shows that, also what it does to the evidence.

        Raises:
            PacslabError: The mutant is too complex, or says something the proof does not model.
        """
        loaded = planned(mutant)
        found = (
            self._change(loaded, universe, side) for universe, side in zip(self._universes, self._sides, strict=True)
        )
        changes = tuple(change for change in found if change)
        traces: dict[Trace, None] = {}
        unlogged = []
        if all(change.occurring is None for change in changes):
            for universe, before in zip(self._universes, self._sides, strict=True):
                now = _side(mutant, loaded, universe).traces
                traces |= dict.fromkeys(_differing(before.traces, now))
                boxes = _only(_heard(before.traces), _heard(now))
                if boxes:
                    unlogged.append((universe, boxes))
        return Effect(loaded, changes, tuple(traces), tuple(unlogged))

    def _change(self, loaded: Loaded, universe: Universe, before: _Side) -> Change:
        now = [one.box for one in Evaluation(loaded, universe).passed()]
        opened, closed = _only(now, before.passed), _only(before.passed, now)
        changed = (*opened, *closed)
        occurring = self._wire.occurring(changed, universe, (*before.passed, *now)) if changed else None
        return Change(universe, opened, closed, occurring)


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


def _heard(traces: dict[Trace, list[Box]]) -> list[Box]:
    return [box for trace, boxes in traces.items() if _read(trace) for box in boxes]


def _read(trace: Trace) -> bool:
    """Whether the prober reads it."""
    return trace[0] == "log" and trace[-1] == f"group {LOG_GROUP}"


def heard(rule: Rule) -> str:
    """The prefix with which the prober hears of a packet that comes to the end of a rule; empty: it does not."""
    return next((trace[1] for trace, _ in _left_by(rule) if _read(trace)), "")


def _differing(before: dict[Trace, list[Box]], now: dict[Trace, list[Box]]) -> Iterator[Trace]:
    for trace in before.keys() | now.keys():
        was, is_ = before.get(trace, []), now.get(trace, [])
        if _only(was, is_) or _only(is_, was):
            yield trace


def _only(left: Iterable[Box], right: Iterable[Box]) -> tuple[Box, ...]:
    """The packets of the left side only; a mutant leaves most boxes as they were, and those need no subtraction."""
    right = list(right)
    alike = {_key(box) for box in right}
    return tuple(difference([box for box in left if _key(box) not in alike], right))


def _key(box: Box) -> tuple[object, ...]:
    return frozenset(box.entries.rows.items()), *box[1:]
