"""The viewer in a real browser behind the workstation's cable: images are drawn, scroll and are windowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pacslab.engine.docker import Docker
from tests.e2e.conftest import RunningLab
from tests.e2e.seat import Seat, take_seat

ORIGIN = "https://198.18.20.11"  # pacs-web
IMAGES = 12


@pytest.fixture(scope="module")
def seat(reference: RunningLab, docker: Docker) -> Seat:
    return take_seat(docker, reference, "reading-1", "chromium")


@pytest.fixture(scope="module")
def accession(reference: RunningLab) -> str:
    """A study of a scanner, in the archive."""
    made = reference.device(
        "ct-1", "acquire", "--slices", str(IMAGES), "--seed", "4711", "--accession", "VIEW1", "--send", "pacs"
    )
    return str(made["accession"])


def _look(seat: Seat, certificate: str, **wanted: Any) -> dict[str, Any]:
    pair = seat.certificate(certificate) if certificate else ("", "")
    request = {"origin": ORIGIN, "certificate": pair[0], "key": pair[1], "images": IMAGES, "screenshot": "", **wanted}
    program = str(Path(__file__).with_name("look.py"))
    done = seat.python(program, json.dumps(request), NODE_EXTRA_CA_CERTS=seat.ca)
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_a_study_can_be_looked_at(seat: Seat, accession: str, tmp_path: Path) -> None:
    seen = _look(seat, "reading-1", accession=accession, screenshot=str(tmp_path / "viewer.png"))
    assert seen["status"] == 200
    assert seen["errors"] == []  # nor does the content security policy refuse anything
    assert seen["elsewhere"] == []
    assert "SYNTHETIC" in seen["header"]
    assert "Not for diagnosis" in seen["header"]
    first = seen["first"]
    assert first["place"] == f"1 / {IMAGES}"
    assert first["lit"] > 0.2, "the canvas is blank"
    assert 5 < first["mean"] < 250
    assert "window 400  level 40" in first["window"]  # what the images themselves say
    assert "512 x 512" in first["window"]
    places = [seen[step]["place"] for step in ("first", "wheel", "slider")]
    assert places == [f"1 / {IMAGES}", f"2 / {IMAGES}", f"{IMAGES // 2 + 1} / {IMAGES}"]
    means = [seen[step]["mean"] for step in ("first", "wheel", "slider")]
    assert len(set(means)) == 3, "another slice looks the same"
    assert seen["window"]["window"] != seen["slider"]["window"]
    assert abs(seen["window"]["mean"] - seen["slider"]["mean"]) > 1, "another window looks the same"
    assert seen["reset"]["mean"] == seen["slider"]["mean"]
    assert (tmp_path / "viewer.png").stat().st_size > 20_000


@pytest.mark.parametrize(("certificate", "status"), [("", 400), ("vna", 403), ("pacs-web", 403)])
def test_a_browser_without_the_workstations_certificate_is_refused(
    seat: Seat, accession: str, certificate: str, status: int
) -> None:
    if certificate == "pacs-web":
        # Its certificate is for serving only (RFC 5280 4.2.1.12): nginx does not take it as a client's.
        status = 400
    assert _look(seat, certificate, accession=accession)["status"] == status


def test_the_cloud_has_no_viewer(seat: Seat, reference: RunningLab, docker: Docker) -> None:
    behind = take_seat(docker, reference, "vna", "curl")
    certificate, key = behind.certificate("vna")
    argv = ("curl", "--silent", "--cacert", behind.ca, "--cert", certificate, "--key", key, "--output", "/dev/null")
    done = behind.run(*argv, "--write-out", "%{http_code}", "https://198.18.40.10/viewer/")
    assert done.stdout == "404"
