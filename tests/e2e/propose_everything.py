"""Inside a node: propose every SOP class in every transfer syntax to a peer, one pair per presentation context.

    python3 propose_everything.py ADDRESS PORT CALLING CALLED [tls] < pairs.json

Reads [[abstract syntax, transfer syntax, whether with roles], ...], prints those accepted. Nothing of pacslab's here.
"""

import json
import ssl
import sys

from pynetdicom import AE, build_context, build_role

TLS = "/etc/pacslab/tls/"


def secure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(TLS + "ca.pem")
    context.load_cert_chain(TLS + "certificate.pem", TLS + "key.pem")
    return context


def main() -> None:
    address, port, calling, called, *rest = sys.argv[1:]
    pairs = json.load(sys.stdin)
    ae = AE(calling)
    ae.connection_timeout = ae.acse_timeout = ae.network_timeout = 10
    accepted = []
    # PS3.8 9.3.2.2: 128 contexts an association. A role belongs to an abstract syntax, so those with one go apart.
    for reversed_ in (False, True):
        group = [pair for pair in pairs if pair[2] is reversed_]
        for start in range(0, len(group), 128):
            some = group[start : start + 128]
            roles = (
                [build_role(uid, scu_role=True, scp_role=True) for uid in {pair[0] for pair in some}]
                if reversed_
                else []
            )
            association = ae.associate(
                address,
                int(port),
                [build_context(uid, [syntax]) for uid, syntax, _ in some],
                ae_title=called,
                ext_neg=roles,
                tls_args=(secure(), None) if rest == ["tls"] else None,
            )
            proposed = {2 * number + 1: pair for number, pair in enumerate(some)}
            accepted += [proposed[context.context_id] for context in association.accepted_contexts]
            if association.is_established:
                association.release()
            elif association.is_rejected:
                sys.exit("rejected")
    json.dump(accepted, sys.stdout)


main()
