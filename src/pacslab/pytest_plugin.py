"""`pytest --pacslab LAB` -> a test for every zone pair x service and for every further check, and the fixture `lab`.

Nothing of pacslab but this file is imported before somebody asks for a lab.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pacslab.errors import PacslabError
    from pacslab.model.verdict import Result
    from pacslab.testing.cases import Case
    from pacslab.testing.lab import Lab

_OPTION = "--pacslab"
_INI = "pacslab_lab"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pacslab` and its companions."""
    group = parser.getgroup("pacslab", "conformance of a pacslab lab")
    group.addoption(_OPTION, metavar="LAB", type=Path, help="Lab file: its conformance checks become tests.")
    group.addoption("--pacslab-only", metavar="SUITE,...", default="", help="Only these suites of checks.")
    group.addoption("--pacslab-keep", action="store_true", help="Leave a lab up that was brought up for the tests.")
    parser.addini(_INI, "Lab file of the fixture `lab` when --pacslab is not given.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """A lab file named by the option is collected like a test file; alone, if no other path was named."""
    file: Path | None = config.getoption(_OPTION)
    if file is None:
        return
    if not file.is_file():
        raise pytest.UsageError(f"{_OPTION}: there is no lab file {file}")
    if _is_worker(config) or getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(f"{_OPTION}: one process runs a lab; leave out -n")
    _suites(config)
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    config.args = [*(config.args if named else ()), str(file)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The lab file that the option names holds tests; every other YAML file does not."""
    file: Path | None = parent.config.getoption(_OPTION)
    if file is None or file_path != file.resolve():
        return None
    return LabFile.from_parent(parent, path=file_path)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which lab is tested."""
    file: Path | None = config.getoption(_OPTION)
    return f"pacslab: {file}" if file else None


@pytest.fixture(scope="session")
def lab_file(request: pytest.FixtureRequest) -> Path:
    """The lab file of the fixture `lab`; define a fixture of this name to choose another."""
    file: Path | None = request.config.getoption(_OPTION)
    ini = str(request.config.getini(_INI))
    if file is None and not ini:
        raise pytest.UsageError(f"the fixture `lab` needs a lab file: give {_OPTION} LAB, or set {_INI} in pytest.ini")
    return (file or request.config.rootpath / ini).resolve()


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, lab_file: Path) -> Iterator[Lab]:
    """The lab, up; one that was up is used as it is, one brought up for the tests is taken down at the end."""
    from pacslab.testing.lab import Lab  # noqa: PLC0415 - nobody pays for it who needs no lab

    it = Lab(lab_file).open()
    yield it
    if not request.config.getoption("--pacslab-keep"):
        it.close()


class LabFile(pytest.File):
    """A lab file as a collection of tests."""

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.results: dict[Case, list[Result]] | None = None
        self.judged: tuple[tuple[str, object], ...] = ()  # what was judged: for each test's properties in JUnit
        self.failure: Exception | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """A test for each case of the chosen suites."""
        from pacslab.errors import PacslabError  # noqa: PLC0415
        from pacslab.testing.cases import cases  # noqa: PLC0415
        from pacslab.testing.lab import Lab  # noqa: PLC0415

        try:
            plan = Lab(self.path).plan
        except PacslabError as error:
            raise self.CollectError(_sentence(error)) from error
        wanted = _suites(self.config)
        for case in cases(plan):
            if case.suite in wanted:
                yield CaseItem.of(self, case)

    def results_of(self, lab: Lab, case: Case) -> list[Result]:
        """A case's results; all checks are run when the first case asks, and a run that dies fails each of them."""
        from pacslab.testing.cases import sorted_out  # noqa: PLC0415

        if self.failure is not None:
            raise self.failure
        if self.results is None:
            suites = {item.case.suite for item in self.session.items if isinstance(item, CaseItem)}
            try:
                run = lab.verify(*suites)
                self.judged = (("plan", run.plan), ("ruleset", run.ruleset), ("posture", run.posture))
                self.results = sorted_out(lab.plan, run.results)
            except Exception as error:
                self.failure = error
                raise
        return self.results.get(case, [])


class NotAsRequired(Exception):  # noqa: N818 - read as a sentence in a test's report
    """Some result of a case is not as it should be."""


class CaseItem(pytest.Function):
    """One case as a test; it asks for the fixture `lab` as any test does."""

    case: Case

    @classmethod
    def of(cls, file: LabFile, case: Case) -> CaseItem:
        """The test of a case."""

        def judge(lab: Lab) -> None:
            from pacslab.model.verdict import Verdict  # noqa: PLC0415
            from pacslab.testing.cases import told  # noqa: PLC0415

            results = file.results_of(lab, case)
            item.user_properties += file.judged
            words = told(results)
            if words:
                raise NotAsRequired(words)
            if not results:
                pytest.skip("nothing in this lab to check")
            if all(result.verdict is Verdict.SKIPPED for result in results):
                pytest.skip("; ".join(dict.fromkeys(result.reason for result in results)))

        item: CaseItem = cls.from_parent(file, name=f"{case.suite}[{case.name}]", callobj=judge)
        item.case = case
        return item

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str | object:  # type: ignore[override]
        """The checks' own words; where pacslab was used wrongly or refused, its sentence."""
        from pacslab.errors import PacslabError  # noqa: PLC0415

        if isinstance(excinfo.value, NotAsRequired):
            return str(excinfo.value)
        if isinstance(excinfo.value, PacslabError):
            return _sentence(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where people find it: the lab file."""
        return self.path, None, self.name


def _sentence(error: PacslabError) -> str:
    from pacslab.errors import LabFileError  # noqa: PLC0415

    if isinstance(error, LabFileError):
        return "\n".join([*(str(diagnostic) for diagnostic in error.diagnostics), error.message])
    return f"{error.message}\n  hint: {error.hint}" if error.hint else error.message


def _suites(config: pytest.Config) -> frozenset[str]:
    """The chosen suites.

    Raises:
        UsageError: There is no suite of that name.
    """
    from pacslab.checks.catalogue import SUITES  # noqa: PLC0415

    chosen = [name.strip() for name in str(config.getoption("--pacslab-only")).split(",") if name.strip()]
    for name in chosen:
        if name not in SUITES:
            raise pytest.UsageError(f"--pacslab-only: there is no suite {name!r}; there are {', '.join(SUITES)}")
    return frozenset(chosen or SUITES)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
