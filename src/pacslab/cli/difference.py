"""Difference -> lines for people: what opens and closes, what comes and goes, why, and where it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pacslab.compiler.difference import Attribute, Difference, ThingChange, Turn
from pacslab.compiler.openings import PassageChange

WIDTH = 10  # of the first column


def lines(difference: Difference) -> Iterator[str]:
    """The whole difference, its conclusion last."""
    for attribute in difference.lab:
        yield f"{'changed':{WIDTH}}{_attribute(attribute)}"
    for noun, things in (("zone", difference.zones), ("node", difference.nodes)):
        for thing in things:
            yield from _thing(noun, thing)
    for change in difference.passages:
        yield from _passage(change)
    for note in difference.notes:
        yield f"{'note':{WIDTH}}{note}"
    yield _conclusion(difference)


def _thing(noun: str, thing: ThingChange) -> Iterator[str]:
    if thing.turn is Turn.CHANGED:
        said = "; ".join(_attribute(attribute) for attribute in thing.attributes)
    else:
        said = ", ".join(f"{a.name} {a.after or a.before}" for a in thing.attributes)
    yield f"{thing.turn.value:{WIDTH}}{noun} {thing.name}: {said}"
    yield f"{'':{WIDTH}}{_places(thing)}"


def _attribute(attribute: Attribute) -> str:
    if not attribute.before:
        return f"{attribute.name} {attribute.after}, not written before"
    if not attribute.after:
        return f"{attribute.name} {attribute.before} is gone"
    return f"{attribute.name} {attribute.before} -> {attribute.after}"


def _passage(change: PassageChange) -> Iterator[str]:
    families = "" if change.families == (4,) else " over " + " and ".join(f"IPv{f}" for f in change.families)
    operations = f" ({', '.join(change.operations)})" if change.operations else ""
    way = f"{change.source} -> {change.destination} {change.service} {change.ports}{families}{operations}"
    yield f"{change.access.value:{WIDTH}}{way}"
    yield f"{'':{WIDTH}}because {change.reason}, {_places(change)}"


def _places(change: PassageChange | ThingChange) -> str:
    """Where it is written; where it was, if that is another place."""
    was = change.before if change.before != change.after else ()
    parts = (("at", change.after), ("before at", was))
    return ", ".join(f"{word} {' and '.join(map(str, places))}" for word, places in parts if places)


def _conclusion(difference: Difference) -> str:
    if not difference:
        return "no difference"
    counts = Counter(change.access.value for change in difference.passages)
    said = [f"{count} {access}" for access, count in counts.items()]
    for noun, things in (("zone", difference.zones), ("node", difference.nodes)):
        turns = Counter(thing.turn.value for thing in things)
        said += [f"{count} {noun}{'s' if count > 1 else ''} {turn}" for turn, count in turns.items()]
    said += [f"{attribute.name} changed" for attribute in difference.lab]
    return f"difference: {', '.join(said)}"
