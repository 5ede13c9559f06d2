"""What a proof says: equal, or where the loaded ruleset and the policy differ, each with a packet that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pacslab.model.lab import Origin
from pacslab.model.packet import Packet


class Flaw(StrEnum):
    """In which way a loaded ruleset is not the policy."""

    LEAK = "leak"  # allowed, not in the policy
    BLOCK = "block"  # in the policy, not allowed
    SPOOF = "spoof"  # a source address passes that is not the cable's own
    STATE = "state"  # passes without being, or belonging to, a conversation that was let in
    IPV6 = "ipv6"  # IPv6 passes where the zone has none
    FABRIC = "fabric"  # the fabric itself can be reached, or speaks
    GRANT = "grant"  # open for a time, and no conduit that waits for a grant says so
    NO_DROP = "no-drop"  # a base chain lets through what none of its rules names
    FOREIGN = "foreign"  # a table or chain that pacslab did not make
    UNREACHED = "unreached"  # a rule or element that no packet can ever meet
    LABEL = "label"  # an element names another conduit than the one it opens


# The rest may be wrong with a ruleset whose every packet still ends as the policy says.
OF_MEANING = frozenset({Flaw.LEAK, Flaw.BLOCK, Flaw.SPOOF, Flaw.STATE, Flaw.IPV6, Flaw.FABRIC, Flaw.GRANT})


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference in words of nodes and services, with its witness."""

    flaw: Flaw
    effect: str  # "opens vendor-1 -> pacs:2762"
    source: str = ""  # node
    destination: str = ""  # node
    service: str = ""
    witness: Packet | None = None
    rule: str = ""  # what decided the witness
    conduit: str = ""
    origin: Origin | None = None  # the line that should have decided it


@dataclass(frozen=True, slots=True)
class Opening:
    """What one conduit opens: its blast radius."""

    conduit: str
    pairs: tuple[tuple[str, str], ...]  # nodes, initiating first
    packets: int  # conversations counted
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """The answer: the packets that get through are those of the policy, or not."""

    differences: tuple[Difference, ...]
    openings: tuple[Opening, ...]
    granted: tuple[tuple[str, str, int], ...]  # conduit, "a -> b:22", seconds left
    accepted_boxes: int
    more: int = 0  # differences beyond those listed
    elapsed_s: float = 0.0

    @property
    def equal(self) -> bool:
        """Whether every packet ends as the policy says."""
        return not any(difference.flaw in OF_MEANING for difference in self.differences)

    @property
    def sound(self) -> bool:
        """Whether, besides, nothing is loaded that pacslab would not have made."""
        return not self.differences

    def of(self, *flaws: Flaw) -> tuple[Difference, ...]:
        """The differences of these kinds."""
        return tuple(d for d in self.differences if d.flaw in flaws)
