"""A third engine: nft's JSON and the policy as binary decision diagrams, whole and not packet by packet."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from dd.autoref import BDD
from tests.properties.naive import FLAGS, ICMP, ICMPV6, PROTOCOLS

from pacslab.model.lab import Posture
from pacslab.model.policy import Policy

STATES = ("new", "established", "related", "invalid", "untracked")


class Diagrams:
    """Forwarded packets of one family."""

    def __init__(self, document: dict[str, Any], policy: Policy, version: int) -> None:
        self.version, self.policy = version, policy
        width = 32 if version == 4 else 128
        self.widths = {
            "iif": 4,
            "state": 3,
            "proto": 8,
            "src": width,
            "dst": width,
            "sport": 16,
            "dport": 16,
            "flags": 8,
        }
        self.bdd = BDD()
        self.bdd.declare(*(f"{name}{bit}" for name, count in self.widths.items() for bit in range(count)))
        self.interfaces = {c.interface: n for n, c in enumerate(policy.cables)}
        self.items = document["nftables"]
        self.sets = {s["name"]: s for i in self.items for k, s in i.items() if k in {"set", "map"}}

    def equal(self) -> bool:
        return bool(self._accepted() == self._permitted())

    # What is loaded

    def _accepted(self) -> Any:
        reach = self._real()
        for hook in ("prerouting", "forward"):
            for base in sorted((i["chain"] for i in self.items if i.get("chain", {}).get("hook") == hook),
                               key=lambda c: c["prio"]):  # fmt: skip
                accepted, left = self._chain(base["name"], reach, base["prio"] < -200)
                reach = accepted | left if base["policy"] == "accept" else accepted
        return reach

    def _chain(self, name: str, reach: Any, early: bool) -> tuple[Any, Any]:
        """Accepted, and what comes out at the end or by return."""
        accepted = out = self.bdd.false
        for rule in (i["rule"] for i in self.items if i.get("rule", {}).get("chain") == name):
            here = reach
            for expression in rule["expr"]:
                ((kind, value),) = expression.items()
                if kind in {"counter", "log", "limit"}:
                    continue
                if kind == "match":
                    here &= self._match(value, early)
                    continue
                pairs = self._pairs(value) if kind == "vmap" else [(None, {kind: value})]
                for key, verdict in pairs:
                    hit = (
                        here if key is None else here & self._guard(value["key"]) & self._key(value["key"], key, early)
                    )
                    here &= ~hit
                    reach &= ~hit
                    ((word, target),) = verdict.items()
                    if word == "accept":
                        accepted |= hit
                    elif word == "return":
                        out |= hit
                    elif word in {"goto", "jump"}:
                        more, back = self._chain(target["target"], hit, early)
                        accepted |= more
                        if word == "goto":
                            out |= back
                        else:
                            reach |= back
        return accepted, out | reach

    def _pairs(self, value: Any) -> list[Any]:
        data = value["data"]
        return self.sets[data[1:]].get("elem", []) if isinstance(data, str) else data["set"]

    def _match(self, value: Any, early: bool) -> Any:
        left, right, operator = value["left"], value["right"], value["op"]
        if "&" in left:
            mask, wanted = _bits(left["&"][1]), _bits(right)
            same = self._masked("flags", mask, wanted)
            return self._guard(left["&"][0]) & (same if operator == "==" else ~same)
        if isinstance(right, str) and right.startswith("@"):
            members = self.sets[right[1:]].get("elem", [])
        elif isinstance(right, dict) and "set" in right:
            members = right["set"]
        else:
            members = right if isinstance(right, list) else [right]
        found = self.bdd.false
        for member in members:
            found |= self._key(left, member, early)
        return self._guard(left) & (~found if operator == "!=" else found)

    def _guard(self, left: Any) -> Any:
        """What must hold for the field to be there."""
        if "concat" in left:
            guard = self.bdd.true
            for part in left["concat"]:
                guard &= self._guard(part)
            return guard
        protocol = left.get("payload", {}).get("protocol", "")
        if {"ip": 4, "ip6": 6, "icmp": 4, "icmpv6": 6}.get(protocol, self.version) != self.version:
            return self.bdd.false
        return self._number("proto", PROTOCOLS[protocol]) if protocol in PROTOCOLS else self.bdd.true

    def _key(self, left: Any, member: Any, early: bool) -> Any:
        if isinstance(member, dict) and "elem" in member:
            member = member["elem"]["val"]
        if "concat" in left:
            both = self.bdd.true
            for part, value in zip(left["concat"], member["concat"], strict=True):
                both &= self._key(part, value, early)
            return both
        if "ct" in left:
            return self._state(member) if not early else (self.bdd.true if member == "invalid" else self.bdd.false)
        if "meta" in left:
            return self._meta(left["meta"]["key"], member)
        protocol, field = left["payload"]["protocol"], left["payload"]["field"]
        if protocol in {"icmp", "icmpv6"}:
            kind = (ICMP if protocol == "icmp" else ICMPV6)[member]
            return self._between("sport", kind << 8, kind << 8 | 0xFF)
        if field in {"saddr", "daddr"}:
            return self._address({"saddr": "src", "daddr": "dst"}[field], member)
        low, high = member["range"] if isinstance(member, dict) else (member, member)
        return self._between(field, low, high)

    def _meta(self, key: str, member: Any) -> Any:
        match key:
            case "iifname":
                return self._interface(member)
            case "nfproto":
                return self.bdd.true if member == f"ipv{self.version}" else self.bdd.false
        return self._number("proto", PROTOCOLS.get(member, member))

    # What is permitted

    def _permitted(self) -> Any:
        own = nodes = self.bdd.false
        for cable in self.policy.cables:
            address = cable.address if self.version == 4 else cable.address6
            if address is not None:
                own |= self._interface(cable.interface) & self._number("src", int(address))
                nodes |= self._number("dst", int(address))
        opening = self._masked("flags", 0b10111, 0b00010) | ~self._number("proto", 6)
        new = self._state("new") & opening & self._policy()
        protocol, kinds = (1, (3, 11, 12)) if self.version == 4 else (58, (1, 2, 3, 4))
        errors = self.bdd.false
        for kind in kinds:
            errors |= self._between("sport", kind << 8, kind << 8 | 0xFF)
        related = self._state("related") & self._number("proto", protocol) & errors
        return self._real() & own & nodes & (self._state("established") | related | new)

    def _policy(self) -> Any:
        if self.policy.posture is Posture.FLAT:
            return self.bdd.true
        permitted = self.bdd.false
        if self.policy.posture is Posture.ZONED:
            for zone in self.policy.zones:
                if (network := zone.network if self.version == 4 else zone.network6) is not None:
                    permitted |= self._address("src", str(network)) & self._address("dst", str(network))
        for flow in self.policy.flows:
            if not flow.granted and flow.source_address.version == self.version:
                ends = self._number("src", int(flow.source_address)) & self._number(
                    "dst", int(flow.destination_address)
                )
                number = {"tcp": 6, "udp": 17}[flow.protocol.value]
                permitted |= ends & self._number("proto", number) & self._between("dport", *flow.ports)
        return permitted

    # Building blocks

    def _real(self) -> Any:
        """Only as many states as there are."""
        return self._between("state", 0, len(STATES) - 1)

    def _interface(self, name: str) -> Any:
        return self._number("iif", self.interfaces[name]) if name in self.interfaces else self.bdd.false

    def _state(self, name: str) -> Any:
        return self._number("state", STATES.index(name))

    def _address(self, name: str, member: Any) -> Any:
        if isinstance(member, dict):
            member = f"{member['prefix']['addr']}/{member['prefix']['len']}"
        if "/" in member:
            network = ip_network(member)
            return self._between(name, int(network[0]), int(network[-1]))
        return self._number(name, int(ip_address(member)))

    def _number(self, name: str, number: int) -> Any:
        return self._masked(name, (1 << self.widths[name]) - 1, number)

    def _masked(self, name: str, mask: int, number: int) -> Any:
        width = self.widths[name]
        cube = {f"{name}{width - 1 - bit}": bool(number >> bit & 1) for bit in range(width) if mask >> bit & 1}
        return self.bdd.cube(cube)

    def _between(self, name: str, low: int, high: int) -> Any:
        return self._at_least(name, low) & ~self._at_least(name, high + 1)

    def _at_least(self, name: str, low: int) -> Any:
        width = self.widths[name]
        if low >> width:
            return self.bdd.false
        found = self.bdd.true
        for bit in range(width):  # from the lowest bit up
            variable = self.bdd.var(f"{name}{width - 1 - bit}")
            found = variable & found if low >> bit & 1 else variable | found
        return found


def _bits(value: Any) -> int:
    if isinstance(value, dict):
        value = value["|"]
    return sum(FLAGS[v] for v in value) if isinstance(value, list) else FLAGS[value]
