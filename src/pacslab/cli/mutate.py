"""`pacslab mutate LAB`: how many broken firewalls the checks would notice."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from pacslab.checks import mutate as scoring
from pacslab.checks.mutate import Bench, Case
from pacslab.checks.trial import Trials
from pacslab.cli.output import Report, print_json, progress, say, stdout
from pacslab.cli.target import JsonOption, LabArgument, Target, from_file, is_file, running
from pacslab.engine.converge import plugs
from pacslab.engine.docker import Docker
from pacslab.engine.fabric import Fabric
from pacslab.errors import Exit, PacslabError
from pacslab.model import codec
from pacslab.model.lab import Posture
from pacslab.model.mutation import Score, Scored
from pacslab.report.mutation import print_score, summary

REACH_TARGET = 0.99


def mutate(
    lab: LabArgument,
    *,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            min=1,
            metavar="N",
            help="Score, and try live, only N mutants, as many of each operator as can be.",
        ),
    ] = None,
    static: Annotated[
        bool, typer.Option("--static", help="Prove and predict only: no lab needs to run, nothing is touched.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of the sample; printed, so that a run can be repeated.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Break the firewall on purpose, one place at a time, and score the checks; exit 1 if they miss too much."""
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    docker, target = _target(lab, static=static)
    bench = Bench.of(target.plan)
    trials = _trials(docker, target, bench, seed) if docker is not None else None
    size = len(bench.mutants) if sample is None else sample
    chosen = scoring.sample(bench.mutants, size, seed)
    with progress(f"mutate {target.plan.lab}") as report:
        cases, static_s = scoring.static(bench, chosen, report)
        tried: dict[str, Scored] = {}
        began = time.monotonic()
        if trials is not None:
            with target.state.held("mutate"):
                tried = _live(trials, cases, report)
    scored = tuple(tried.get(case.mutant.id, case.scored) for case in cases)
    live_s = time.monotonic() - began if tried else 0.0
    outcome = scoring.score(bench, scored, seed=seed, static_s=static_s, live_s=live_s)
    if json:
        print_json({**codec.encode(outcome), **_figures(outcome)})
        for line in summary(outcome):
            say(line)
    else:
        print_score(stdout(), outcome)
    say(f"seed {seed}")
    return Exit.DONE if _holds(outcome) else Exit.NO


def _target(lab: str, *, static: bool) -> tuple[Docker | None, Target]:
    if static and is_file(lab):
        return None, from_file(Path(lab))
    docker = Docker.connect()
    return (None if static else docker), running(docker, lab)


def _trials(docker: Docker, target: Target, bench: Bench, seed: int) -> Trials:
    plan = target.plan
    running_now = docker.list(lab=plan.lab)
    if not any(container.node == plan.fabric.node and container.running for container in running_now):
        raise PacslabError(f"lab {plan.lab} is not running", hint="start it with: pacslab up LAB, or use --static")
    live = target.state.read_plan()
    if live is not None and live.posture is not Posture.SEGMENTED:
        raise PacslabError(
            f"the posture of lab {plan.lab} is {live.posture.value}, and mutants are of the policy in full",
            hint="bring it up segmented, or use --static",
        )
    return Trials(bench, Fabric(docker, plan.fabric.name), plugs(plan, running_now), seed)


def _live(trials: Trials, cases: tuple[Case, ...], report: Report) -> dict[str, Scored]:
    trials.refuse_unfit()
    tried: dict[str, Scored] = {}
    for done, case in enumerate(cases, 1):
        tried[case.mutant.id] = trials.run(case)
        report("mutants tried live", done, len(cases))
    return tried


def _figures(score: Score) -> dict[str, object]:
    return {
        "proof_share": round(score.proof_share, 6),
        "reach_share": round(score.reach_share, 6),
        "survivors_of_proof": [one.id for one in score.survivors_of_proof],
        "survivors_of_reach": [one.id for one in score.survivors_of_reach],
        "disagreements": [one.id for one in score.disagreements],
        "holds": _holds(score),
    }


def _holds(score: Score) -> bool:
    """Proof misses nothing, reach hardly anything, and the lab did as was foreseen."""
    return not score.survivors_of_proof and score.reach_share >= REACH_TARGET and not score.disagreements
