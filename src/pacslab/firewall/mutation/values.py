"""A part of an element's key -> its neighbours, and the same part wide open."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from pacslab.model.policy import Policy

_LAST_PORT = 0xFFFF
_EVERY_ADDRESS = {4: "0.0.0.0-255.255.255.255", 6: f"::-{IPv6Address((1 << 128) - 1)}"}
_WORDS = {"saddr": "source", "daddr": "destination", "l4proto": "protocol", "dport": "port", "iifname": "cable"}
_TWIN = {"tcp": "udp", "udp": "tcp"}


def word(selector: str) -> str:
    """What a selector reads, in words: `ip saddr` is the source."""
    return _WORDS[selector.rsplit(maxsplit=1)[-1]]


def address(text: str) -> IPv4Address | IPv6Address:
    """An element's address.

    Raises:
        ValueError: It is a range or a prefix.
    """
    return ip_address(text)


def neighbours(selector: str, part: str) -> tuple[str, ...]:
    """What one mistyped digit makes of a part: the next address or port on either side, the other protocol."""
    match word(selector):
        case "source" | "destination":
            at = address(part)
            return str(at - 1), str(at + 1)
        case "port":
            first, _, last = part.partition("-")
            below, above = int(first) - 1, int(last or first) + 1
            return tuple(str(port) for port in (below, above) if 0 <= port <= _LAST_PORT)
        case "protocol":
            return (_TWIN[part],) if part in _TWIN else ()
    return ()


def wide(selector: str, part: str, policy: Policy) -> tuple[tuple[str, str], ...]:
    """A part opened to a whole zone, and to anything at all: what that is in words, and its text."""
    match word(selector):
        case "source" | "destination":
            at = address(part)
            networks = (zone.network if at.version == 4 else zone.network6 for zone in policy.zones)
            zones = tuple(("its zone", str(network)) for network in networks if network is not None and at in network)
            return (*zones, ("any", _EVERY_ADDRESS[at.version]))
        case "port":
            return (("any", f"0-{_LAST_PORT}"),)
        case "protocol":
            return (("any", "0-255"),)
    return ()
