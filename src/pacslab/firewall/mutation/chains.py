"""Operators on base chains: policy accept, another priority, another hook, no chain at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pacslab.firewall.mutation.edit import Operator, Variants, with_chain
from pacslab.model.policy import Policy
from pacslab.model.ruleset import Base, Chain, Hook, Table

# Before connection tracking, just after it, and after all other filters (NF_IP_PRI_RAW, _MANGLE, _LAST).
_PRIORITIES = ("-300", "-150", "100")


def _bases(table: Table) -> Iterator[tuple[Chain, Base]]:
    return ((chain, chain.base) for chain in table.chains if chain.base is not None)


def _default_accept(table: Table, _policy: Policy) -> Variants:
    for chain, base in _bases(table):
        open_ = replace(chain, base=replace(base, policy="accept"))
        yield f"policy of {chain.name} is accept", with_chain(table, chain, open_)


def _no_end(table: Table, _policy: Policy) -> Variants:
    """Default accept, and the last rule of the chain forgotten with it."""
    for chain, base in _bases(table):
        open_ = replace(chain, base=replace(base, policy="accept"), rules=chain.rules[:-1])
        yield f"policy of {chain.name} is accept, and its last rule is gone", with_chain(table, chain, open_)


def _priority(table: Table, _policy: Policy) -> Variants:
    for chain, base in _bases(table):
        for priority in _PRIORITIES:
            moved = replace(chain, base=replace(base, priority=priority))
            yield f"{chain.name} at priority {priority}", with_chain(table, chain, moved)


def _hook(table: Table, _policy: Policy) -> Variants:
    for chain, base in _bases(table):
        for hook in Hook:
            if hook is not base.hook:
                moved = replace(chain, base=replace(base, hook=hook))
                yield f"{chain.name} attached to hook {hook.value}", with_chain(table, chain, moved)


def _gone(table: Table, _policy: Policy) -> Variants:
    for chain, _ in _bases(table):
        yield f"chain {chain.name} gone", with_chain(table, chain)


def _unhooked(table: Table, _policy: Policy) -> Variants:
    for chain, _ in _bases(table):
        yield f"chain {chain.name} attached to no hook", with_chain(table, chain, replace(chain, base=None))


CHAINS = (
    Operator("default-accept", "A base chain accepts what none of its rules names.", _default_accept),
    Operator("open-end", "A base chain accepts by default, and its last rule is gone.", _no_end),
    Operator("change-priority", "A base chain comes at another time, before or after connection tracking.", _priority),
    Operator("change-hook", "A base chain is attached to another hook.", _hook),
    Operator("delete-chain", "A base chain is gone.", _gone),
    Operator("unhook-chain", "A base chain is attached to no hook.", _unhooked),
)
