"""A lab file -> a lab that is up while a test needs it, and hands on its nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Self

from pacslab.checks import run as checks
from pacslab.checks.catalogue import CATALOGUE, SUITES
from pacslab.compiler.compile import compile_lab
from pacslab.engine import converge, down
from pacslab.engine.docker import Docker
from pacslab.engine.docker_values import Executed
from pacslab.engine.state import State
from pacslab.errors import Exit, PacslabError
from pacslab.labfile.load import load
from pacslab.model.device import Observation, parse_observation
from pacslab.model.lab import Posture
from pacslab.model.plan import File, Plan, PlannedNode
from pacslab.model.verdict import Run
from pacslab.report import json
from pacslab.report.seats import Seats

Progress = Callable[[str, int, int], None]


class CommandFailed(AssertionError):  # noqa: N818 - read as a sentence in a test's report
    """A command in a node ended with another exit code than 0."""

    def __init__(self, node: str, argv: tuple[str, ...], ended: Executed) -> None:
        self.ended = ended
        words = (ended.stderr or ended.stdout).decode(errors="replace").strip()
        super().__init__(f"{node}: `{' '.join(argv)}` ended with {ended.exit_code}\n{words}")


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a lab that is up."""

    planned: PlannedNode
    container: str
    docker: Docker

    @property
    def name(self) -> str:
        """Its name, without its zone."""
        return self.planned.name

    @property
    def address(self) -> IPv4Address:
        """Its address in the lab."""
        return self.planned.address

    def exec(self, *argv: str, check: bool = True) -> Executed:
        """Run a command from the node's own seat, to its end.

        Args:
            argv: The command and its arguments; no shell reads them.
            check: Whether another exit code than 0 is a failure of the test.

        Raises:
            CommandFailed: It ended with another exit code than 0.
        """
        ended = self.docker.exec(self.container, argv)
        if check and ended.exit_code:
            raise CommandFailed(self.name, argv, ended)
        return ended

    def device(self, *argv: str) -> Observation:
        """Have the node's device try something; its refusals are observations, not errors.

        Raises:
            CommandFailed: The device could not even try: it has no such command, or was used wrongly.
        """
        ended = self.exec("device", *argv, check=False)
        try:
            return parse_observation(ended.stdout)
        except ValueError:
            raise CommandFailed(self.name, ("device", *argv), ended) from None

    def put(self, path: str, data: bytes) -> None:
        """Write a file in the node, readable by its program."""
        self.docker.put_files(self.container, ((File(path, "", 0o444), data),))

    def logs(self, tail: int = 100) -> str:
        """The last lines that the node wrote."""
        return self.docker.logs(self.container, tail)


class Lab:
    """A lab for tests: `with Lab("lab/minimal.yaml") as lab:` brings it up, and takes down what it brought up.

    A lab that is up already is used as it is, with whatever was done to it, and left up.
    """

    def __init__(self, file: str | Path, *, posture: Posture | None = None, progress: Progress | None = None) -> None:
        self.file = Path(file)
        self._posture = posture
        self._progress = progress or (lambda _stage, _done, _total: None)
        self._docker: Docker | None = None
        self._plan: Plan | None = None
        self._ours = False

    @property
    def plan(self) -> Plan:
        """What the lab's file says, compiled.

        Raises:
            LabFileError: The lab's files have errors.
        """
        if self._plan is None:
            self._plan = compile_lab(load(self.file).lab, self._posture)
        return self._plan

    @property
    def docker(self) -> Docker:
        """The engine it runs on.

        Raises:
            PacslabError: There is none that can be used.
        """
        if self._docker is None:
            self._docker = Docker.connect()
        return self._docker

    @property
    def state(self) -> State:
        """What it keeps on this machine, beside its file."""
        return State.beside(self.file, self.plan.lab)

    @property
    def is_up(self) -> bool:
        """Whether its fabric runs."""
        fabric = self.docker.find(self.plan.fabric.name)
        return fabric is not None and fabric.running

    def up(self) -> Self:
        """Bring it up, or to what its file says.

        Raises:
            PacslabError: The engine refused, or a service does not answer.
        """
        found = bool(self.docker.list(lab=self.plan.lab))
        with self.state.held("up, for tests"):
            converge.up(self.docker, self.plan, self.state, self._progress)
        self._ours = self._ours or not found
        return self

    def open(self) -> Self:
        """Bring it up unless it is up: then it is used as it is.

        Raises:
            PacslabError: The engine refused, or a service does not answer.
        """
        return self if self.is_up else self.up()

    def down(self) -> None:
        """Remove it: its containers, cables, rules, data and secrets."""
        down.down(self.docker, self.plan.lab, self._progress)
        self._ours = False

    def close(self) -> None:
        """End the use of it: take it down if it was brought up here; leave it if it was up before."""
        if self._ours:
            self.down()
        if self._docker is not None:
            self._docker.close()
            self._docker = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def node(self, name: str) -> Node:
        """The node of that name, `node` or `zone/node`.

        Raises:
            PacslabError: The lab has none.
        """
        try:
            planned = self.plan.node(name)
        except KeyError:
            known = ", ".join(node.name for node in self.plan.nodes)
            raise PacslabError(
                f"lab {self.plan.lab} has no node {name!r}", hint=f"its nodes: {known}", exit_code=Exit.USAGE
            ) from None
        container = next(one.name for one in self.plan.containers if one.node == planned.name)
        return Node(planned, container, self.docker)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All its nodes, zone by zone."""
        return tuple(self.node(node.name) for node in self.plan.nodes)

    def verify(self, *suites: str) -> Run:
        """Run suites of checks, all by default, and keep the report where `pacslab verify` does.

        Raises:
            PacslabError: The lab could not be examined.
        """
        live = self.state.read_plan() or self.plan
        chosen = tuple(suite for suite in SUITES if suite in suites or not suites)
        seats = Seats.of(self.plan)

        def write(run: Run) -> None:
            self.state.make()
            self.state.write("reports/verify.json", json.render(run, seats, CATALOGUE).encode())

        return checks.verify(self.docker, self.plan, live, chosen, write=write, progress=self._progress)
