"""Plan -> who plays which role in a radiology day, found by kinds, flows and operations, or which role is missing."""

from __future__ import annotations

from dataclasses import dataclass

from pacslab.model.dicom import Operation
from pacslab.model.plan import Flow, Plan, PlannedNode
from pacslab.model.workflow import Part

ORDERING = (Operation.ADT_A01, Operation.ORM_O01)
SCHEDULED = (Operation.C_FIND_MWL, Operation.N_CREATE_MPPS, Operation.N_SET_MPPS)
READING = (Operation.C_FIND, Operation.C_MOVE)
BROWSING = (Operation.QIDO_RS, Operation.WADO_RS)

# What each part needs; said when a lab lacks it.
NEEDS = {
    Part.ORDER: "an ehr that may send ADT^A01 and ORM^O01 to a ris",
    Part.ACQUIRE: "a modality that may ask a ris for its worklist (C-FIND-MWL, N-CREATE-MPPS, N-SET-MPPS) "
    "and C-STORE to an orthanc",
    Part.ARCHIVE: "an orthanc that scanners store to, and that forwards (`forward:`) to another by C-STORE or STOW-RS",
    Part.READ: "a workstation that may C-FIND and C-MOVE at the scanners' archive, which may C-STORE to it",
    Part.REPORT: "a ris that may send ORU^R01 to an ehr",
}


@dataclass(frozen=True, slots=True)
class Copy:
    """One leg of a study's way to where it is kept."""

    source: str
    holder: str  # the archive that has it then
    flow: Flow  # the source's own; it may end at a web gateway in front of the holder


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a study is read, and by which flows."""

    find: Flow  # C-FIND and C-MOVE
    deliver: Flow  # the archive's C-STORE back
    web: Flow | None  # QIDO-RS and WADO-RS through a front of the archive


@dataclass(frozen=True, slots=True)
class Stations:
    """The nodes that one scanner's studies pass, and the flows between them; None where the lab has none."""

    scanner: str = ""
    modality: str = ""
    ae_title: str = ""
    order: Flow | None = None  # ehr -> ris
    schedule: Flow | None = None  # scanner -> ris
    store: Flow | None = None  # scanner -> archive
    commit: Flow | None = None  # archive -> scanner, the answer of a storage commitment; None: it is not asked for
    copies: tuple[Copy, ...] = ()
    reading: Reading | None = None
    report: Flow | None = None  # ris -> ehr

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a day that can be run here."""
        can = {
            Part.ORDER: self.order is not None,
            Part.ACQUIRE: self.schedule is not None and self.store is not None,
            Part.ARCHIVE: self.store is not None and bool(self.copies),
            Part.READ: self.store is not None and self.reading is not None,
            Part.REPORT: self.report is not None,
        }
        return tuple(part for part in Part if can[part])


def find_stations(plan: Plan) -> tuple[Stations, ...]:
    """One set of stations for each scanner, in the plan's order; without a scanner, one of what else there is."""
    lab = _Lab(plan)
    found = tuple(lab.stations(node) for node in plan.nodes if node.kind == "modality")
    return found or (lab.stations(None),)


class _Lab:
    """A plan, asked for its flows."""

    def __init__(self, plan: Plan) -> None:
        self._nodes = {node.name: node for node in plan.nodes}
        # A grant ends; a workflow does not rest on one.
        self._flows = [f for f in plan.flows if not f.granted and f.source_address.version == 4]

    def _find(self, source: str, destination: str, *operations: Operation) -> Flow | None:
        """The first flow between two kinds or two nodes that has all these operations."""
        return next((f for f in self._all(source, *operations) if self._is(f.destination, destination)), None)

    def _all(self, source: str, *operations: Operation) -> list[Flow]:
        return [f for f in self._flows if self._is(f.source, source) and set(operations) <= set(f.operations)]

    def _is(self, node: str, wanted: str) -> bool:
        return wanted in {node, self._nodes[node].kind}

    def stations(self, scanner: PlannedNode | None) -> Stations:
        order = self._find("ehr", "ris", *ORDERING)
        ris = order.destination if order else "ris"
        report = self._find(ris, order.source if order else "ehr", Operation.ORU_R01)
        if scanner is None:
            return Stations(order=order, report=report)
        store = self._find(scanner.name, "orthanc", Operation.C_STORE)
        archive = store.destination if store else ""
        return Stations(
            scanner=scanner.name,
            modality=_setting(scanner, "modality"),
            ae_title=scanner.ae_title or "",
            order=order,
            schedule=self._find(scanner.name, ris, *SCHEDULED),
            store=store,
            commit=self._commit(store),
            copies=self._copies(archive, frozenset()) if archive else (),
            reading=self._reading(archive) if archive else None,
            report=report,
        )

    def _commit(self, store: Flow | None) -> Flow | None:
        if store is None or Operation.N_ACTION_STGCMT not in store.operations:
            return None
        return self._find(store.destination, store.source, Operation.N_EVENT_REPORT_STGCMT)

    def _copies(self, archive: str, seen: frozenset[str]) -> tuple[Copy, ...]:
        """Every leg from this archive on, nearest first: what may flow and what it is told to forward."""
        legs: list[Copy] = []
        for name in _settings(self._nodes[archive], "forward"):
            target = name.rpartition("/")[2]
            leg = self._leg(archive, target)
            if leg is None or leg.holder in seen | {archive}:
                continue
            legs += [leg, *self._copies(leg.holder, seen | {archive})]
        return tuple(legs)

    def _leg(self, archive: str, target: str) -> Copy | None:
        if target not in self._nodes:
            return None
        if self._nodes[target].kind == "web-gateway":
            flow = self._find(archive, target, Operation.STOW_RS)
            return Copy(archive, _backend(self._nodes[target]), flow) if flow else None
        flow = self._find(archive, target, Operation.C_STORE)
        return Copy(archive, target, flow) if flow else None

    def _reading(self, archive: str) -> Reading | None:
        for find in self._all("workstation", *READING):
            deliver = self._find(archive, find.source, Operation.C_STORE)
            if find.destination == archive and deliver:
                fronts = [f for f in self._all(find.source, *BROWSING) if self._is(f.destination, "web-gateway")]
                web = next((f for f in fronts if _backend(self._nodes[f.destination]) == archive), None)
                return Reading(find, deliver, web)
        return None


def _settings(node: PlannedNode, name: str) -> tuple[str, ...]:
    return next((setting.values for setting in node.settings if setting.name == name), ())


def _setting(node: PlannedNode, name: str) -> str:
    return "".join(_settings(node, name)[:1])


def _backend(gateway: PlannedNode) -> str:
    return _setting(gateway, "backend").rpartition("/")[2]
