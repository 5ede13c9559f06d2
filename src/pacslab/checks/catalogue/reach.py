"""Suite `reach`: which node reaches which, packet by packet."""

from __future__ import annotations

from pacslab.model.verdict import Check

REACH_ALLOWED = Check(
    "REACH-01",
    "reach",
    "A declared flow can be opened end to end, and the responder sees the initiator's own address.",
    ("CSF 2.0 PR.IR-01", "SP 800-53 AC-4", "IEC 62443-3-3 SR 5.1"),
)
REACH_DENIED = Check(
    "REACH-02",
    "reach",
    "What no flow permits does not reach the other node, and the firewall's own log accounts for it.",
    ("CSF 2.0 PR.IR-01", "SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2 RE1", "HICP 6.M.A"),
)
REACH_ACCOUNTED = Check(
    "REACH-03",
    "reach",
    "Every probe is accounted for: sent = arrived + dropped, and the firewall's counters advanced by what was dropped.",
    ("SP 800-53 AU-12", "CSF 2.0 DE.CM-01"),
)

CHECKS: tuple[Check, ...] = (
    REACH_ALLOWED,
    REACH_DENIED,
    REACH_ACCOUNTED,
)
