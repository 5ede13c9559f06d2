"""Conformance statement -> the document that PS3.2 lays down: overview, networking, media, character sets, security."""

from __future__ import annotations

from collections.abc import Iterable

from pacslab.model.dicom import Operation
from pacslab.model.registry import OTHER_STORAGE, STORAGE, Uid
from pacslab.model.sop import Offer
from pacslab.report.conformance import Entity, Peer, Statement, names
from pacslab.report.document import Block, Diagram, Heading, Paragraph, Table

_MANY = 6  # more SOP classes or transfer syntaxes than this stand in an annex

# PS3.4: who is the SCU and who the SCP does not depend on who opens the association.
SERVICES = {
    Operation.C_ECHO: "Verification",
    Operation.C_STORE: "Storage",
    Operation.C_FIND: "Query/Retrieve: find",
    Operation.C_MOVE: "Query/Retrieve: move",
    Operation.C_GET: "Query/Retrieve: get",
    Operation.C_FIND_MWL: "Modality Worklist",
    Operation.N_CREATE_MPPS: "Modality Performed Procedure Step: create",
    Operation.N_SET_MPPS: "Modality Performed Procedure Step: set",
    Operation.N_ACTION_STGCMT: "Storage Commitment: request",
    Operation.N_EVENT_REPORT_STGCMT: "Storage Commitment: result",
}
_DUTIES = {
    "modality": "acquires synthetic images from worklist entries, stores them, has their storage committed and "
    "reports the procedure's progress",
    "workstation": "finds studies, has them delivered and keeps what is delivered to it as it came",
    "ris": "makes worklist entries of the orders it gets by HL7, and keeps performed procedure steps",
    "orthanc": "stores instances, answers queries, delivers, commits, and sends complete studies on",
}


def document(stated: Statement) -> tuple[Block, ...]:
    """Lay out a statement as PS3.2 Annex A does; the numbers of the sections are its numbers."""
    annex = _Annex()
    body = [
        *_overview(stated),
        *_introduction(stated),
        Heading(2, "4 Networking"),
        *_model(stated),
        Heading(3, "4.2 AE specifications"),
        *(block for n, entity in enumerate(stated.entities, 1) for block in _entity(entity, f"4.2.{n}", annex)),
        *_web(stated),
        *_interfaces(stated),
        *_configuration(stated),
        *_rest(stated),
        *annex.blocks(),
    ]
    return (Heading(1, f"DICOM conformance statement: {stated.title}"), *body)


class _Annex:
    """Lists too long for the place where they belong; each list once."""

    def __init__(self) -> None:
        self._lists: dict[tuple[Uid, ...], str] = {}

    def cite(self, uids: tuple[Uid, ...], what: str) -> str:
        if len(uids) <= _MANY:
            return ", ".join(uid.name for uid in uids)
        title = self._lists.setdefault(uids, f"8.{7 + len(self._lists)} {what} ({len(uids)})")
        return f"see {title}"

    def blocks(self) -> Iterable[Block]:
        for uids, title in self._lists.items():
            yield Heading(3, title)
            yield Table(("name", "UID"), tuple((uid.name, uid.uid) for uid in uids))


def _overview(stated: Statement) -> Iterable[Block]:
    yield Heading(2, "1 Conformance statement overview")
    yield Paragraph(
        f"Lab `{stated.lab}` holds {len(stated.entities)} application entities of simulated devices and real archives. "
        "Patients and images are synthetic; nothing here is a medical device. The statement is generated from the "
        "plan from which the lab itself is built."
    )
    rows = [
        (entity.ae_title, SERVICES[operation], _role(operation, opener=True), "requestor")
        for entity in stated.entities
        for operation in _asked(entity.initiates)
    ] + [
        (entity.ae_title, SERVICES[operation], _role(operation, opener=False), "acceptor")
        for entity in stated.entities
        for operation in _asked(entity.accepts)
    ]
    place = {entity.ae_title: n for n, entity in enumerate(stated.entities)}
    yield Table(
        ("AE title", "network service", "role", "association"), tuple(sorted(rows, key=lambda row: place[row[0]]))
    )


def _role(operation: Operation, *, opener: bool) -> str:
    reversed_ = operation is Operation.N_EVENT_REPORT_STGCMT
    return "SCU" if opener is not reversed_ else "SCP"


def _asked(peers: tuple[Peer, ...]) -> list[Operation]:
    asked = {operation for peer in peers for operation in peer.operations}
    return [operation for operation in SERVICES if operation in asked]


def _introduction(stated: Statement) -> Iterable[Block]:
    kinds = sorted({entity.kind for entity in stated.entities})
    yield Heading(2, "2 Table of contents")
    yield Paragraph("The sections are numbered as in DICOM PS3.2 Annex A.")
    yield Heading(2, "3 Introduction")
    yield Paragraph(
        "For those who connect a device to the lab, or compare one with it. Conformance alone does not make two "
        "systems work together: AE titles, addresses, certificates and the firewall's policy must agree as well."
    )
    yield Paragraph(
        f"Kinds of nodes: {', '.join(kinds)}. AE: application entity. SCU, SCP: service class user and provider. "
        "References: DICOM PS3 (2024e), BCP 195 (RFC 8996, RFC 9325), IHE Radiology Technical Framework."
    )


