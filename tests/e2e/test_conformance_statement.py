"""What the conformance statement states is what stations offer: everything is proposed, from a peer's seat."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from pydicom._uid_dict import UID_dictionary

from .conftest import RunningLab

SCRIPT = (Path(__file__).parent / "propose_everything.py").read_text()
SOP_CLASSES = [uid for uid, entry in UID_dictionary.items() if entry[1] in {"SOP Class", "Meta SOP Class"}]
SYNTAXES = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"]


@pytest.mark.parametrize(("caller", "listener"), [("ct-1", "pacs"), ("reading-1", "pacs"), ("ct-1", "ris")])
def test_stations_offer_what_is_stated(reference: RunningLab, caller: str, listener: str) -> None:
    stated = reference("conformance-statement", "--node", listener, "--format", "json").json()["entities"][0]
    peer = next(peer for peer in stated["accepts"] if peer["node"] == caller)
    calls = next(
        entry["ae_title"] for entry in reference("conformance-statement", "--json").json()["entities"]
        if entry["node"] == caller
    )  # fmt: skip
    assert calls == peer["ae_title"]
    offered = {
        (sop["uid"], syntax["uid"])
        for offer in stated["accepted"]
        for sop in offer["sop_classes"]
        for syntax in offer["transfer_syntaxes"]
    }
    newest = {sop for sop, _ in offered} - set(SOP_CLASSES)  # not in pydicom's dictionary
    pairs = [[sop, syntax, False] for sop in (*SOP_CLASSES, *newest) for syntax in SYNTAXES]
    secure = ["tls"] if peer["secure"] else []
    argv = [
        "python3",
        "-c",
        SCRIPT,
        stated["address"],
        str(peer["port"]),
        peer["ae_title"],
        stated["ae_title"],
        *secure,
    ]
    done = subprocess.run(
        ["docker", "exec", "-i", reference.container(caller), *argv],
        input=json.dumps(pairs), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    accepted = {(sop, syntax) for sop, syntax, _ in json.loads(done.stdout)}
    assert accepted - offered == set(), "offered, but not stated"
    assert offered - accepted == set(), "stated, but not offered"
