"""Suite `listeners`: what waits for connections in each node, beside what its manifest says."""

from __future__ import annotations

from pacslab.model.verdict import Check

LISTEN_EXTRA = Check(
    "LISTEN-01",
    "listeners",
    "Every TCP or UDP socket that waits in a node belongs to a service of its manifest, or to loopback only.",
    ("SP 800-53 CM-7", "SP 800-53 CM-8", "CSF 2.0 ID.AM-03"),
)
LISTEN_MISSING = Check(
    "LISTEN-02",
    "listeners",
    "Every service of a node's manifest listens, on an address that other nodes can reach.",
    ("SP 800-53 CM-8", "CSF 2.0 ID.AM-03"),
)

CHECKS: tuple[Check, ...] = (LISTEN_EXTRA, LISTEN_MISSING)
