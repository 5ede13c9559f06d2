"""Suite `reach`: which node reaches which, packet by packet."""

from __future__ import annotations

from types import MappingProxyType

from pacslab.model.probe import ProbeClass
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
REACH_PORTS = Check(
    "REACH-04",
    "reach",
    "No port beside the services' own, watched or not, over TCP, UDP or another protocol, reaches another node.",
    ("SP 800-53 CM-7", "SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2 RE1"),
)
REACH_ECHO = Check(
    "REACH-05",
    "reach",
    "No node can ping another.",
    ("SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2 RE1"),
)
REACH_IPV6 = Check(
    "REACH-06",
    "reach",
    "Where a node has no IPv6 it has no such address, and nothing sent over IPv6 reaches anybody.",
    ("SP 800-53 CM-7", "SP 800-53 SC-7(5)"),
)
REACH_SPOOFED = Check(
    "REACH-07",
    "reach",
    "A packet with any source address but the node's own is dropped for that reason where it enters.",
    ("SP 800-53 SC-7", "IEC 62443-3-3 SR 5.2"),
)
REACH_STATE = Check(
    "REACH-08",
    "reach",
    "A TCP segment of no conversation, or a damaged one, reaches nobody, not even at an open port.",
    ("SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2"),
)
REACH_REPLY = Check(
    "REACH-09",
    "reach",
    "The responder of a flow cannot open back to its initiator from its service's port.",
    ("SP 800-53 AC-4", "SP 800-53 SC-7(5)", "CSF 2.0 PR.IR-01"),
)
REACH_FRAGMENT = Check(
    "REACH-10",
    "reach",
    "What is denied in one piece is denied in fragments.",
    ("SP 800-53 SC-7", "IEC 62443-3-3 SR 5.2"),
)
REACH_UNASSIGNED = Check(
    "REACH-11",
    "reach",
    "A packet to an address that no node has reaches nobody.",
    ("SP 800-53 SC-7(5)", "SP 800-53 CM-8"),
)
REACH_FABRIC = Check(
    "REACH-12",
    "reach",
    "No node reaches the fabric's own addresses.",
    ("SP 800-53 SC-7(21)", "IEC 62443-3-3 SR 5.2"),
)
REACH_GROUPS = Check(
    "REACH-13",
    "reach",
    "Broadcast and multicast reach nobody.",
    ("SP 800-53 SC-7(5)", "IEC 62443-3-3 SR 5.2 RE1"),
)
REACH_ONE_CABLE = Check(
    "REACH-14",
    "reach",
    "A node hangs on one cable, so that its every packet passes the firewall.",
    ("SP 800-53 SC-7", "SP 800-53 CM-8", "IEC 62443-3-3 SR 5.1"),
)
REACH_SOURCE = Check(
    "REACH-15",
    "reach",
    "Every node took part as a source: it completed a flow of its own, or its cable carried packets both ways.",
    ("CSF 2.0 DE.CM-01",),
)
REACH_DESTINATION = Check(
    "REACH-16",
    "reach",
    "Every service answered a connection from its own node's namespace, so that a denial of it means something.",
    ("CSF 2.0 DE.CM-01",),
)

REACH_LAST_HOP = Check(
    "REACH-17",
    "reach",
    "The fabric answers nobody: a packet whose time to live ends there draws no ICMP error.",
    ("SP 800-53 SC-7(21)", "IEC 62443-3-3 SR 5.2"),
)
REACH_ERROR = Check(
    "REACH-18",
    "reach",
    "An ICMP error about an open conversation reaches its initiator if it is one that helps (destination unreachable, "
    "time exceeded, parameter problem), and no other does.",
    ("SP 800-53 AC-4", "SP 800-53 SC-7(5)", "CSF 2.0 PR.IR-01"),
)

CHECKS: tuple[Check, ...] = (
    REACH_ALLOWED,
    REACH_DENIED,
    REACH_ACCOUNTED,
    REACH_PORTS,
    REACH_ECHO,
    REACH_IPV6,
    REACH_SPOOFED,
    REACH_STATE,
    REACH_REPLY,
    REACH_FRAGMENT,
    REACH_UNASSIGNED,
    REACH_FABRIC,
    REACH_GROUPS,
    REACH_ONE_CABLE,
    REACH_SOURCE,
    REACH_DESTINATION,
    REACH_LAST_HOP,
    REACH_ERROR,
)

# Whether what is permitted works is REACH_ALLOWED's, of whatever class its probe is.
BY_CLASS: MappingProxyType[ProbeClass, Check] = MappingProxyType(
    {
        ProbeClass.SERVICE: REACH_DENIED,
        ProbeClass.TRANSPORT: REACH_PORTS,
        ProbeClass.BOUNDARY: REACH_PORTS,
        ProbeClass.WATCH: REACH_PORTS,
        ProbeClass.CANARY: REACH_PORTS,
        ProbeClass.PROTOCOL: REACH_PORTS,
        ProbeClass.ECHO: REACH_ECHO,
        ProbeClass.NO_IPV6: REACH_IPV6,
        ProbeClass.SPOOFED: REACH_SPOOFED,
        ProbeClass.ACK: REACH_STATE,
        ProbeClass.SYN_ACK: REACH_STATE,
        ProbeClass.FLAGS: REACH_STATE,
        ProbeClass.REPLY: REACH_REPLY,
        ProbeClass.FRAGMENT: REACH_FRAGMENT,
        ProbeClass.CHECKSUM: REACH_STATE,
        ProbeClass.ERROR: REACH_ERROR,
        ProbeClass.LAST_HOP: REACH_LAST_HOP,
        ProbeClass.UNASSIGNED: REACH_UNASSIGNED,
        ProbeClass.FABRIC: REACH_FABRIC,
        ProbeClass.BROADCAST: REACH_GROUPS,
        ProbeClass.MULTICAST: REACH_GROUPS,
    },
)
