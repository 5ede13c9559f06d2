"""Connections that come back: what a policy forgets breaks the clinic, what it adds is a way in (FACTS 6)."""

from __future__ import annotations

from collections.abc import Iterator

from pacslab.errors import Diagnostic
from pacslab.labfile.rules.world import World, pairs, warning
from pacslab.model.dicom import Operation
from pacslab.model.lab import Conduit

_ASK = Operation.N_ACTION_STGCMT
_ANSWER = Operation.N_EVENT_REPORT_STGCMT


def commitment_is_answered(world: World) -> Iterator[Diagnostic]:
    """Storage commitment is answered on a connection of its own, from the archive to the scanner (PS3.4 J.3.3)."""
    for conduit, lonely in _one_way(world, _ASK, _ANSWER):
        source, destination = lonely[0]
        message = f"{_who(lonely)} may ask for storage commitment by {conduit.id!r}, but no answer can come back"
        hint = f"in the file of zone {_zone(source)}: from {destination}, operations [{_ANSWER.value}]"
        yield warning("missing-reverse", message, hint, conduit.origin)


def moves_are_delivered(world: World) -> Iterator[Diagnostic]:
    """C-MOVE delivers by C-STORE on a connection from the archive to the one who asked (PS3.4 C.4.2)."""
    for conduit, lonely in _one_way(world, Operation.C_MOVE, Operation.C_STORE):
        source, destination = lonely[0]
        message = f"{_who(lonely)} may ask for C-MOVE by {conduit.id!r}, but nothing can be delivered"
        hint = f"in the file of zone {_zone(source)}: from {destination}, operations [C-STORE]"
        yield warning("missing-reverse", message, hint, conduit.origin)


def reverse_conduits_are_needed(world: World) -> Iterator[Diagnostic]:
    """A reverse conduit leads only to those who ask for what it brings."""
    for conduit in world.lab.conduits:
        if _ANSWER in conduit.operations:
            idle = [pair for pair in pairs(conduit) if not world.may(_ASK, pair[1], pair[0])]
            what = "answer a storage commitment"
        elif conduit.operations == (Operation.C_STORE,):
            idle = [pair for pair in pairs(conduit) if _is_delivery(world, *pair)]
            what = "deliver a C-MOVE"
        else:
            continue
        if idle:
            source, destination = idle[0]
            more = f" and {len(idle) - 1} more" if len(idle) > 1 else ""
            message = f"{conduit.id!r} lets {source} {what} at {destination}{more}, where nobody may ask for it"
            hint = "name only those who ask, or take the conduit out"
            yield warning("wide-reverse", message, hint, conduit.origin)


def _is_delivery(world: World, source: str, destination: str) -> bool:
    """Whether an archive stores at a workstation that never asks: it has nothing else to bring there."""
    archive, reader = world.nodes[source], world.nodes[destination]
    if (archive.kind, reader.kind) != ("orthanc", "workstation"):
        return False
    forwards = {value.rpartition("/")[2] for value in archive.setting("forward")}
    return reader.name not in forwards and not world.may(Operation.C_MOVE, destination, source)


def _one_way(world: World, ask: Operation, answer: Operation) -> Iterator[tuple[Conduit, list[tuple[str, str]]]]:
    """Conduits that permit asking, with the pairs whose answer has no way back."""
    for conduit in world.lab.conduits:
        if ask in conduit.operations:
            lonely = [pair for pair in pairs(conduit) if not world.may(answer, pair[1], pair[0])]
            if lonely:
                yield conduit, lonely


def _who(found: list[tuple[str, str]]) -> str:
    return found[0][0] + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def _zone(path: str) -> str:
    return path.partition("/")[0]
