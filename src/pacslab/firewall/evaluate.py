"""What is loaded, on all packets at once -> the boxes that get through, and which rules nothing ever reaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, assert_never

from pacslab.errors import PacslabError
from pacslab.firewall.boxes import EVERY_STATE, Box, Entries, subtract
from pacslab.firewall.intervals import Intervals, meet, minus, union
from pacslab.firewall.readback import CONNTRACK_PRIORITY
from pacslab.firewall.world import Universe
from pacslab.model.loaded import Condition, Decision, Entry, Field, Loaded, LoadedChain, LoadedRule, Part, Verdict
from pacslab.model.packet import State

MOST_BOXES = 20_000  # of what one rule leaves over; more is refused, not guessed
_DEEPEST = 16  # NFT_JUMP_STACK_SIZE

_BITS = frozenset({Field.PROTOCOL, Field.FLAGS, Field.STATE, Field.FAMILY})
# Where in a box a field is kept; the family, the same for a whole universe, is made to decide by the state.
_PLACE = {
    Field.IIF: 0,
    Field.SOURCE: 0,
    Field.DESTINATION: 1,
    Field.OIF: 1,
    Field.PROTOCOL: 2,
    Field.SPORT: 3,
    Field.DPORT: 4,
    Field.FLAGS: 5,
    Field.STATE: 6,
    Field.FAMILY: 6,
}


def is_early(chain: LoadedChain) -> bool:
    """Whether a base chain sees packets before connection tracking has looked at them."""
    return chain.hook in {"prerouting", "output"} and chain.priority < CONNTRACK_PRIORITY


class Passed(NamedTuple):
    """Packets that get through, and the element that let them, if one did."""

    box: Box
    entry: Entry | None = None


@dataclass(slots=True)
class _Visit:
    """Packets in a chain: what it accepts, and what leaves it early."""

    chain: LoadedChain
    accepted: list[Passed]
    depth: int = 0
    out: list[Box] = field(default_factory=list)


@dataclass(slots=True)
class Evaluation:
    """One universe sent through everything that is loaded."""

    loaded: Loaded
    universe: Universe
    hits: set[int] = field(default_factory=set)  # id() of rules that some packet meets
    met: dict[int, list[Box]] | None = None  # id() of a rule -> the packets that come to its end, if asked for
    _chains: dict[tuple[str, str, str], LoadedChain] = field(default_factory=dict)
    _early: bool = False
    _hook: str = ""
    _compiled: dict[tuple[int, str, bool], _Membership] = field(default_factory=dict)

    def passed(self) -> list[Passed]:
        """What passes every base chain of the way; each accepts, or its policy does."""
        self._chains = {(c.family, c.table, c.name): c for c in self.loaded.chains}
        through = [Passed(self.universe.whole)]
        for hook in self.universe.way.value:
            bases = [chain for chain in self.loaded.chains if chain.hook == hook]
            for chain in sorted(bases, key=lambda c: c.priority):
                self._hook, self._early = hook, is_early(chain)
                through = self._base(chain, through)
        return through

    def _base(self, chain: LoadedChain, arriving: list[Passed]) -> list[Passed]:
        through: list[Passed] = []
        for one in arriving:
            accepted: list[Passed] = []
            rest = self._run(_Visit(chain, accepted), [one.box])
            if chain.policy == "accept":
                accepted += [Passed(box) for box in rest]
            through += [Passed(box, entry or one.entry) for box, entry in accepted]
        return through

    def _run(self, visit: _Visit, boxes: list[Box]) -> list[Box]:
        """Send boxes through a chain; returns those that come out at its end, or by `return`."""
        if visit.depth > _DEEPEST:
            raise PacslabError(f"chains jump too deep at {visit.chain.path}")
        for rule in visit.chain.rules:
            if not boxes:
                break
            boxes = self._rule(rule, visit, boxes)
            if len(boxes) > MOST_BOXES:
                place = f"{visit.chain.path} {rule.place}"
                raise PacslabError(f"too complex to be proved, from here on ({place}): {rule.text}")
        return [*visit.out, *boxes]

    def _rule(self, rule: LoadedRule, visit: _Visit, boxes: list[Box]) -> list[Box]:
        """Send boxes through a rule; returns those that go on to the next."""
        left: list[Box] = []
        current = boxes
        for step in rule.steps:
            if not current:
                return left
            if isinstance(step, Verdict):
                self._note(rule, current)
                return left + self._end(step, visit, [Passed(box) for box in current])
            if step.is_map:
                current = self._look_up(rule, step, visit, current, left)
            else:
                inside: list[Box] = []
                membership = self._membership(step)
                for box in current:
                    yes, no = membership.split(box)
                    inside += yes
                    left += no
                current = inside
        if current:
            self._note(rule, current)
        return left + current

    def _note(self, rule: LoadedRule, boxes: list[Box]) -> None:
        self.hits.add(id(rule))
        if self.met is not None:
            self.met.setdefault(id(rule), []).extend(boxes)

    def _look_up(
        self, rule: LoadedRule, step: Condition, visit: _Visit, boxes: list[Box], left: list[Box]
    ) -> list[Box]:
        """Apply a verdict map; returns what goes on to the rule's next step.

        Elements that accept are not cut out of what goes on: accepting the same packet twice changes nothing, and a
        map of ten thousand flows would leave ten thousand pieces.
        """
        membership = self._membership(step)
        going_on: list[Box] = []
        for box in boxes:
            rest = [box]
            for entry, part in membership.meets(box):
                self.hits.update((id(rule), id(entry)))
                verdict = entry.verdict
                assert verdict is not None
                if verdict.decision is Decision.ACCEPT:
                    visit.accepted.append(Passed(part, entry))
                    continue
                rest = [piece for one in rest for piece in subtract(one, part)]
                if verdict.decision is Decision.CONTINUE:
                    going_on.append(part)
                else:
                    left += self._end(verdict, visit, [Passed(part, entry)])
            going_on += rest
        return going_on

    def _end(self, verdict: Verdict, visit: _Visit, arriving: list[Passed]) -> list[Box]:
        """Carry a verdict out; returns what goes on to the chain's next rule."""
        match verdict.decision:
            case Decision.ACCEPT:
                visit.accepted += arriving
                return []
            case Decision.DROP:
                return []
            case Decision.RETURN:
                visit.out += [one.box for one in arriving]
                return []
            case Decision.CONTINUE:
                return [one.box for one in arriving]
            case Decision.JUMP | Decision.GOTO:
                chain = visit.chain
                target = self._chains[chain.family, chain.table, verdict.chain]
                came_back = self._run(_Visit(target, visit.accepted, visit.depth + 1), [one.box for one in arriving])
                if verdict.decision is Decision.JUMP:
                    return came_back
                visit.out += came_back
                return []
            case _:
                assert_never(verdict.decision)

    def _membership(self, condition: Condition) -> _Membership:
        key = (id(condition), self._hook, self._early)
        if key not in self._compiled:
            self._compiled[key] = _Membership(condition, self.universe, self._hook, early=self._early)
        return self._compiled[key]


