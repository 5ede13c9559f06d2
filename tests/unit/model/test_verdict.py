"""A run's verdict: one failure fails it, one doubt leaves it in doubt, nothing checked proves nothing."""

import datetime as dt

import pytest

from pacslab.model.verdict import Result, Run, Verdict

PASS, FAIL, UNCLEAR, SKIPPED = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.SKIPPED


def _run(verdicts: tuple[Verdict, ...], error: str = "") -> Run:
    results = tuple(Result("REACH-01", verdict, "a", "b", "dicom", "", "") for verdict in verdicts)
    now = dt.datetime.now(dt.UTC)
    return Run("lab", "segmented", "", "", "", "", now, now, ("reach",), results, error=error)


@pytest.mark.parametrize(
    ("verdicts", "error", "expected"),
    [
        ((), "", UNCLEAR),
        ((), "it died", UNCLEAR),
        ((SKIPPED,), "", UNCLEAR),
        ((SKIPPED, SKIPPED), "", UNCLEAR),
        ((PASS,), "", PASS),
        ((PASS, SKIPPED), "", PASS),
        ((PASS,), "it died", UNCLEAR),
        ((PASS, UNCLEAR), "", UNCLEAR),
        ((PASS, FAIL), "", FAIL),
        ((PASS, UNCLEAR, FAIL, SKIPPED), "", FAIL),
        ((FAIL,), "it died", FAIL),
    ],
)
def test_verdict_of_a_run(verdicts: tuple[Verdict, ...], error: str, expected: Verdict) -> None:
    assert _run(verdicts, error).verdict is expected
