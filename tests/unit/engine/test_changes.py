"""Plan and what runs to the changes that make them agree."""

from dataclasses import replace

import pytest

from pacslab.engine.changes import Action, decide, spec
from pacslab.engine.docker_values import Running
from pacslab.model.plan import Container, Plan


def _specs(plan: Plan) -> dict[str, str]:
    return {c.name: spec(c, "sha256:image", "vault") for c in (plan.fabric, *plan.containers)}


def _runs(container: Container, made_from: str) -> Running:
    return Running(
        id=f"id of {container.name}",
        name=container.name,
        lab="minimal",
        zone=container.zone,
        node=container.node,
        plan="",
        spec=made_from,
        home="/nowhere",
        state="running",
        pid=4711,
        exit_code=0,
        started_at=None,
        image="sha256:image",
        networks=(),
        ports=(),
        cap_add=(),
        privileged=False,
    )


def _all(plan: Plan) -> tuple[Running, ...]:
    specs = _specs(plan)
    return tuple(_runs(container, specs[container.name]) for container in (plan.fabric, *plan.containers))


def _actions(plan: Plan, running: tuple[Running, ...]) -> dict[str, tuple[Action, str]]:
    return {change.node: (change.action, change.reason) for change in decide(plan, running, _specs(plan), {})}


def test_nothing_runs(minimal: Plan) -> None:
    found = _actions(minimal, ())
    assert list(found) == ["fabric", "ct-1", "pacs", "vendor-1"]
    assert set(found.values()) == {(Action.CREATE, "not there")}


def test_all_is_as_planned(minimal: Plan) -> None:
    assert set(_actions(minimal, _all(minimal)).values()) == {(Action.KEEP, "as planned")}


def test_what_was_made_from_something_else_is_replaced(minimal: Plan) -> None:
    changed = tuple(replace(c, spec="old") if c.node == "pacs" else c for c in _all(minimal))
    found = _actions(minimal, changed)
    assert found.pop("pacs") == (Action.REPLACE, "its image, files or options differ from the plan")
    assert {action for action, _ in found.values()} == {Action.KEEP}


@pytest.mark.parametrize("state", ["created", "paused", "restarting", "exited", "dead"])
def test_what_does_not_run_is_started_again_and_the_reason_says_how_it_is(state: str, minimal: Plan) -> None:
    stopped = tuple(replace(c, state=state, exit_code=137) if c.node == "pacs" else c for c in _all(minimal))
    found = _actions(minimal, stopped)
    assert found.pop("pacs") == (Action.START, f"it is {state} (exit code 137)")
    assert {other for other, _ in found.values()} == {Action.KEEP}


def test_what_the_lab_file_has_no_more_is_removed_first(minimal: Plan) -> None:
    gone = replace(_all(minimal)[1], name="pacslab-minimal-us-1", node="us-1")
    changes = decide(minimal, (*_all(minimal), gone), _specs(minimal), {})
    assert (changes[0].action, changes[0].node, changes[0].name) == (Action.REMOVE, "us-1", "pacslab-minimal-us-1")
    assert {change.action for change in changes[1:]} == {Action.KEEP}


def test_a_container_is_known_by_its_plan_its_image_and_its_secrets(minimal: Plan) -> None:
    container = minimal.containers[0]
    same = spec(container, "sha256:image", "vault")
    assert spec(replace(container), "sha256:image", "vault") == same
    others = {
        spec(replace(container, pids=1), "sha256:image", "vault"),
        spec(container, "sha256:other", "vault"),
        spec(container, "sha256:image", "other"),
        spec(minimal.containers[1], "sha256:image", "vault"),
    }
    assert len(others | {same}) == 5
