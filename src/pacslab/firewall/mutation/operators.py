"""A ruleset and its policy -> every mutant of it: one operator at one place each, none of them twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacslab.firewall.mutation.additions import ADDITIONS
from pacslab.firewall.mutation.chains import CHAINS
from pacslab.firewall.mutation.edit import Operator
from pacslab.firewall.mutation.elements import ELEMENTS
from pacslab.firewall.mutation.evidence import EVIDENCE
from pacslab.firewall.mutation.rules import RULES
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Table

OPERATORS: tuple[Operator, ...] = (*RULES, *ELEMENTS, *ADDITIONS, *CHAINS, *EVIDENCE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A ruleset with one thing wrong."""

    operator: str
    number: int  # among the operator's, from 1
    what: str
    table: Table

    @property
    def id(self) -> str:
        """Its name, the same in every run on the same lab."""
        return f"{self.operator}-{self.number}"


def mutants(table: Table, policy: Policy, operators: Iterable[Operator] = OPERATORS) -> Iterator[Mutant]:
    """Break a ruleset in every way; outcomes that are alike, or like the original, come once or not at all."""
    seen = {table}
    for operator in operators:
        number = 0
        for what, outcome in operator.make(table, policy):
            if outcome not in seen:
                seen.add(outcome)
                number += 1
                yield Mutant(operator.name, number, what, outcome)
