"""The conformance run: opened first, judged suite by suite, written whatever happens."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import replace

from pacslab import __version__
from pacslab.checks import listeners, proof, reach, workflow
from pacslab.checks.operations import Operations
from pacslab.engine import drift
from pacslab.engine.docker import Docker
from pacslab.engine.fabric import Fabric
from pacslab.errors import Exit, PacslabError
from pacslab.model.plan import Plan
from pacslab.model.verdict import Result, Run, Verdict

Progress = Callable[[str, int, int], None]
Write = Callable[[Run], None]

EXIT_OF = {Verdict.PASS: Exit.DONE, Verdict.FAIL: Exit.NO, Verdict.INCONCLUSIVE: Exit.INCONCLUSIVE}


def verify(docker: Docker, plan: Plan, live: Plan, suites: tuple[str, ...], *, write: Write, progress: Progress) -> Run:
    """Run suites against a running lab.

    Args:
        docker: The engine.
        plan: What the lab should be; the policy is judged, whatever the posture.
        live: What was brought up: its posture and ruleset are what is enforced now.
        suites: Which to run, of `catalogue.SUITES`.
        write: Called with the run before anything is tried, after each suite, and when it dies.
        progress: Told of each step.

    Returns:
        The finished run.

    Raises:
        PacslabError: The lab could not be examined; the report says so and was written.
    """
    run = _open(docker, plan, live, suites)
    write(run)
    try:
        for done, suite in enumerate(suites, 1):
            run = _suite(docker, plan, suite, run, progress)
            write(run)
            progress("suites", done, len(suites))
    except BaseException as error:
        write(replace(run, error=_words(error), finished=_now()))
        raise
    run = replace(run, finished=_now())
    write(run)
    return run


def stillborn(lab: str, suites: tuple[str, ...], error: str) -> Run:
    """A run that ended before anything was looked at: nothing is known, and the report says why."""
    now = _now()
    return Run(lab, "", "", "", __version__, "", now, now, suites, (), error=error)


def _words(error: BaseException) -> str:
    match error:
        case PacslabError():
            return error.message
        case KeyboardInterrupt():
            return "interrupted"
    return f"{type(error).__name__}: {error}"


def _open(docker: Docker, plan: Plan, live: Plan, suites: tuple[str, ...]) -> Run:
    return Run(
        lab=plan.lab,
        posture=live.posture.value,
        plan=plan.digest,
        ruleset=hashlib.sha256(live.ruleset.encode()).hexdigest(),
        pacslab=__version__,
        engine=docker.info().version,
        started=_now(),
        finished=None,
        suites=suites,
        results=(),
    )


def _suite(docker: Docker, plan: Plan, suite: str, run: Run, progress: Progress) -> Run:
    if suite == "reach":
        report = reach.sweep(Fabric(docker, plan.fabric.name), plan, docker.list(lab=plan.lab), progress)
        return _add(replace(run, accounting=reach.accounting(report)), reach.judge(plan, report))
    if suite == "listeners":
        seen = listeners.look(Fabric(docker, plan.fabric.name), plan, docker.list(lab=plan.lab), progress)
        return _add(run, listeners.judge(plan, seen))
    if suite == "dicom":
        return _add(run, Operations(docker, plan, progress).run())
    if suite == "proof":
        fabric = Fabric(docker, plan.fabric.name)
        wiring = drift.wiring(fabric, plan, docker.list(lab=plan.lab))
        return _add(run, (*proof.judge(plan, fabric.ruleset()), *proof.judge_wiring(wiring)))
    if suite == "workflow":
        return _add(run, workflow.check(docker, plan, progress))
    raise PacslabError(f"there is no suite {suite!r}", exit_code=Exit.USAGE)


def _add(run: Run, results: tuple[Result, ...]) -> Run:
    return replace(run, results=(*run.results, *results))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
