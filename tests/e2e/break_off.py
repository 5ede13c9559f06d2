"""`python break_off.py FILE CERTIFICATE KEY CA`, behind ct-1's cable: a C-STORE to pacs that ends inside the image."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.pdu_primitives import P_DATA

PACS = ("198.18.20.10", 2762)


def break_off(file: Path, certificate: str, key: str, ca: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(ca)
    context.check_hostname = False
    image = dcmread(file)
    entity = AE(ae_title="CT1")
    entity.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
    association = entity.associate(*PACS, ae_title="PACS", tls_args=(context, "pacs"))
    assert association.is_established
    sent = 0
    send = association.dul.send_pdu

    def send_some(primitive: object) -> None:
        nonlocal sent
        sent += isinstance(primitive, P_DATA)
        if sent > 4:  # the command, and some of the data set
            association.dul.socket.close()
            return
        send(primitive)

    association.dul.send_pdu = send_some
    association.send_c_store(image)
    assert sent > 4


if __name__ == "__main__":
    break_off(Path(sys.argv[1]), *sys.argv[2:])
