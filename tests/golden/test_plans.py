"""What the shipped labs compile to, as the files people and programs would read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pacslab.model import codec
from pacslab.model.lab import Posture
from pacslab.model.plan import Plan

HERE = Path(__file__).parent
Golden = Callable[[Path, str], None]


def _file(plan: Plan, node: str, path: str) -> str:
    (container,) = (container for container in plan.containers if container.node == node)
    (text,) = (file.text for file in container.files if file.path == path)
    return text


@pytest.mark.parametrize("lab", ["minimal", "reference"])
def test_plan(lab: str, golden: Golden, request: pytest.FixtureRequest) -> None:
    plan: Plan = request.getfixturevalue(lab)
    golden(HERE / f"{lab}.plan.json", codec.dumps(plan, indent=1) + "\n")


@pytest.mark.parametrize("lab", ["minimal", "reference"])
def test_a_plan_survives_being_written(lab: str) -> None:
    text = (HERE / f"{lab}.plan.json").read_text(encoding="utf-8")
    assert codec.dumps(codec.loads(Plan, text), indent=1) + "\n" == text


def test_ruleset_of_the_minimal_lab(minimal: Plan, golden: Golden) -> None:
    golden(HERE / "minimal.nft", minimal.ruleset)


@pytest.mark.parametrize("posture", Posture)
def test_ruleset_of_the_reference_lab(posture: Posture, postures: dict[Posture, Plan], golden: Golden) -> None:
    golden(HERE / f"reference.{posture.value}.nft", postures[posture].ruleset)


@pytest.mark.parametrize("file", ["minimal.nft", *(f"reference.{posture.value}.nft" for posture in Posture)])
def test_nft_takes_the_golden_ruleset(file: str, nft_check: Callable[[str], str]) -> None:
    assert nft_check((HERE / file).read_text(encoding="utf-8")) == ""


def test_nft_would_refuse_a_wrong_ruleset(nft_check: Callable[[str], str]) -> None:
    text = (HERE / "minimal.nft").read_text(encoding="utf-8")
    assert "Error" in nft_check(text.replace("goto deny_spoofed", "goto deny_nothing"))


@pytest.mark.parametrize("node", ["pacs", "vna", "cloud-store"])
def test_orthanc_configuration(node: str, reference: Plan, golden: Golden) -> None:
    text = _file(reference, node, "/etc/pacslab/orthanc.json")
    json.loads(text)
    golden(HERE / f"{node}.orthanc.json", text)


@pytest.mark.parametrize("node", ["pacs-web", "cloud-web"])
def test_nginx_configuration(node: str, reference: Plan, golden: Golden) -> None:
    golden(HERE / f"{node}.nginx.conf", _file(reference, node, "/etc/pacslab/nginx.conf"))


@pytest.mark.parametrize("node", ["bastion", "ct-1"])
def test_sshd_configuration(node: str, reference: Plan, golden: Golden) -> None:
    golden(HERE / f"{node}.sshd_config", _file(reference, node, "/etc/pacslab/sshd_config"))
