"""The kernel's own count of IPv6 packets that it threw away on a cable because it does not speak IPv6 there."""

from __future__ import annotations

from pathlib import Path

# net/ipv6/ip6_input.c: what comes in on a link with disable_ipv6=1 is counted here, before any rule sees it.
_COUNTER = "Ip6InDiscards"


def discards(interface: str) -> int:
    """How many IPv6 packets that came in on an interface of this namespace were discarded so far."""
    file = Path("/proc/thread-self/net/dev_snmp6", interface)
    if not file.exists():
        return 0
    for line in file.read_text(encoding="ascii").splitlines():
        name, value = line.split()
        if name == _COUNTER:
            return int(value)
    return 0
