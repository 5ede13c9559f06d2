"""A conformance run -> JUnit XML, as Jenkins, GitLab and GitHub's actions read it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from pacslab.model.verdict import Check, Run, Verdict
from pacslab.report.cases import Case, cases, lines, link, unfinished
from pacslab.report.seats import Seats

# XML 1.0 2.2: what no document may hold, not even as a reference.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error", Verdict.SKIPPED: "skipped"}
_RUN = "run"


def render(run: Run, seats: Seats, catalogue: Iterable[Check]) -> str:
    """Write a run: a suite for each of pacslab's, INCONCLUSIVE as error, and an error if the run did not finish."""
    root = ET.Element("testsuites", {"name": f"pacslab verify {_clean(run.lab)}"})
    for suite, found in cases(run, seats, catalogue).items():
        root.append(_suite(run, suite, found))
    if why := unfinished(run):
        root.append(_died(run, why))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", _seconds(run))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(run: Run, name: str, found: tuple[Case, ...]) -> ET.Element:
    suite = _empty_suite(run, name)
    for case in found:
        suite.append(_case(run, case))
    counts = {verdict: sum(case.verdict is verdict for case in found) for verdict in Verdict}
    _count(suite, len(found), counts[Verdict.FAIL], counts[Verdict.INCONCLUSIVE], counts[Verdict.SKIPPED])
    return suite


def _empty_suite(run: Run, name: str) -> ET.Element:
    started = run.started.strftime("%Y-%m-%dT%H:%M:%S")  # UTC; the schema knows no zones of time
    suite = ET.Element("testsuite", {"name": name, "timestamp": started, "hostname": _clean(run.lab)})
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(run):
        ET.SubElement(properties, "property", {"name": key, "value": _clean(value)})
    return suite


def _properties(run: Run) -> tuple[tuple[str, str], ...]:
    return (
        ("pacslab.lab", run.lab),
        ("pacslab.posture", run.posture),
        ("pacslab.plan", run.plan),
        ("pacslab.ruleset", run.ruleset),
        ("pacslab.version", run.pacslab),
        ("pacslab.engine", run.engine),
        ("pacslab.verdict", run.verdict.value),
    )


def _case(run: Run, case: Case) -> ET.Element:
    name = {"classname": f"{run.lab}.{case.check.suite}.{case.check.id}", "name": case.name}
    element = ET.Element("testcase", {key: _clean(value) for key, value in name.items()})
    first = case.results[0]
    if case.verdict is Verdict.PASS:
        if len(case.results) > 1:
            ET.SubElement(element, "system-out").text = f"{len(case.results)} results, all PASS"
        return element
    message = first.observed if case.verdict is Verdict.FAIL else first.reason or first.observed
    what = ET.SubElement(element, _ELEMENT[case.verdict], {"type": case.check.id, "message": _clean(message)})
    said = [f"{word}: {text}" for word, text in (*lines(first, case.check), ("see", link(case.check.id)))]
    what.text = _clean("\n".join(said))
    return element


def _died(run: Run, why: str) -> ET.Element:
    suite = _empty_suite(run, _RUN)
    case = ET.SubElement(suite, "testcase", {"classname": _clean(f"{run.lab}.{_RUN}"), "name": "the run finished"})
    ET.SubElement(case, "error", {"type": "unfinished", "message": _clean(why)}).text = _clean(why)
    _count(suite, 1, 0, 1, 0)
    return suite


def _count(suite: ET.Element, tests: int, failures: int, errors: int, skipped: int) -> None:
    for name, count in (("tests", tests), ("failures", failures), ("errors", errors), ("skipped", skipped)):
        suite.set(name, str(count))


def _seconds(run: Run) -> str:
    return f"{(run.finished - run.started).total_seconds():.3f}" if run.finished else "0.000"


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
