"""Suite `proof`: what the loaded rules mean, without sending a packet."""

from __future__ import annotations

from pacslab.model.verdict import Check

PROOF_LEAK = Check(
    "PROOF-01",
    "proof",
    "The loaded ruleset lets no conversation begin that the policy does not permit, for any packet there can be.",
    ("CSF 2.0 PR.IR-01", "SP 800-53 AC-4", "SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2 RE1"),
)
PROOF_BLOCK = Check(
    "PROOF-02",
    "proof",
    "The loaded ruleset lets through everything the policy permits.",
    ("CSF 2.0 PR.IR-01", "SP 800-53 AC-4"),
)
PROOF_SPOOF = Check(
    "PROOF-03",
    "proof",
    "No cable carries any source address but its own node's.",
    ("SP 800-53 SC-7", "IEC 62443-3-3 SR 5.2"),
)
PROOF_STATE = Check(
    "PROOF-04",
    "proof",
    "What does not begin a conversation passes only as part of one that was let in.",
    ("SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2"),
)
PROOF_IPV6 = Check(
    "PROOF-05", "proof", "No IPv6 passes in a lab that has none.", ("SP 800-53 CM-7", "SP 800-53 SC-7(5)")
)
PROOF_FABRIC = Check(
    "PROOF-06",
    "proof",
    "The fabric itself accepts no packet and sends none.",
    ("SP 800-53 SC-7(21)", "IEC 62443-3-3 SR 5.2"),
)
PROOF_GRANT = Check(
    "PROOF-07",
    "proof",
    "What is open for a time is a conduit that waits for a grant, and nothing else.",
    ("CSF 2.0 PR.AA-05", "SP 800-53 MA-4", "SP 800-53 AC-17"),
)
PROOF_DROP = Check(
    "PROOF-08",
    "proof",
    "Every base chain of the ruleset is there and drops what no rule names.",
    ("SP 800-53 SC-7(5)", "SP 800-53 SC-7(18)", "IEC 62443-3-3 SR 5.2 RE1"),
)
PROOF_FOREIGN = Check(
    "PROOF-09",
    "proof",
    "Nothing but the generated table is loaded in the fabric.",
    ("SP 800-53 CM-7", "SP 800-53 CA-9", "CSF 2.0 PR.PS-04"),
)
PROOF_UNREACHED = Check("PROOF-10", "proof", "Every rule and element can be met by some packet.", ("SP 800-53 CM-7",))
PROOF_RADIUS = Check(
    "PROOF-11",
    "proof",
    "Each conduit opens its own pairs of nodes, and is counted for no other.",
    ("CSF 2.0 ID.AM-03", "SP 800-53 AC-4"),
)
PROOF_WIRING = Check(
    "PROOF-12",
    "proof",
    "Cables, addresses, routes and sysctls are as planned, so that every packet meets the rules that were proved.",
    ("SP 800-53 CM-6", "IEC 62443-3-3 SR 5.1"),
)

CHECKS: tuple[Check, ...] = (
    PROOF_LEAK,
    PROOF_BLOCK,
    PROOF_SPOOF,
    PROOF_STATE,
    PROOF_IPV6,
    PROOF_FABRIC,
    PROOF_GRANT,
    PROOF_DROP,
    PROOF_FOREIGN,
    PROOF_UNREACHED,
    PROOF_RADIUS,
    PROOF_WIRING,
)
