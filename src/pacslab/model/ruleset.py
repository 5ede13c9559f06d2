"""An nftables table as a small typed tree; firewall/text.py prints it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TABLE = "pacslab"
FAMILY = "inet"
GRANTED = "granted"  # the map of what is open for a time; with IPv6 also `granted6`
LOG_GROUP = 1  # NFLOG group of every denied packet: the prober reads it, and counts on finding each one there
# NFLOG group for whoever writes denials down, a few a second for each reason: no flood fills a disk. A group that
# nobody reads costs nothing and is written nowhere (nfnetlink_log drops the entry at once).
WATCH_GROUP = 2
WATCH_PER_S = 5
WATCH_BURST = 50
LOG_PREFIX = "pacslab:"
LOG_BYTES = 96  # enough for the headers of a probe


class Denial(StrEnum):
    """Why a packet is denied; the word after `pacslab:` in the log and after `deny ` in the counter's comment."""

    SPOOFED = "spoofed"  # the source address does not belong to the cable it came in on
    IPV6 = "ipv6"  # the node's zone has no IPv6
    NO_NODE = "no-node"  # the destination is not a node of the lab
    FABRIC = "fabric"  # the fabric itself is nobody's peer
    STATE = "state"  # neither the beginning of a conversation nor part of one
    NO_CONDUIT = "no-conduit"  # nothing permits this conversation

    @property
    def chain(self) -> str:
        """The chain that counts, logs and drops for this reason."""
        return f"deny_{self.value.replace('-', '_')}"


class Hook(StrEnum):
    """Where a base chain is attached."""

    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Base:
    """What makes a chain a base chain; what we generate always has the policy drop."""

    hook: Hook
    priority: str  # "raw", "filter", or a number
    policy: str = "drop"


@dataclass(frozen=True, slots=True)
class Match:
    """Selectors (concatenated) compared with a value, a set name or a literal set."""

    selector: tuple[str, ...]  # "iifname", "ip saddr"
    value: str  # "@cables", "198.18.10.0/24", "established"
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Counter:
    """Count what comes here."""


@dataclass(frozen=True, slots=True)
class Log:
    """Tell the NFLOG group, with a prefix that names the reason."""

    prefix: str
    group: int = LOG_GROUP


@dataclass(frozen=True, slots=True)
class Limit:
    """Go on with the rule only so often a second, after a first burst of packets."""

    rate_per_s: int
    burst: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Let it through."""


@dataclass(frozen=True, slots=True)
class Drop:
    """End it here."""


@dataclass(frozen=True, slots=True)
class Goto:
    """Go to a chain and do not come back."""

    chain: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """Look a concatenation up in a named verdict map."""

    selector: tuple[str, ...]
    map: str


@dataclass(frozen=True, slots=True)
class StateMap:
    """Decide by connection state: state -> chain to go to."""

    entries: tuple[tuple[str, str], ...]


Statement = Match | Counter | Log | Limit | Accept | Drop | Goto | Lookup | StateMap


@dataclass(frozen=True, slots=True)
class Rule:
    """Statements in order, and a comment that says whose rule it is."""

    statements: tuple[Statement, ...]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; with a base it is attached to a hook."""

    name: str
    rules: tuple[Rule, ...]
    base: Base | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """A key of a set or verdict map, counted in maps, with the conduit's id as comment.

    What we generate accepts and lasts; mutants and what is granted live may do otherwise.
    """

    key: tuple[str, ...]
    comment: str = ""
    verdict: str = "accept"  # in maps
    timeout_s: int | None = None


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set of keys."""

    name: str
    typeof: tuple[str, ...]
    elements: tuple[Element, ...]
    flags: tuple[str, ...] = ()  # "interval": keys may hold ranges


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """A map from keys to verdicts, whose every element counts and names its conduit."""

    name: str
    typeof: tuple[str, ...]
    elements: tuple[Element, ...]
    flags: tuple[str, ...] = ()  # "interval": keys may hold ranges; "timeout": elements may end by themselves


@dataclass(frozen=True, slots=True)
class Table:
    """The one table of a lab's fabric."""

    sets: tuple[NamedSet, ...]
    maps: tuple[VerdictMap, ...]
    chains: tuple[Chain, ...]
