"""What may be spoken: applications, the operations each one has, and the AE title's shape."""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType

AE_TITLE_MAX_CHARS = 16  # PS3.5 6.2: value representation AE

# PS3.5 6.2: default repertoire without backslash and control characters; pacslab also refuses what breaks in
# configuration files and in comparisons (leading or trailing spaces are not significant, so none are allowed).
AE_TITLE = re.compile(r"^(?! )[ !#-\[\]-~]{1,16}(?<! )$")

# PS3.5 9.1: a UID is at most 64 characters of digits and dots. Also guards file names made from UIDs.
UID = re.compile(r"^[0-9]+(\.[0-9]+)*$")
UID_MAX_CHARS = 64


class Protocol(StrEnum):
    """Transport protocol of a service."""

    TCP = "tcp"
    UDP = "udp"


class Application(StrEnum):
    """What is spoken over a service."""

    DICOM = "dicom"
    DICOM_TLS = "dicom-tls"
    HTTP = "http"
    HTTPS = "https"
    HL7 = "hl7"
    HL7_TLS = "hl7-tls"
    POSTGRES = "postgres"
    SSH = "ssh"
    OTHER = "other"  # declared by the lab's writer: ports and nothing more is known of it


class Operation(StrEnum):
    """What may be done over a service."""

    C_ECHO = "C-ECHO"  # PS3.7 9.1.5
    C_STORE = "C-STORE"  # PS3.7 9.1.1
    C_FIND = "C-FIND"  # PS3.4 C.4.1
    C_FIND_MWL = "C-FIND-MWL"  # PS3.4 K
    C_MOVE = "C-MOVE"  # PS3.4 C.4.2
    C_GET = "C-GET"  # PS3.4 C.4.3
    N_CREATE_MPPS = "N-CREATE-MPPS"  # PS3.4 F
    N_SET_MPPS = "N-SET-MPPS"  # PS3.4 F
    N_ACTION_STGCMT = "N-ACTION-STGCMT"  # PS3.4 J
    N_EVENT_REPORT_STGCMT = "N-EVENT-REPORT-STGCMT"  # PS3.4 J
    QIDO_RS = "QIDO-RS"  # PS3.18 10.6
    WADO_RS = "WADO-RS"  # PS3.18 10.4
    STOW_RS = "STOW-RS"  # PS3.18 10.5
    ADT_A01 = "ADT^A01"  # HL7 v2 3.3.1
    ADT_A08 = "ADT^A08"  # HL7 v2 3.3.8
    ADT_A40 = "ADT^A40"  # HL7 v2 3.3.40
    ORM_O01 = "ORM^O01"  # HL7 v2 4.4.1
    ORU_R01 = "ORU^R01"  # HL7 v2 7.3.1


_DIMSE = (
    Operation.C_ECHO,
    Operation.C_STORE,
    Operation.C_FIND,
    Operation.C_FIND_MWL,
    Operation.C_MOVE,
    Operation.C_GET,
    Operation.N_CREATE_MPPS,
    Operation.N_SET_MPPS,
    Operation.N_ACTION_STGCMT,
    Operation.N_EVENT_REPORT_STGCMT,
)
_DICOMWEB = (Operation.QIDO_RS, Operation.WADO_RS, Operation.STOW_RS)
_HL7 = (Operation.ADT_A01, Operation.ADT_A08, Operation.ADT_A40, Operation.ORM_O01, Operation.ORU_R01)

OPERATIONS: MappingProxyType[Application, tuple[Operation, ...]] = MappingProxyType(
    {
        Application.DICOM: _DIMSE,
        Application.DICOM_TLS: _DIMSE,
        Application.HTTP: _DICOMWEB,
        Application.HTTPS: _DICOMWEB,
        Application.HL7: _HL7,
        Application.HL7_TLS: _HL7,
        Application.POSTGRES: (),
        Application.SSH: (),
        Application.OTHER: (),
    },
)

CLEAR_TEXT = frozenset({Application.DICOM, Application.HTTP, Application.HL7})
DIMSE_APPLICATIONS = frozenset({Application.DICOM, Application.DICOM_TLS})
TLS_APPLICATIONS = frozenset({Application.DICOM_TLS, Application.HTTPS, Application.HL7_TLS})
# Whoever listens or calls with one of these shows a certificate; PostgreSQL speaks TLS behind a greeting of its own.
CERTIFICATE_APPLICATIONS = TLS_APPLICATIONS | {Application.POSTGRES}


def is_uid(text: str) -> bool:
    """Say whether `text` is a DICOM UID (PS3.5 9.1), and so is safe as part of a file name."""
    return len(text) <= UID_MAX_CHARS and UID.fullmatch(text) is not None
