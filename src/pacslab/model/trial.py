"""What the host and the fabric say to each other about a trial: other rules for a moment, and what a sweep sees."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from pacslab.model.sweep import SweepReport, SweepRequest


@dataclass(frozen=True, slots=True)
class Lasting:
    """A conversation that the planned rules permit: it may outlive a trial."""

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    protocol: int
    first_port: int
    last_port: int


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """Load a ruleset, sweep, and put the planned one back, whatever happens."""

    ruleset: str  # nftables text, put in force for the time of the sweep
    planned: str  # nftables text, put back
    lasting: tuple[Lasting, ...]
    sweep: SweepRequest
    limit_s: float = 20.0  # after that the planned rules are put back, whether the sweep is done or not


@dataclass(frozen=True, slots=True)
class TrialReport:
    """The answer to a TrialRequest."""

    sweep: SweepReport
    listed: str  # JSON text: what nft listed while the trial's rules were in force
    open_s: float  # for how long they were
    cut: int  # conversations that began meanwhile, are not permitted, and were ended
    on_time: bool  # False: the guard had to put the planned rules back, so the sweep saw both