class _Membership:
    """A condition made ready for one universe."""

    def __init__(self, condition: Condition, universe: Universe, hook: str, *, early: bool) -> None:
        self._condition = condition
        self._universe = universe
        self._hook = hook
        self._early = early
        self._guard = -1 if condition.protocol is None else 1 << condition.protocol
        self._possible = condition.family in {None, universe.family}
        fields = condition.fields
        self._single: Intervals | int | None = None
        self._entries: Entries | None = None
        self._constant: bool | None = None
        if not self._possible:
            return
        if fields == (Field.FAMILY,) or (fields == (Field.STATE,) and early):
            value = universe.family if fields == (Field.FAMILY,) else int(State.INVALID)
            self._constant = any(_in(entry.key[0], value) for entry in condition.entries)
        elif fields == (Field.OIF,):
            self._single = union(p for e in condition.entries for p in universe.destinations(str(e.key[0]), hook))
        elif len(fields) == 1 and fields[0] in _BITS:
            self._single = _mask(entry.key[0] for entry in condition.entries)
        elif fields in {(Field.IIF,), (Field.SOURCE,)} or set(fields) == {Field.IIF, Field.SOURCE}:
            self._entries = self._pairs()
        elif len(fields) == 1:
            self._single = union(_pair(entry.key[0]) for entry in condition.entries)

    def split(self, box: Box) -> tuple[list[Box], list[Box]]:
        """The packets for which the condition holds, and the others."""
        if not self._possible:
            return [], [box]
        outside = []
        if self._guard != -1:
            if others := box.protocol & ~self._guard:
                outside.append(box._replace(protocol=others))
            if not box.protocol & self._guard:
                return [], outside
            box = box._replace(protocol=box.protocol & self._guard)
        inside, rest = self._members(box)
        if self._condition.negated:
            inside, rest = rest, inside
        return inside, outside + rest

    def meets(self, box: Box) -> Iterator[tuple[Entry, Box]]:
        """Each element with the packets that have its key."""
        if not self._possible:
            return
        protocol = box.protocol & self._guard if self._guard != -1 else box.protocol
        if not protocol:
            return
        if protocol != box.protocol:
            box = box._replace(protocol=protocol)
        for entry in self._condition.entries:
            part = self._cut(box, entry)
            if part is not None:
                yield entry, part

    def _members(self, box: Box) -> tuple[list[Box], list[Box]]:
        if self._constant is not None:
            return ([box], []) if self._constant else ([], [box])
        if self._entries is not None:
            yes, no = box.entries.meet(self._entries), box.entries.minus(self._entries)
            return [box._replace(entries=yes)] if yes else [], [box._replace(entries=no)] if no else []
        if self._single is not None:
            name = Box._fields[_PLACE[self._condition.fields[0]]]
            value = getattr(box, name)
            if isinstance(self._single, int):
                inside, outside = value & self._single, value & ~self._single
            else:
                inside, outside = meet(value, self._single), minus(value, self._single)
            return (
                [box._replace(**{name: inside})] if inside else [],
                [box._replace(**{name: outside})] if outside else [],
            )
        matched = [part for _, part in self.meets(box)]
        rest = [box]
        for part in matched:
            rest = [piece for one in rest for piece in subtract(one, part)]
            if len(rest) > MOST_BOXES:
                raise PacslabError(f"a set too large to be proved: {self._condition.name or 'anonymous'}")
        return matched, rest

    def _cut(self, box: Box, entry: Entry) -> Box | None:
        """The packets of a box that have an element's key."""
        cut: list[Any] = list(box)
        for name, part in zip(self._condition.fields, entry.key, strict=True):
            place = _PLACE[name]
            if name is Field.SOURCE:
                cut[place] = cut[place].of_sources((_pair(part),))
            elif name is Field.IIF:
                cut[place] = cut[place].of_cables(self._universe.cables(str(part)))
            elif name in _BITS:
                cut[place] &= self._bits(name, part)
            else:
                cut[place] = meet(self._numbers(name, part), cut[place])
            if not cut[place]:
                return None
        return Box(*cut)

    def _bits(self, name: Field, part: Part) -> int:
        if name is Field.FAMILY:
            return EVERY_STATE * _in(part, self._universe.family)
        if name is Field.STATE and self._early:
            return EVERY_STATE * _in(part, State.INVALID)
        return _mask((part,))

    def _numbers(self, name: Field, part: Part) -> Intervals:
        return self._universe.destinations(str(part), self._hook) if name is Field.OIF else (_pair(part),)

    def _pairs(self) -> Entries:
        fields, entries = self._condition.fields, self._condition.entries
        everything = self._universe.whole.entries.rows
        if fields == (Field.SOURCE,):
            addresses = union(_pair(entry.key[0]) for entry in entries)
            return Entries(dict.fromkeys(everything, addresses) if addresses else {})
        if fields == (Field.IIF,):
            named = {cable for entry in entries for cable in self._universe.cables(str(entry.key[0]))}
            return Entries({cable: everything[cable] for cable in named})
        sources: dict[int, list[tuple[int, int]]] = {}
        cable_at, source_at = fields.index(Field.IIF), fields.index(Field.SOURCE)
        for entry in entries:
            for cable in self._universe.cables(str(entry.key[cable_at])):
                sources.setdefault(cable, []).append(_pair(entry.key[source_at]))
        return Entries({cable: union(pairs) for cable, pairs in sources.items()})


def _pair(part: object) -> tuple[int, int]:
    assert isinstance(part, tuple)
    return part


def _in(part: object, value: int) -> bool:
    low, high = _pair(part)
    return low <= value <= high


def _mask(parts: Iterable[object]) -> int:
    mask = 0
    for part in parts:
        low, high = _pair(part)
        mask |= ((1 << (high - low + 1)) - 1) << low
    return mask
