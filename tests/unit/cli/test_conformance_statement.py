"""`conformance-statement` as a command."""

import json
from pathlib import Path

import pytest

from pacslab.cli.app import run
from pacslab.errors import Exit

Capture = pytest.CaptureFixture[str]


def test_each_format(root: Path, capsys: Capture) -> None:
    lab = str(root / "lab" / "reference.yaml")
    assert run(["conformance-statement", lab, "--node", "ris"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("# DICOM conformance statement: Reference imaging department\n")
    assert run(["conformance-statement", lab, "--format", "html"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")
    assert run(["conformance-statement", lab, "--json"]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["schema_version"], len(found["entities"])) == (1, 7)


def test_a_node_that_speaks_none(root: Path, capsys: Capture) -> None:
    assert run(["conformance-statement", str(root / "lab" / "reference.yaml"), "--node", "ehr"]) == Exit.USAGE
    assert "node 'ehr' speaks no DICOM" in capsys.readouterr().err
