"""Plan -> what its application entities and DICOMweb services say of themselves: a conformance statement as a value."""

from __future__ import annotations

from dataclasses import dataclass

from pacslab.model.dicom import DIMSE_APPLICATIONS, TLS_APPLICATIONS, Application, Operation
from pacslab.model.plan import Flow, Plan, PlannedNode
from pacslab.model.registry import Uid
from pacslab.model.sop import ACCEPTED, ACCEPTS_ALL, ACQUIRED, LIMITS, PROPOSED, Limits, Offer, offers

_WEB = frozenset({Application.HTTP, Application.HTTPS})
_WEB_OPERATIONS = (Operation.QIDO_RS, Operation.WADO_RS, Operation.STOW_RS)


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of an association, and what is asked on it."""

    node: str
    ae_title: str
    address: str
    port: int  # where it listens, or where it is listened for it
    secure: bool
    operations: tuple[Operation, ...]
    why: str  # the conduit


@dataclass(frozen=True, slots=True)
class Entity:
    """An application entity: a node with an AE title."""

    node: str
    zone: str
    kind: str
    ae_title: str
    address: str
    addresses6: tuple[str, ...]
    listens: tuple[tuple[int, bool], ...]  # port, whether with TLS
    limits: Limits
    initiates: tuple[Peer, ...]
    accepts: tuple[Peer, ...]
    proposed: tuple[Offer, ...]
    accepted: tuple[Offer, ...]
    acquires: tuple[str, ...]  # SOP classes it makes, as UIDs

    @property
    def accepts_all(self) -> bool:
        """Whether it accepts every context from every peer, and refuses by the command instead."""
        return self.kind in ACCEPTS_ALL


@dataclass(frozen=True, slots=True)
class WebService:
    """A DICOMweb conversation."""

    user_agent: str
    origin_server: str
    url: str
    secure: bool
    operations: tuple[Operation, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A lab's DICOM conformance."""

    lab: str
    title: str
    plan: str  # digest
    entities: tuple[Entity, ...]
    web: tuple[WebService, ...]


def statement(plan: Plan, node: str = "") -> Statement:
    """Say what a plan's nodes speak of DICOM; of one node only, if it is named."""
    spoken = [found for found in plan.nodes if node in {"", found.name, found.path}]
    names = {found.name for found in spoken}
    entities = tuple(_entity(plan, found) for found in spoken if found.ae_title and found.kind in LIMITS)
    web = (_web(plan, flow) for flow in _flows(plan, _WEB) if names & {flow.source, flow.destination})
    return Statement(plan.lab, plan.title, plan.digest, entities, tuple(web))


def _flows(plan: Plan, applications: frozenset[Application]) -> list[Flow]:
    return [flow for flow in plan.flows if flow.application in applications and flow.destination_address.version == 4]


def _entity(plan: Plan, node: PlannedNode) -> Entity:
    flows = _flows(plan, DIMSE_APPLICATIONS)
    out = [flow for flow in flows if flow.source == node.name]
    into = [flow for flow in flows if flow.destination == node.name]
    asks, asked = _operations(out), _operations(into)
    every = tuple(Operation) if node.kind in ACCEPTS_ALL else asked
    makes = next((setting.values for setting in node.settings if setting.name == "modality"), ())
    return Entity(
        node=node.name,
        zone=node.zone,
        kind=node.kind,
        ae_title=node.ae_title or "",
        address=str(node.address),
        addresses6=(str(node.address6),) if node.address6 else (),
        listens=tuple(
            (service.port, service.application in TLS_APPLICATIONS)
            for service in node.services
            if service.application in DIMSE_APPLICATIONS
        ),
        limits=LIMITS[node.kind],
        initiates=tuple(_peer(plan, flow, flow.destination) for flow in out),
        accepts=tuple(_peer(plan, flow, flow.source) for flow in into),
        proposed=offers(PROPOSED, node.kind, asks),
        accepted=offers(ACCEPTED, node.kind, every) if into else (),
        acquires=ACQUIRED.get("".join(makes), ()),
    )


def _operations(flows: list[Flow]) -> tuple[Operation, ...]:
    asked = {operation for flow in flows for operation in flow.operations}
    return tuple(operation for operation in Operation if operation in asked)


def _peer(plan: Plan, flow: Flow, name: str) -> Peer:
    node = plan.node(name)
    return Peer(
        node=name,
        ae_title=node.ae_title or "",
        address=str(node.address),
        port=flow.port,
        secure=flow.application in TLS_APPLICATIONS,
        operations=flow.operations,
        why=flow.conduit,
    )


def _web(plan: Plan, flow: Flow) -> WebService:
    secure = flow.application in TLS_APPLICATIONS
    address = plan.node(flow.destination).address
    return WebService(
        user_agent=flow.source,
        origin_server=flow.destination,
        url=f"{'https' if secure else 'http'}://{address}:{flow.port}/dicom-web/",
        secure=secure,
        operations=tuple(operation for operation in _WEB_OPERATIONS if operation in flow.operations),
        why=flow.conduit,
    )


def contexts(offered: tuple[Offer, ...]) -> frozenset[tuple[str, str]]:
    """Every pair of abstract and transfer syntax that these offers hold, as UIDs."""
    return frozenset(
        (sop.uid, syntax.uid) for offer in offered for sop in offer.sop_classes for syntax in offer.transfer_syntaxes
    )


def names(uids: tuple[str, ...], known: tuple[Uid, ...]) -> list[str]:
    """The names of UIDs."""
    table = {uid.uid: uid.name for uid in known}
    return [table.get(uid, uid) for uid in uids]
