"""`pacslab checks`: the catalogue, a suite of it, one check."""

from __future__ import annotations

import json

import pytest

from pacslab.checks.catalogue import CATALOGUE, SUITES
from pacslab.cli.app import run
from pacslab.errors import Exit

Capture = pytest.CaptureFixture[str]


def test_every_check_is_printed_with_its_references(capsys: Capture) -> None:
    assert run(["checks"]) == Exit.DONE
    text = capsys.readouterr().out
    for check in CATALOGUE:
        assert check.id in text


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_as_json(suite: str, capsys: Capture) -> None:
    assert run(["checks", suite, "--json"]) == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    wanted = [check for check in CATALOGUE if check.suite == suite]
    assert [(c["id"], c["requirement"], tuple(c["references"])) for c in document["checks"]] == [
        (check.id, check.requirement, check.references) for check in wanted
    ]


@pytest.mark.parametrize("identity", ["REACH-02", "reach-02"])
def test_one_check_says_all_and_where_it_is_documented(identity: str, capsys: Capture) -> None:
    assert run(["checks", identity]) == Exit.DONE
    text = capsys.readouterr().out
    assert text.startswith("REACH-02\n")
    assert "SP 800-53 SC-7(5)" in text
    assert "docs/reference/checks.md#reach-02" in text


def test_an_unknown_word_is_a_mistake_that_names_the_suites(capsys: Capture) -> None:
    assert run(["checks", "REACH-99"]) == Exit.USAGE
    assert f"suites: {', '.join(SUITES)}" in capsys.readouterr().err
