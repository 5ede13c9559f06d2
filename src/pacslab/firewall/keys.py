"""Flows -> keys and comments of map elements; ranges of ports are cut until none overlaps another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pacslab.model.plan import Flow

Key = tuple[str, ...]
_COMMENT_BYTES = 100  # nft takes 128


def flow_key(flow: Flow) -> Key:
    """Source, destination, protocol and port, or range of ports, of a flow."""
    first, last = flow.ports
    return (*_ends(flow), _span(first, last))


def cut(flows: Iterable[Flow]) -> Iterator[tuple[Key, Flow]]:
    """Keys that cover the flows' ports once: where ranges overlap, the flow that begins lower has them.

    nft refuses a map whose ranges overlap. Ranges that only touch stay apart; nft does not merge concatenations.
    """
    by_ends: dict[Key, list[Flow]] = {}
    for flow in flows:
        by_ends.setdefault(_ends(flow), []).append(flow)
    for ends in sorted(by_ends):
        covered = -1
        for flow in sorted(by_ends[ends], key=lambda f: f.ports):
            first, last = flow.ports
            first = max(first, covered + 1)
            if first <= last:
                yield (*ends, _span(first, last)), flow
                covered = last


def comment(words: str) -> str:
    """Words as nft's comments take them: no quotes, no line ends, not too long."""
    plain = "".join(letter if letter.isprintable() and letter not in '"\\' else "?" for letter in words)
    return plain.encode()[:_COMMENT_BYTES].decode(errors="ignore")


def _ends(flow: Flow) -> Key:
    return str(flow.source_address), str(flow.destination_address), flow.protocol.value


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
