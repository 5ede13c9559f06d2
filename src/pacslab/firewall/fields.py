"""nft's names for selectors and values -> fields and intervals of integers, as its JSON spells them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pacslab.model.loaded import Entry, Field, Part
from pacslab.model.packet import ICMP, ICMPV6, TCP, UDP, State

_PROTOCOLS = MappingProxyType(
    {
        "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
        "icmpv6": 58, "ipv6-icmp": 58, "ipcomp": 108, "comp": 108, "sctp": 132, "udplite": 136, "ospf": 89, "pim": 103,
    },
)  # fmt: skip
_FLAGS = MappingProxyType(
    {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "ece": 64, "cwr": 128},
)
_ICMP_TYPES = MappingProxyType(
    {
        "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
        "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
        "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
        "address-mask-request": 17, "address-mask-reply": 18,
    },
)  # fmt: skip
_ICMPV6_TYPES = MappingProxyType(
    {
        "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
        "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
        "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134,
        "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
        "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
    },
)  # fmt: skip
_TYPES = MappingProxyType({"icmp": _ICMP_TYPES, "icmpv6": _ICMPV6_TYPES})
_STATES = MappingProxyType({state.name.lower(): state.value for state in State})
_FAMILIES = MappingProxyType({"ipv4": 4, "ipv6": 6, "ip": 4, "ip6": 6})

_META = MappingProxyType(
    {
        "iifname": Field.IIF, "iif": Field.IIF, "oifname": Field.OIF, "oif": Field.OIF,
        "nfproto": Field.FAMILY, "protocol": Field.FAMILY, "l4proto": Field.PROTOCOL,
    },
)  # fmt: skip
_ADDRESSES = MappingProxyType({"saddr": Field.SOURCE, "daddr": Field.DESTINATION})
_PORTS = MappingProxyType({"sport": Field.SPORT, "dport": Field.DPORT})
_TRANSPORTS = MappingProxyType({"tcp": TCP, "udp": UDP, "th": None})
_ALL_FLAGS = 0xFF


@dataclass(frozen=True, slots=True)
class Selector:
    """What an expression reads, and which packets have it at all."""

    fields: tuple[Field, ...]
    family: int | None = None
    protocol: int | None = None
    mask: int = _ALL_FLAGS  # of TCP flags
    types: str = ""  # whose type it is: icmp, icmpv6

    def flag_entries(self, right: Any, *, any_bit: bool) -> tuple[Entry, ...]:
        """Every value of the flags byte that matches."""
        wanted = _flags(right)
        matching = (
            value for value in range(256) if (value & self.mask & wanted if any_bit else value & self.mask == wanted)
        )
        return tuple(Entry(((value, value),)) for value in matching)


def parse_selector(expression: Mapping[str, Any]) -> Selector:
    """Read the left side of a match, or the key of a map.

    Raises:
        ValueError: It reads something the proof does not model.
    """
    ((kind, value),) = expression.items()
    match kind:
        case "meta" if value["key"] in _META:
            return Selector((_META[value["key"]],))
        case "ct" if value["key"] == "state" and "dir" not in value:
            return Selector((Field.STATE,))
        case "payload":
            return _payload(value["protocol"], value["field"])
        case "concat":
            return _concatenation([parse_selector(part) for part in value])
        case "&":
            left, mask = value
            inner = parse_selector(left)
            if inner.fields == (Field.FLAGS,):
                return Selector(inner.fields, protocol=TCP, mask=_flags(mask))
    raise ValueError(f"{kind} {value} is not modelled")


def _payload(protocol: str, name: str) -> Selector:
    if protocol in {"ip", "ip6"} and name in _ADDRESSES:
        return Selector((_ADDRESSES[name],), family=_FAMILIES[protocol])
    if (protocol, name) == ("ip", "protocol"):
        return Selector((Field.PROTOCOL,), family=4)
    if protocol in _TRANSPORTS and name in _PORTS:
        return Selector((_PORTS[name],), protocol=_TRANSPORTS[protocol])
    if (protocol, name) == ("tcp", "flags"):
        return Selector((Field.FLAGS,), protocol=TCP)
    # nft compares the family as well: ICMP is read over IPv4 only, ICMPv6 over IPv6 only.
    if (protocol, name) == ("icmp", "type"):
        return Selector((Field.SPORT,), 4, ICMP, types="icmp")
    if (protocol, name) == ("icmpv6", "type"):
        return Selector((Field.SPORT,), 6, ICMPV6, types="icmpv6")
    raise ValueError(f"{protocol} {name} is not modelled")


def _concatenation(parts: list[Selector]) -> Selector:
    if any(part.types or part.mask != _ALL_FLAGS or Field.FLAGS in part.fields for part in parts):
        raise ValueError("ICMP types and TCP flags are not modelled in a concatenation")
    families = {part.family for part in parts} - {None}
    protocols = {part.protocol for part in parts} - {None}
    if len(families) > 1 or len(protocols) > 1:
        raise ValueError("a packet has one family and one protocol")
    fields = tuple(name for part in parts for name in part.fields)
    if len(set(fields)) != len(fields):
        raise ValueError("the same field twice")
    return Selector(fields, next(iter(families), None), next(iter(protocols), None))


def parse_part(selector: Selector, place: int, value: Any) -> Part:
    """Read one value of a key: a number, name, address, prefix or range.

    Raises:
        ValueError: It is none of these, or a name nobody has heard of.
    """
    name = selector.fields[place]
    if name in {Field.IIF, Field.OIF}:
        if not isinstance(value, str):
            raise ValueError(f"an interface that is gone: {value}")
        return value
    if selector.types:
        low, high = _interval(name, value, _TYPES[selector.types])
        return low << 8, (high << 8) | 0xFF
    return _interval(name, value, _NAMES.get(name, MappingProxyType({})))


_NAMES: MappingProxyType[Field, Mapping[str, int]] = MappingProxyType(
    {Field.PROTOCOL: _PROTOCOLS, Field.STATE: _STATES, Field.FAMILY: _FAMILIES},
)


def _interval(name: Field, value: Any, names: Mapping[str, int]) -> tuple[int, int]:
    if isinstance(value, dict):
        if "range" in value:
            low, high = (_number(name, end, names) for end in value["range"])
            return low, high
        prefix = value["prefix"]
        packed = _address(prefix["addr"])
        host = (1 << (len(packed) * 8 - prefix["len"])) - 1
        low = int.from_bytes(packed, "big")
        return low & ~host, low | host
    number = _number(name, value, names)
    return number, number


def _number(name: Field, value: Any, names: Mapping[str, int]) -> int:
    if isinstance(value, int):
        return value
    if name in {Field.SOURCE, Field.DESTINATION}:
        return int.from_bytes(_address(value), "big")
    return names[value]


def _address(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _flags(value: Any) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return _FLAGS[value]
    if isinstance(value, dict) and "|" in value:
        return _flags(value["|"])
    if isinstance(value, Iterable) and not isinstance(value, dict):
        total = 0
        for one in value:
            total |= _flags(one)
        return total
    raise ValueError(f"flags {value}")
