"""The doctor where there is no engine, and what it makes of an engine's description."""

from dataclasses import replace
from pathlib import Path

import pytest

from pacslab.engine.docker_values import EngineInfo, Running, read_container
from pacslab.engine.doctor import Fitness, _containers, _engine_findings, examine

FIT = EngineInfo("28.0.1", "1.44", "overlay2", "2", "/var/lib/docker", 4, 16 * 1024**3, "Debian", "6.12", ())


def test_reports_when_no_engine_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    found = {finding.name: finding for finding in examine()}
    assert set(found) == {"python", "disk here", "engine"}
    assert found["engine"].state is Fitness.LACK
    assert "lab/bootstrap" in found["engine"].advice
    assert found["python"].state is Fitness.OK


def test_fit_engine_has_nothing_to_advise() -> None:
    assert {finding.state for finding in _engine_findings(FIT)} == {Fitness.OK}


@pytest.mark.parametrize(
    ("info", "name", "state"),
    [
        (replace(FIT, memory_bytes=3 * 1024**3), "memory", Fitness.WARNING),
        (replace(FIT, memory_bytes=1 * 1024**3), "memory", Fitness.LACK),
        (replace(FIT, storage_driver="vfs"), "storage driver", Fitness.WARNING),
        (replace(FIT, warnings=("WARNING: No memory limit support",)), "cgroups", Fitness.WARNING),
        (replace(FIT, security_options=("name=rootless",)), "engine's rights", Fitness.WARNING),
    ],
)
def test_each_lack_is_found_and_comes_with_advice(info: EngineInfo, name: str, state: Fitness) -> None:
    wanting = [finding for finding in _engine_findings(info) if finding.state is not Fitness.OK]
    assert [(finding.name, finding.state) for finding in wanting] == [(name, state)]
    assert wanting[0].advice


def container(lab: str, state: str) -> Running:
    return read_container(
        {
            "Id": "f00",
            "Name": f"/pacslab-{lab}-x",
            "Image": "sha256:1",
            "Config": {"Labels": {"pacslab.lab": lab}},
            "State": {"Status": state},
            "HostConfig": {},
        },
    )


def test_stopped_containers_are_left_overs_to_remove() -> None:
    found = _containers((container("a", "running"), container("b", "exited"), container("b", "running")))
    assert found.state is Fitness.WARNING
    assert found.found == "a (1 containers), b (2 containers); with stopped containers: b"
    assert "pacslab down b" in found.advice
    assert _containers((container("a", "running"),)).state is Fitness.OK
    assert _containers(()).found == "none"
