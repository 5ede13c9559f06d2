"""The reference lab: healthy, confined, and its images travel unchanged."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.e2e.conftest import RunningLab

# Of the files that pydicom itself carries: CT, MR, ultrasound colour, and one that is compressed.
REAL_FILES = ("CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm", "JPEG2000.dcm")


def test_sixteen_nodes_are_healthy_and_confined(reference: RunningLab) -> None:
    done = reference("status", "--json")
    assert done.exit_code == 0, str(done)
    status = done.json()
    assert status["healthy"] == len(status["nodes"]) == 16
    assert all(node["healthy"] and node["cable"] for node in status["nodes"])
    for node in status["nodes"]:
        assert (node["networks"], node["published_ports"], node["added_capabilities"]) == ([], [], []), node
        assert not node["privileged"]


def test_every_node_but_the_fabric_runs_without_root(reference: RunningLab) -> None:
    users = {node: reference.exec(node, "id", "-u").stdout.strip() for node in ("pacs", "ct-1", "pacs-db", "pacs-web")}
    assert set(users.values()) == {"1000"}


def _pixels_at(lab: RunningLab, node: str, study: str, wanted: int) -> dict[str, str]:
    """SOP Instance UID -> pixel hash in an archive, once it has so many instances."""
    deadline = time.monotonic() + 60
    while True:
        done = lab.exec(node, "device", "hash", "--study-uid", study)
        if done.exit_code == 0:
            pixels: dict[str, str] = json.loads(done.stdout)["pixel_sha256"]
            if len(pixels) == wanted:
                return pixels
        assert time.monotonic() < deadline, f"{node} never held {wanted} instances: {done}"
        time.sleep(0.5)


def _travels(lab: RunningLab, study: str, sent: dict[str, str]) -> None:
    """What ct-1 stored is in PACS and VNA, is found, and is delivered to the workstation: bit for bit."""
    assert _pixels_at(lab, "pacs", study, len(sent)) == sent
    assert _pixels_at(lab, "vna", study, len(sent)) == sent
    found = lab.device("reading-1", "find", "pacs", "--study-uid", study)
    assert [match["StudyInstanceUID"] for match in found["matches"]] == [study]
    moved = lab.device("reading-1", "move", "pacs", "--study-uid", study)
    assert moved["pixel_sha256"] == sent


def test_a_synthetic_ct_of_100_slices_travels_unchanged(reference: RunningLab) -> None:
    made = reference.device("ct-1", "acquire", "--slices", "100", "--seed", "100", "--send", "pacs")
    assert len(made["pixel_sha256"]) == 100
    _travels(reference, made["study_uid"], made["pixel_sha256"])


@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_image_travels_unchanged(reference: RunningLab, name: str) -> None:
    source = Path(str(get_testdata_file(name, download=False)))
    copied = reference("copy", "ct-1", str(source))
    assert copied.exit_code == 0, str(copied)
    sent = reference.device("ct-1", "send", "pacs", f"/var/lib/pacslab/inbox/{name}")
    _travels(reference, str(dcmread(source).StudyInstanceUID), sent["pixel_sha256"])
