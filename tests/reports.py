"""A small run of the minimal lab with every verdict, for the golden files of all reports."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from pacslab.model.lab import Origin
from pacslab.model.verdict import Accounting, Result, Run, Verdict

_ACQUIRE = Origin("zones/pacs-core.yaml", 61, 7)
OPEN = Result(
    "REACH-01",
    Verdict.PASS,
    "ct-1",
    "pacs",
    "dicom",
    "allowed by conduit acquire",
    "connected",
    evidence=("probe arrived", "receiver saw 198.18.10.10", "control reached it, answer syn-ack"),
    conduit="acquire",
    origin=_ACQUIRE,
    rule="element ct-1 . pacs . tcp . 11112 of map flows",
)
SHUT = Result(
    "REACH-02",
    Verdict.PASS,
    "vendor-1",
    "pacs",
    "dicom",
    "denied: no conduit",
    "dropped by the firewall (no-conduit)",
    evidence=("probe dropped", "control reached it, answer syn-ack"),
)
LEAK = Result(
    "REACH-02",
    Verdict.FAIL,
    "vendor-1",
    "ct-1",
    "22/tcp",
    "denied: no conduit",
    "reached the receiver, and answered SYN-ACK",
    evidence=("probe arrived", "receiver saw 198.18.60.11", "control reached it, answer syn-ack"),
    rule="forward rule 3: ip saddr 198.18.60.11 accept",
)
MISSING = Result(
    "LISTEN-02",
    Verdict.FAIL,
    "",
    "pacs",
    "http",
    "something listens on 8042/tcp",
    "nothing listens there",
    evidence=("read in the node's own network namespace",),
    origin=Origin("zones/pacs-core.yaml", 12, 5),
)
DOUBT = Result(
    "DICOM-01",
    Verdict.INCONCLUSIVE,
    "ct-1",
    "pacs",
    "dicom",
    "C-ECHO succeeds (conduit acquire)",
    "not tried",
    reason="ct-1's device gave no answer",
    conduit="acquire",
    origin=_ACQUIRE,
    attempts=2,
)
UNTRIED = Result(
    "DICOM-03",
    Verdict.SKIPPED,
    "ct-1",
    "pacs",
    "dicom",
    "C-FIND succeeds (conduit acquire)",
    "not tried",
    reason="no study was stored that could be asked for",
    conduit="acquire",
    origin=_ACQUIRE,
)
PROVED = Result("PROOF-05", Verdict.PASS, "", "", "", "No IPv6 passes in a lab that has none.", "proved")

AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def run(*results: Result, **changes: object) -> Run:
    """A run of these results."""
    made = Run(
        lab="minimal",
        posture="segmented",
        plan="a" * 64,
        ruleset="b" * 64,
        pacslab="0.1.0",
        engine="20.10.24",
        started=AT,
        finished=AT + dt.timedelta(seconds=3),
        suites=("reach", "listeners", "dicom", "proof"),
        results=results,
        accounting=Accounting(3, 2, 1, 0, 1, 0, 1.25),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


EVERY_VERDICT = run(
    OPEN, SHUT, replace(SHUT, source="ct-1", destination="vendor-1"), LEAK, MISSING, DOUBT, UNTRIED, PROVED
)
