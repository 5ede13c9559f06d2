"""Suite `dicom`: every declared operation, tried from its initiator's own seat with its own identity."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pacslab.checks.catalogue.dicom import BY_OPERATION
from pacslab.checks.judge import judge_operation
from pacslab.engine.docker import Docker
from pacslab.errors import PacslabError
from pacslab.kinds import KINDS
from pacslab.model.device import Observation, parse_observation
from pacslab.model.dicom import DIMSE_APPLICATIONS, Operation
from pacslab.model.plan import Flow, Plan
from pacslab.model.verdict import Result, Verdict

Progress = Callable[[str, int, int], None]

WORKERS = 4
# A study of one small slice, the same at every run: made from a seed, so its UIDs are too.
SEED = 5225
PATIENT_ID = "PACSLAB-VERIFY"
_SLICE = ("--slices", "1", "--rows", "64", "--columns", "64", "--seed", str(SEED), "--patient-id", PATIENT_ID)

# What depends on what: an image must be stored before it is found, and found in the archive before it is recalled.
_STAGES: tuple[tuple[Operation, ...], ...] = (
    (Operation.C_ECHO, Operation.C_STORE),
    (Operation.C_STORE,),
    (Operation.C_FIND, Operation.C_MOVE, Operation.C_GET),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One declared operation that can be tried."""

    flow: Flow
    operation: Operation


def attempts(plan: Plan) -> tuple[Attempt, ...]:
    """Every declared operation of this suite's catalogue whose initiator can try it."""
    kinds = {node.name: KINDS[node.kind] for node in plan.nodes}
    return tuple(
        Attempt(flow, operation)
        for flow in plan.flows
        if flow.application in DIMSE_APPLICATIONS and not flow.granted and flow.source_address.version == 4
        for operation in flow.operations
        if operation in BY_OPERATION and operation in kinds[flow.source].attempts
    )


class Operations:
    """Tries the declared operations of one running lab."""

    def __init__(self, docker: Docker, plan: Plan, progress: Progress) -> None:
        self._docker = docker
        self._plan = plan
        self._progress = progress
        self._kinds = {node.name: node.kind for node in plan.nodes}
        self._studies: dict[str, str] = {}  # archive -> study UID known to be there
        self._done = 0

    def run(self) -> tuple[Result, ...]:
        """Try all, in the order in which images travel; results in the order of the flows."""
        every = attempts(self._plan)
        waiting = list(every)
        results: dict[Attempt, Result] = {}
        for stage, operations in enumerate(_STAGES):
            now = [a for a in waiting if a.operation in operations and (stage > 0 or self._makes_images(a))]
            waiting = [attempt for attempt in waiting if attempt not in now]
            with ThreadPoolExecutor(WORKERS, thread_name_prefix="operation") as pool:
                results |= zip(now, pool.map(lambda attempt: self._try(attempt, len(every)), now), strict=True)
        return tuple(results[attempt] for attempt in every)

    def _makes_images(self, attempt: Attempt) -> bool:
        """Whether this attempt needs nothing stored before."""
        return attempt.operation is Operation.C_ECHO or self._kinds[attempt.flow.source] == "modality"

    def _try(self, attempt: Attempt, total: int) -> Result:
        result = self._attempt(attempt)
        self._done += 1
        self._progress("operations", self._done, total)
        return result

    def _attempt(self, attempt: Attempt) -> Result:
        flow, operation = attempt.flow, attempt.operation
        command = self._command(flow, operation)
        if command is None:
            untried = judge_operation(flow, operation, None, "no study was stored that could be asked for")
            return replace(untried, verdict=Verdict.SKIPPED)
        container = f"pacslab-{self._plan.lab}-{flow.source}"
        try:
            executed = self._docker.exec(container, ("device", *command))
            observation = parse_observation(executed.stdout)
        except PacslabError as error:
            return judge_operation(flow, operation, None, error.message)
        except ValueError:
            tail = executed.stderr.decode(errors="replace").strip().splitlines()[-1:]
            return judge_operation(flow, operation, None, f"{flow.source}'s device gave no answer: {''.join(tail)}")
        if operation is Operation.C_STORE and observation.ok:
            self._remember(flow, observation)
        return judge_operation(flow, operation, observation)

    def _command(self, flow: Flow, operation: Operation) -> tuple[str, ...] | None:
        """What the initiator's `device` is asked to do; None: there is no study to do it with."""
        study = self._studies.get(flow.destination) or self._studies.get(flow.source)
        match operation:
            case Operation.C_ECHO:
                return ("echo", flow.destination)
            case Operation.C_STORE if self._kinds[flow.source] == "modality":
                return ("acquire", *_SLICE, "--send", flow.destination)
            case Operation.C_STORE:
                held = self._studies.get(flow.source)
                return ("send", flow.destination, "--study-uid", held) if held else None
            case Operation.C_FIND:
                return ("find", flow.destination, "--study-uid", study) if study else None
            case Operation.C_MOVE:
                return ("move", flow.destination, "--study-uid", study) if study else None
            case Operation.C_GET:
                return ("get", flow.destination, "--study-uid", study) if study else None
        raise ValueError(f"no command tries {operation.value}")

    def _remember(self, flow: Flow, observation: Observation) -> None:
        study = observation.facts.get("study_uid") or self._studies.get(flow.source)
        if isinstance(study, str):
            self._studies.setdefault(flow.destination, study)