def _model(stated: Statement) -> Iterable[Block]:
    yield Heading(3, "4.1 Implementation model")
    yield Heading(4, "4.1.1 Application data flow")
    yield Paragraph("Each line is an association: who opens it, to whom, for what.")
    lines = [
        f"{entity.ae_title:>16} --> {peer.ae_title or peer.node:<16} {', '.join(peer.operations)}"
        for entity in stated.entities
        for peer in entity.initiates
    ]
    shown = {entity.ae_title for entity in stated.entities}
    lines += [
        f"{peer.ae_title or peer.node:>16} --> {entity.ae_title:<16} {', '.join(peer.operations)}"
        for entity in stated.entities
        for peer in entity.accepts
        if peer.ae_title not in shown
    ]
    yield Diagram("\n".join(lines) or "none")
    yield Heading(4, "4.1.2 Functional definition of AEs")
    yield Table(
        ("AE title", "node", "implementation", "what it does"),
        tuple((e.ae_title, f"{e.zone}/{e.node}", e.limits.implementation, _DUTIES[e.kind]) for e in stated.entities),
    )
    yield Heading(4, "4.1.3 Sequencing of real-world activities")
    yield Paragraph(
        "Order (HL7), worklist query, MPPS in progress, storage, storage commitment requested, its result on an "
        "association of the archive's own, MPPS completed, query and delivery to the workstation."
    )


def _entity(entity: Entity, number: str, annex: _Annex) -> Iterable[Block]:
    limits = entity.limits
    yield Heading(4, f"{number} {entity.ae_title}")
    yield Heading(5, f"{number}.1 SOP classes")
    rows = [(SERVICES[o.operation], _classes(o, annex), _role(o.operation, opener=True)) for o in entity.proposed]
    permitted = _asked(entity.accepts)
    rows += [
        (SERVICES[o.operation], _classes(o, annex), _role(o.operation, opener=False))
        for o in entity.accepted
        if o.operation in permitted
    ]
    yield Table(("service", "SOP classes", "role"), tuple(dict.fromkeys(rows)))
    if entity.acquires:
        made = ", ".join(names(entity.acquires, (*STORAGE, *OTHER_STORAGE)))
        yield Paragraph(f"It makes instances of {made}, in Explicit VR Little Endian.")
    yield Heading(5, f"{number}.2 Association policies")
    at_a_time = f"at most {limits.associations_max}" if limits.associations_max else "no limit of its own"
    yield Table(
        ("policy", "value"),
        (
            ("application context name", "1.2.840.10008.3.1.1.1"),
            ("maximum PDU size", f"{limits.max_pdu_bytes} bytes"),
            ("associations as acceptor at a time", at_a_time),
            ("asynchronous operations window", "none: one operation at a time"),
            ("implementation class UID", limits.class_uid),
            ("implementation version name", limits.version_name),
            ("an idle association ends after", f"{limits.idle_timeout_s} s"),
            ("an answer is waited for", f"{limits.answer_timeout_s} s; longer for storage and retrieval"),
        ),
    )
    yield Heading(5, f"{number}.3 Association initiation policy")
    yield from _initiation(entity, annex)
    yield Heading(5, f"{number}.4 Association acceptance policy")
    yield from _acceptance(entity, annex)


def _classes(offer: Offer, annex: _Annex) -> str:
    return annex.cite(offer.sop_classes, "Storage SOP classes") or offer.note


def _initiation(entity: Entity, annex: _Annex) -> Iterable[Block]:
    if not entity.initiates:
        yield Paragraph("It opens no associations.")
        return
    yield Table(("to", "address", "security", "for", "conduit"), tuple(_line(peer) for peer in entity.initiates))
    yield Paragraph("Presentation contexts proposed:")
    yield _contexts(entity.proposed, annex, opener=True)


def _acceptance(entity: Entity, annex: _Annex) -> Iterable[Block]:
    if not entity.accepts:
        yield Paragraph("No peer may open an association to it.")
        return
    yield Paragraph(
        "An association is accepted if calling AE title and address belong to one of these peers and the called AE "
        "title is its own; any other is rejected (A-ASSOCIATE-RJ 1/1/3 or 1/1/7)."
    )
    yield Table(
        ("from", "address", "security", "may ask", "conduit"), tuple(_line(p, port=False) for p in entity.accepts)
    )
    if entity.accepts_all:
        yield Paragraph(
            "Presentation contexts accepted from each of these peers; a command that the peer may not give is "
            "answered with A-ABORT:"
        )
    else:
        yield Paragraph("Presentation contexts accepted, of each peer those of what it may ask:")
    yield _contexts(entity.accepted, annex, opener=False)


def _line(peer: Peer, *, port: bool = True) -> tuple[str, ...]:
    address = f"{peer.address}:{peer.port}" if port else peer.address
    return peer.ae_title or peer.node, address, _security(peer.secure), ", ".join(peer.operations), peer.why


