"""`pacslab drift LAB`: what runs against what was planned, by meaning."""

from __future__ import annotations

import datetime as dt
import json as jsonlib
from dataclasses import replace
from typing import Annotated

import typer
from rich.text import Text

from pacslab.cli.output import SCHEMA_VERSION, print_json, stdout
from pacslab.cli.target import JsonOption, LabArgument, Target, running
from pacslab.engine import drift as engine
from pacslab.engine.docker import Docker
from pacslab.engine.drift import Deviation, Drift
from pacslab.engine.fabric import Fabric
from pacslab.errors import Exit, PacslabError
from pacslab.model.plan import Plan


def drift(
    lab: LabArgument,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on: report changes of the rules as they happen.")] = False,
    json: JsonOption = False,
) -> int:
    """Compare a running lab with its plan, by meaning; exit 1 if anything differs."""
    docker = Docker.connect()
    target = running(docker, lab)
    if docker.find(target.plan.fabric.name) is None:
        raise PacslabError(f"lab {target.plan.lab} is not running", hint="start it with: pacslab up LAB")
    plan = _in_live_posture(target)
    found = engine.drift(docker, plan, target.state)
    if watch:
        _watch(Fabric(docker, plan.fabric.name), plan, found, json=json)
    elif json:
        print_json(found)
    else:
        _print(found)
    return Exit.NO if found.deviations else Exit.DONE


def _in_live_posture(target: Target) -> Plan:
    """The plan with the posture that is in force: a live change of posture is no drift."""
    live = target.state.read_plan()
    if live is None or live.posture is target.plan.posture:
        return target.plan
    return replace(target.plan, posture=live.posture, ruleset=live.ruleset)


def _print(found: Drift) -> None:
    console = stdout()
    for deviation in found.deviations:
        console.print(Text.assemble((f"{deviation.where.value:10} ", "bold red"), deviation.effect))
        for word in (deviation.detail, f"written at {deviation.origin}" if deviation.origin else ""):
            if word:
                console.print(Text(f"{'':10} {word}", style="dim"))
    if found.more:
        console.print(f"... and {found.more} more differences of the ruleset")
    count = len(found.deviations) + found.more
    said = "as planned" if not count else f"{count} difference{'s' if count > 1 else ''}"
    console.print(f"lab {found.lab}, posture {found.posture}: {said}")


def _watch(fabric: Fabric, plan: Plan, first: Drift, *, json: bool) -> None:
    """Say what differs now, then what each change does, with its time; ends with Ctrl-C."""
    known: tuple[Deviation, ...] = tuple(d for d in first.deviations if d.where is engine.Where.RULESET)
    for deviation in first.deviations:
        _tell("differs", deviation, json=json)
    for _ in fabric.monitor():
        now, _more = engine.ruleset(fabric, plan)
        for deviation in now:
            if deviation not in known:
                _tell("differs", deviation, json=json)
        for deviation in known:
            if deviation not in now:
                _tell("gone", deviation, json=json)
        known = now


def _tell(event: str, deviation: Deviation, *, json: bool) -> None:
    time = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    if json:
        origin = str(deviation.origin) if deviation.origin else ""
        line = {"schema_version": SCHEMA_VERSION, "time": time, "event": event, "where": deviation.where.value}
        line |= {"node": deviation.node, "effect": deviation.effect, "detail": deviation.detail, "origin": origin}
        print(jsonlib.dumps(line, ensure_ascii=False), flush=True)
    else:
        print(f"{time} {event:8} {deviation.where.value:10} {deviation.effect}", flush=True)
