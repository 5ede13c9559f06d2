"""Every check pacslab makes: id, the requirement in one sentence, and what it answers to."""

from __future__ import annotations

from types import MappingProxyType

from pacslab.model.dicom import Operation
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
DICOM_ECHO = Check(
    "DICOM-01", "dicom", "A declared C-ECHO succeeds from the initiator's own seat.", ("PS3.7 9.1.5", "PS3.4 A")
)
DICOM_STORE = Check(
    "DICOM-02", "dicom", "A declared C-STORE stores an image from the initiator's own seat.", ("PS3.4 B", "IHE RAD-8")
)
DICOM_FIND = Check(
    "DICOM-03",
    "dicom",
    "A declared C-FIND finds a stored study from the initiator's own seat.",
    ("PS3.4 C.4.1", "IHE RAD-14"),
)
DICOM_MOVE = Check(
    "DICOM-04", "dicom", "A declared C-MOVE delivers a stored study to the initiator.", ("PS3.4 C.4.2", "IHE RAD-16")
)
DICOM_GET = Check(
    "DICOM-05", "dicom", "A declared C-GET recalls a stored study over the same association.", ("PS3.4 C.4.3",)
)
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

CATALOGUE: tuple[Check, ...] = (
    REACH_ALLOWED,
    REACH_DENIED,
    REACH_ACCOUNTED,
    DICOM_ECHO,
    DICOM_STORE,
    DICOM_FIND,
    DICOM_MOVE,
    DICOM_GET,
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

BY_OPERATION: MappingProxyType[Operation, Check] = MappingProxyType(
    {
        Operation.C_ECHO: DICOM_ECHO,
        Operation.C_STORE: DICOM_STORE,
        Operation.C_FIND: DICOM_FIND,
        Operation.C_MOVE: DICOM_MOVE,
        Operation.C_GET: DICOM_GET,
    },
)

SUITES: tuple[str, ...] = tuple(dict.fromkeys(check.suite for check in CATALOGUE))


def check(identity: str) -> Check:
    """The check of that id.

    Raises:
        KeyError: There is none.
    """
    for entry in CATALOGUE:
        if entry.id == identity:
            return entry
    raise KeyError(identity)
