"""`pacslab doctor`: is this machine fit, and what to do if not."""

from __future__ import annotations

from pacslab.cli.output import print_json, say
from pacslab.cli.target import JsonOption
from pacslab.engine.doctor import Fitness, examine
from pacslab.errors import Exit


def doctor(*, json: JsonOption = False) -> int:
    """Examine this machine and its Docker engine; exit 1 if a lab cannot run here."""
    findings = examine()
    lacks = sum(finding.state is Fitness.LACK for finding in findings)
    if json:
        print_json({"fit": not lacks, "findings": findings})
        return Exit.NO if lacks else Exit.DONE
    for finding in findings:
        print(f"{finding.state.value:8} {finding.name}: {finding.found}")
        if finding.advice:
            print(f"{'':8} -> {finding.advice}")
    say(f"{lacks} things are missing" if lacks else "this machine can run a lab")
    return Exit.NO if lacks else Exit.DONE