def _security(secure: bool) -> str:
    return "TLS, both sides with a certificate" if secure else "none: clear text"


def _contexts(offered: tuple[Offer, ...], annex: _Annex, *, opener: bool) -> Table:
    rows = []
    for offer in offered:
        negotiated = "SCP/SCU role selection" if offer.roles_reversed else "none"
        role = _role(offer.operation, opener=opener)
        if not offer.sop_classes:
            rows.append((offer.note, "", "", role, negotiated))
            continue
        syntaxes = annex.cite(offer.transfer_syntaxes, "Transfer syntaxes")
        if offer.note:
            negotiated = f"{offer.note} (role selection)"
        if len(offer.sop_classes) > _MANY:
            rows.append((_classes(offer, annex), "", syntaxes, role, negotiated))
        else:
            rows += [(sop.name, sop.uid, syntaxes, role, negotiated) for sop in offer.sop_classes]
    return Table(
        ("abstract syntax", "UID", "transfer syntaxes", "role", "extended negotiation"), tuple(dict.fromkeys(rows))
    )


def _web(stated: Statement) -> Iterable[Block]:
    if not stated.web:
        return
    yield Heading(4, f"4.2.{len(stated.entities) + 1} DICOMweb services")
    yield Paragraph("DICOM PS3.18; media types as of Orthanc's DICOMweb plugin: `application/dicom+json`, "
                    "`multipart/related` with `application/dicom`.")  # fmt: skip
    yield Table(
        ("user agent", "origin server", "base URI", "security", "services", "conduit"),
        tuple(
            (web.user_agent, web.origin_server, web.url, _security(web.secure), ", ".join(web.operations), web.why)
            for web in stated.web
        ),
    )


def _interfaces(stated: Statement) -> Iterable[Block]:
    six = any(entity.addresses6 for entity in stated.entities)
    yield Heading(3, "4.3 Network interfaces")
    yield Paragraph(
        "Each node has one interface, on a cable of its own that ends in the lab's firewall (Ethernet, MTU 1500). "
        "TCP/IP as in PS3.8. Peers are addressed by number: no DNS, no DHCP, no LDAP configuration."
    )
    yield Paragraph("IPv4 and IPv6 are both supported." if six else "IPv4; no node of this lab has an IPv6 address.")


def _configuration(stated: Statement) -> Iterable[Block]:
    yield Heading(3, "4.4 Configuration")
    yield Heading(4, "4.4.1 AE title and presentation address mapping")
    rows = [
        (entity.ae_title, entity.node, address, str(port), _security(secure))
        for entity in stated.entities
        for address in (entity.address, *entity.addresses6)
        for port, secure in entity.listens
    ]
    yield Table(("AE title", "node", "address", "port", "security"), tuple(rows))
    yield Heading(4, "4.4.2 Parameters")
    yield Paragraph(
        "AE titles, ports, peers and what each may ask are set in the zone files and in nothing else; the nodes' own "
        "configuration is generated from them and cannot be changed in place."
    )


def _rest(stated: Statement) -> Iterable[Block]:
    secure = any(secure for entity in stated.entities for _, secure in entity.listens)
    yield Heading(2, "5 Media interchange")
    yield Paragraph("None: no application entity reads or writes DICOM media.")
    yield Heading(2, "6 Support of character sets")
    yield Paragraph(
        "Worklist answers, performed procedure steps and acquired instances are written in Unicode UTF-8 "
        "(ISO_IR 192). Queries may come in any character set of PS3.3 C.12.1.1.2. Archives and the workstation store "
        "instances undecoded, in the character set that they have."
    )
    yield Heading(2, "7 Security")
    yield Heading(3, "7.1 Security profiles")
    yield Paragraph(
        "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12): TLS 1.2 with ECDHE and "
        "AES-GCM, or TLS 1.3; both sides show a certificate of the lab's own authority (X.509 v3, ECDSA P-256)."
        if secure
        else "None: in this lab DICOM associations are in clear text; the firewall ties each address to a cable."
    )
    yield Heading(3, "7.2 Association level security")
    yield Paragraph(
        "Calling AE title and address must belong together, and the called AE title must be right. Where there is "
        "TLS, our own devices also bind the certificate to the caller; Orthanc accepts any certificate of the lab's "
        "authority under any known AE title. The firewall lets each peer reach the ports of its conduits only."
    )
    yield Heading(3, "7.3 Application level security")
    yield Paragraph("Each peer may give the commands of its conduits only. No user identity is negotiated.")
    yield Heading(2, "8 Annexes")
    for number, title, text in (
        (1, "IOD contents", "Acquired instances hold the mandatory modules of their IOD (PS3.3 A)."),
        (2, "Data dictionary of private attributes", "None."),
        (3, "Coded terminology and templates", "Procedure codes of an order, in its own coding scheme."),
        (4, "Grayscale image consistency", "Not supported: nothing is displayed by an application entity."),
        (5, "Standard extended, specialized and private SOP classes", "None."),
        (6, "Private transfer syntaxes", "None."),
    ):  # fmt: skip
        yield Heading(3, f"8.{number} {title}")
        yield Paragraph(text)
