"""`pacslab up LAB`: make it so; running it again changes only what differs."""

from __future__ import annotations

from typing import Annotated

import typer

from pacslab.cli.output import print_json, progress, say
from pacslab.cli.target import FileArgument, JsonOption, from_file
from pacslab.engine import converge
from pacslab.engine.changes import Action
from pacslab.engine.docker import Docker
from pacslab.model.lab import Posture


def up(
    lab: FileArgument,
    *,
    posture: Annotated[Posture | None, typer.Option("--posture", help="Enforce this instead of the file's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    keep_failed: Annotated[bool, typer.Option("--keep-failed", help="Leave a failed start as it is.")] = False,
    json: JsonOption = False,
) -> None:
    """Start a lab, or change a running one to what its file says."""
    target = from_file(lab, posture)
    docker = Docker.connect()
    if dry_run:
        changes = converge.changes(docker, target.plan, target.state)
        if json:
            print_json({"lab": target.plan.lab, "plan": target.plan.digest, "changes": changes})
            return
        for change in changes:
            print(f"{change.action.value:8} {change.node:16} {change.reason}")
        return
    with target.state.held("up"), progress(f"up {target.plan.lab}") as report:
        done = converge.up(docker, target.plan, target.state, report, keep_failed=keep_failed)
    if json:
        print_json({"lab": target.plan.lab, "plan": target.plan.digest, **_document(done)})
        return
    counts = {action: sum(change.action is action for change in done.changes) for action in Action}
    words = ", ".join(f"{count} {_PAST[action]}" for action, count in counts.items() if count)
    seconds = sum(seconds for _, seconds in done.stages)
    say(f"lab {target.plan.lab} is up: {words}; {len(done.answers)} services answer; {seconds:.1f} s")
    if done.rules_restored:
        say("the loaded rules had been changed by hand; they are the plan's again")
    if target.plan.posture is not Posture.SEGMENTED:
        say(f"warning: the posture is {target.plan.posture.value}: the policy is not enforced in full")


_PAST = {
    Action.CREATE: "created",
    Action.REPLACE: "replaced",
    Action.START: "started again",
    Action.REMOVE: "removed",
    Action.RENEW: "given new TLS files",
    Action.KEEP: "kept",
}


def _document(done: converge.UpReport) -> dict[str, object]:
    return {
        "changes": done.changes,
        "answers": done.answers,
        "rules_restored": done.rules_restored,
        "stages": {name: round(seconds, 3) for name, seconds in done.stages},
    }
