"""All reports of one run of a real lab: they agree, with a rule inserted by hand and without, and when it dies."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import junitparser

from tests.e2e.conftest import ROOT, Done, RunningLab

TABLE = ("inet", "pacslab")
LEAK = ("ip", "saddr", "198.18.60.11", "ip", "daddr", "198.18.20.10", "tcp", "dport", "2762", "accept")


def _verify(lab: RunningLab, folder: Path) -> tuple[Done, dict[str, Any], dict[str, Path]]:
    files = {style: folder / style for style in ("json", "junit", "html", "tap")}
    done = lab("verify", "--only", "proof,listeners", *(w for s, f in files.items() for w in (f"--{s}", str(f))))
    document = json.loads(files["json"].read_text())
    schema = json.loads((ROOT / "docs/reference/verify.schema.json").read_text())
    jsonschema.validate(document, schema)
    return done, document, files


def test_all_reports_of_a_run_agree_red_and_green(reference: RunningLab, tmp_path: Path) -> None:
    reference.nft("insert", "rule", *TABLE, "forward", *LEAK)
    try:
        done, document, files = _verify(reference, tmp_path)
    finally:
        reference.nft("-f", "/etc/pacslab/ruleset.nft")
    assert done.exit_code == 1, str(done)
    failed = [r for r in document["results"] if r["verdict"] == "FAIL"]
    assert "PROOF-01" in {result["check"] for result in failed}
    assert all(result["rule"] for result in failed), failed
    effect = next(result["observed"] for result in failed if result["check"] == "PROOF-01")
    assert effect.startswith("opens vendor-1 -> pacs:2762")
    report = junitparser.JUnitXml.fromstring(files["junit"].read_bytes())
    assert (report.failures, report.errors) == (len(failed), 0)
    assert len(re.findall("not ok .*PROOF-", files["tap"].read_text())) == len(failed)
    assert files["html"].read_text().count('<details class="finding"') == len(failed)
    assert done.stdout.count("\nFAIL PROOF-") == len(failed)
    for text in (done.stdout, files["html"].read_text(), files["tap"].read_text(), files["junit"].read_text()):
        assert document["plan"][:12] in text
        assert "vendor-1" in text
        assert "198.18.60.11" in text

    done, document, files = _verify(reference, tmp_path)
    assert (done.exit_code, document["verdict"]) == (0, "PASS"), str(done)
    assert "not ok" not in files["tap"].read_text()


def test_a_run_that_is_interrupted_leaves_reports_that_say_so(reference: RunningLab, tmp_path: Path) -> None:
    files = {style: tmp_path / style for style in ("json", "junit", "html", "tap")}
    options = [w for style, file in files.items() for w in (f"--{style}", str(file))]
    argv = [sys.executable, "-m", "pacslab", "verify", str(reference.file), "--only", "listeners,dicom", *options]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "operations" in line:
                running.send_signal(signal.SIGINT)
                break
        running.stderr.read()
        assert running.wait(60) == 130
    document = json.loads(files["json"].read_text())
    assert (document["verdict"], document["error"]) == ("INCONCLUSIVE", "interrupted")
    assert {result["check"] for result in document["results"]} == {"LISTEN-01", "LISTEN-02"}
    assert 'message="the run died: interrupted"' in files["junit"].read_text()
    assert "Bail out! the run died: interrupted" in files["tap"].read_text()
    assert "the run died: interrupted" in files["html"].read_text()
