"""What the kernel has loaded, read back: chains in their hooks, rules as conditions and verdicts on integer fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Field(Enum):
    """What a condition looks at; all but the interfaces are integers."""

    IIF = "iifname"
    OIF = "oifname"
    FAMILY = "nfproto"  # 4 or 6
    SOURCE = "saddr"
    DESTINATION = "daddr"
    PROTOCOL = "l4proto"
    SPORT = "sport"  # the first 16 bits after the IP header: with ICMP type and code
    DPORT = "dport"  # the second 16 bits
    FLAGS = "tcp flags"
    STATE = "ct state"  # model.packet.State


Part = tuple[int, int] | str  # an interval, both ends inclusive; of an interface its name, or `name*`


class Decision(StrEnum):
    """How a rule or an element ends."""

    ACCEPT = "accept"
    DROP = "drop"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and the chain it leads to."""

    decision: Decision
    chain: str = ""

    def __str__(self) -> str:
        return f"{self.decision.value} {self.chain}".rstrip()


@dataclass(frozen=True, slots=True)
class Entry:
    """An element of a set or verdict map."""

    key: tuple[Part, ...]
    verdict: Verdict | None = None
    comment: str = ""
    packets: int | None = None
    timeout_s: int | None = None
    expires_s: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """Holds if the fields, together, are in one of the entries; with `negated`, if in none.

    Whatever the entries say, it holds only for the family and protocol whose header is read.
    """

    fields: tuple[Field, ...]
    entries: tuple[Entry, ...]
    negated: bool = False
    family: int | None = None
    protocol: int | None = None
    name: str = ""  # of the named set or map
    is_map: bool = False  # the entry that holds decides


Step = Condition | Verdict


@dataclass(frozen=True, slots=True, eq=False)
class LoadedRule:
    """A rule: conditions, then perhaps a verdict; counters and log statements have no say."""

    handle: int
    steps: tuple[Step, ...]
    text: str
    comment: str = ""
    packets: int | None = None

    @property
    def place(self) -> str:
        """How to find it again."""
        return f"handle {self.handle}" if self.handle else "planned"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedChain:
    """A chain of a table; with a hook, a base chain."""

    family: str
    table: str
    name: str
    rules: tuple[LoadedRule, ...]
    hook: str = ""
    priority: int = 0
    policy: str = ""

    @property
    def path(self) -> str:
        """Its full name."""
        return f"{self.family} {self.table} {self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedMap:
    """A verdict map that a rule looks into, as that rule reads it."""

    name: str
    fields: tuple[Field, ...]
    family: int | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Everything nft lists."""

    tables: tuple[tuple[str, str], ...]  # family, name
    chains: tuple[LoadedChain, ...]
    maps: tuple[LoadedMap, ...]  # of the lab's own table
    unproved: tuple[str, ...] = ()  # what no proof can speak about: whole sentences
