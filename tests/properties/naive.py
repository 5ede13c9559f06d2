"""A second engine that shares nothing with the first: it reads nft's JSON as it stands, one packet at a time."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58, "ipv6-icmp": 58, "sctp": 132}
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
ICMP = {"echo-reply": 0, "destination-unreachable": 3, "echo-request": 8, "time-exceeded": 11, "parameter-problem": 12}
ICMPV6 = {"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
          "echo-request": 128, "echo-reply": 129}  # fmt: skip
HOOKS = {"forward": ("prerouting", "forward", "postrouting"), "input": ("prerouting", "input"),
         "output": ("output", "postrouting")}  # fmt: skip


@dataclass(frozen=True)
class P:
    """A packet of the naive kind."""

    iif: str
    oif: str
    src: IPv4Address | IPv6Address
    dst: IPv4Address | IPv6Address
    proto: int
    sport: int
    dport: int
    flags: int
    state: str


class _Absent(Exception):  # noqa: N818
    """The packet has no such field."""


class Naive:
    """What nft lists, interpreted."""

    def __init__(self, document: dict[str, Any]) -> None:
        items = document["nftables"]
        self.bases = [i["chain"] for i in items if "chain" in i and "hook" in i["chain"]]
        self.rules: dict[tuple[str, str, str], list[Any]] = {}
        for rule in (i["rule"] for i in items if "rule" in i):
            self.rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
        self.sets = {(s["table"], s["name"]): s for i in items for k, s in i.items() if k in {"set", "map"}}

    def accepts(self, packet: P, way: str = "forward") -> bool:
        for hook in HOOKS[way]:
            for base in sorted((b for b in self.bases if b["hook"] == hook), key=lambda b: b["prio"]):
                version = {"ip": 4, "ip6": 6}.get(base["family"])
                if version is not None and version != packet.src.version:
                    continue
                early = hook in {"prerouting", "output"} and base["prio"] < -200
                seen = P(packet.iif, packet.oif if hook in {"forward", "postrouting", "output"} else "", packet.src,
                         packet.dst, packet.proto, packet.sport, packet.dport, packet.flags,
                         "invalid" if early else packet.state)  # fmt: skip
                if (self._chain((base["family"], base["table"], base["name"]), seen) or base["policy"]) != "accept":
                    return False
        return True

    def _chain(self, where: tuple[str, str, str], packet: P) -> str | None:
        for rule in self.rules.get(where, ()):
            verdict = self._rule(rule, where, packet)
            if verdict is None:
                continue
            kind, target = verdict
            if kind in {"accept", "drop"}:
                return kind
            if kind == "return":
                return None
            settled = self._chain((where[0], where[1], target), packet)
            if settled or kind == "goto":
                return settled
        return None

    def _rule(self, expressions: list[Any], where: tuple[str, str, str], packet: P) -> tuple[str, str] | None:
        for expression in expressions:
            ((kind, value),) = expression.items()
            if kind in {"counter", "log", "limit"}:
                continue
            if kind == "match":
                try:
                    if not self._match(value, where, packet):
                        return None
                except _Absent:
                    return None
            elif kind == "vmap":
                try:
                    found = self._look_up(value, where, packet)
                except _Absent:
                    return None
                if found is not None:
                    return found
            elif kind == "reject":
                return "drop", ""
            else:
                return kind, value["target"] if value else ""
        return None

    def _look_up(self, value: Any, where: tuple[str, str, str], packet: P) -> tuple[str, str] | None:
        data = value["data"]
        pairs = self.sets[where[1], data[1:]].get("elem", []) if isinstance(data, str) else data["set"]
        actual = _read(value["key"], packet)
        for key, verdict in pairs:
            if _same(actual, key, value["key"]):
                ((kind, target),) = verdict.items()
                return kind, target["target"] if target else ""
        return None

    def _match(self, value: Any, where: tuple[str, str, str], packet: P) -> bool:
        actual, right = _read(value["left"], packet), value["right"]
        if value["left"].get("payload", {}).get("field") == "flags" and value["op"] == "in":
            return bool(actual & _mask(right))
        if "&" in value["left"]:
            return (actual == _mask(right)) is (value["op"] == "==")
        if isinstance(right, str) and right.startswith("@"):
            members = self.sets[where[1], right[1:]].get("elem", [])
        elif isinstance(right, dict) and "set" in right:
            members = right["set"] if isinstance(right["set"], list) else [right["set"]]
        else:
            members = right if isinstance(right, list) else [right]
        return any(_same(actual, member, value["left"]) for member in members) is (value["op"] != "!=")


def _mask(value: Any) -> int:
    if isinstance(value, dict):
        value = value["|"]
    if isinstance(value, list):
        return sum(_mask(v) for v in value)
    return FLAGS[value] if isinstance(value, str) else value


def _read(left: Any, packet: P) -> Any:
    if "concat" in left:
        return [_read(part, packet) for part in left["concat"]]
    if "&" in left:
        return _read(left["&"][0], packet) & _mask(left["&"][1])
    if "meta" in left:
        return {"iifname": packet.iif, "iif": packet.iif, "oifname": packet.oif, "oif": packet.oif,
                "nfproto": f"ipv{packet.src.version}", "l4proto": packet.proto}[left["meta"]["key"]]  # fmt: skip
    if "ct" in left:
        return packet.state
    protocol, field = left["payload"]["protocol"], left["payload"]["field"]
    need = {"ip": 4, "ip6": 6, "icmp": 4, "icmpv6": 6}.get(protocol, packet.src.version)
    if need != packet.src.version or PROTOCOLS.get(protocol, packet.proto) != packet.proto:
        raise _Absent
    if protocol in {"icmp", "icmpv6"}:
        return packet.sport >> 8
    return {"saddr": packet.src, "daddr": packet.dst, "protocol": packet.proto, "sport": packet.sport,
            "dport": packet.dport, "flags": packet.flags}[field]  # fmt: skip


def _same(actual: Any, member: Any, left: Any) -> bool:
    if isinstance(member, dict) and "elem" in member:
        member = member["elem"]["val"]
    if isinstance(actual, list):
        parts = left["concat"]
        return all(_same(a, m, part) for a, m, part in zip(actual, member["concat"], parts, strict=True))
    if isinstance(actual, IPv4Address | IPv6Address):
        if isinstance(member, str):
            return actual == ip_address(member)
        if "range" in member:
            return ip_address(member["range"][0]) <= actual <= ip_address(member["range"][1])
        return actual in ip_network(f"{member['prefix']['addr']}/{member['prefix']['len']}")
    if isinstance(actual, str):
        return actual.startswith(member[:-1]) if member.endswith("*") else actual == member
    if isinstance(member, dict):
        low, high = member["range"]
        return _number(low, left) <= actual <= _number(high, left)
    return actual == _number(member, left)


def _number(member: Any, left: Any) -> int:
    if isinstance(member, int):
        return member
    protocol = left.get("payload", {}).get("protocol")
    return {"icmp": ICMP, "icmpv6": ICMPV6}.get(protocol, PROTOCOLS)[member]
