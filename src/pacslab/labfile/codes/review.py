"""Codes of what reviewers ask: reasons, dates, limits and clear text."""

from __future__ import annotations

from pacslab.errors import Severity
from pacslab.labfile.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "thin-reason",
        "A conduit's reason is one word.",
        "images.yaml",
        "    why: The archive keeps its index in the database.\n",
        "    why: Index\n",
        Severity.WARNING,
    ),
    Code(
        "expired-conduit",
        "A conduit's last day has passed.",
        "scanners.yaml",
        "    until: 2027-12-31\n",
        "    until: 2020-12-31\n",
    ),
    Code(
        "expiring-conduit",
        "A conduit's last day is within 30 days. (Seen on 2027-01-01.)",
        "scanners.yaml",
        "    until: 2027-12-31\n",
        "    until: 2027-01-31\n",
        Severity.WARNING,
    ),
    Code(
        "grant-without-limit",
        "A conduit that is granted could stay open for ever.",
        "scanners.yaml",
        "    for: 30m\n",
        "",
    ),
    Code(
        "limit-without-grant",
        "A conduit that is always open limits its grants.",
        "scanners.yaml",
        "    granted: true\n",
        "",
    ),
    Code(
        "clear-text",
        "A conduit speaks DICOM, HTTP or HL7 without TLS, and nobody says why that is tolerable.",
        "images.yaml",
        "    clear_text: Both ends stand in one rack.\n",
        "",
        Severity.WARNING,
    ),
)
