"""What a mutant does that no probe sees -> the probe that would have to be sent, in words."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from pacslab.firewall.boxes import Box
from pacslab.firewall.mutation.effect import Effect
from pacslab.firewall.world import Universe, Way
from pacslab.model.packet import EPHEMERAL, PROTOCOLS, State

_OF_STATE = {
    State.NEW: "the beginning of a conversation",
    State.ESTABLISHED: "a packet into a conversation that others have open",
    State.RELATED: "an ICMP error about an open conversation",
    State.INVALID: "a packet that connection tracking calls invalid, as one with a wrong checksum",
    State.UNTRACKED: "a packet that is not tracked",
}


def missing(effect: Effect) -> str:
    """One packet that would have shown the mutant."""
    for change in effect.changes:
        if change.occurring is not None:
            return _packet(change.occurring, change.universe)
    return ""


def _packet(box: Box, universe: Universe) -> str:
    cable, sources = next(box.entries.pairs())
    source, destination = sources[0][0], box.destination[0][0]
    state = State(_lowest(box.state))
    protocol = next((number for number in PROTOCOLS if box.protocol >> number & 1), _lowest(box.protocol))
    what = _OF_STATE[state]
    if universe.way is Way.OUTPUT:
        return f"a packet that the fabric itself has to answer, as one whose time to live ends there: {what} comes back"
    port = box.dport[0][0]
    of = f" ({PROTOCOLS.get(protocol, protocol)}{'' if state is State.RELATED or not port else f' {port}'})"
    from_ = "" if box.sport[0][0] in {0, EPHEMERAL} or state is State.RELATED else f" from port {box.sport[0][0]}"
    ends = f"{_ip(universe, source)} -> {_ip(universe, destination)}"
    return f"{what}{of}: {ends}{from_}, sent by {universe.names[cable]}"


def _ip(universe: Universe, number: int) -> IPv4Address | IPv6Address:
    return IPv4Address(number) if universe.family == 4 else IPv6Address(number)


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
