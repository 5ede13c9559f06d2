"""The document of `nft -j list ruleset` -> what is loaded, as conditions; what it does not know it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pacslab.errors import PacslabError
from pacslab.firewall.fields import Selector, parse_part, parse_selector
from pacslab.firewall.wording import rule_text
from pacslab.model.loaded import (
    Condition,
    Decision,
    Entry,
    Field,
    Loaded,
    LoadedChain,
    LoadedMap,
    LoadedRule,
    Step,
    Verdict,
)
from pacslab.model.ruleset import FAMILY, TABLE

IP_FAMILIES = frozenset({"inet", "ip", "ip6"})
CONNTRACK_PRIORITY = -200  # NF_IP_PRI_CONNTRACK
_PROVABLE_HOOKS = frozenset({"prerouting", "input", "forward", "output", "postrouting"})
# Statements that change nothing about the packet's way.
_SILENT = frozenset({"counter", "log"})
_IGNORED = frozenset({"metainfo", "table", "chain", "rule", "set", "map"})


class UnknownRuleError(PacslabError):
    """The loaded ruleset says something the proof does not understand; it never guesses."""


def read_back(document: Mapping[str, Any]) -> Loaded:
    """Read what nft lists.

    Raises:
        UnknownRuleError: An expression has no exact meaning here; the message holds the rule's text.
    """
    items = document.get("nftables", ())
    reader = _Reader(items)
    return reader.loaded()


class _Reader:
    """One listing: its named sets, and what was made of them."""

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self._items = list(items)
        self._sets: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        self._made: dict[tuple[str, str, str, Selector], tuple[Entry, ...]] = {}
        for item in self._items:
            for kind in ("set", "map"):
                if kind in item:
                    named = item[kind]
                    self._sets[named["family"], named["table"], named["name"]] = named

    def loaded(self) -> Loaded:
        rules: dict[tuple[str, str, str], list[LoadedRule]] = {}
        unproved = []
        for item in self._items:
            if "rule" in item:
                rule = item["rule"]
                if rule["family"] in IP_FAMILIES:
                    rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(self._rule(rule))
            unproved += [f"a {kind} that the proof knows nothing of: {kind}" for kind in item.keys() - _IGNORED]
        chains = []
        for item in self._items:
            if chain := item.get("chain"):
                if chain["family"] not in IP_FAMILIES or chain.get("hook", "forward") not in _PROVABLE_HOOKS:
                    if chain.get("hook"):
                        unproved.append(f"a chain outside the IP hooks: {_chain_text(chain)}")
                    continue
                if chain.get("type", "filter") != "filter":
                    unproved.append(f"a chain that may change packets: {_chain_text(chain)}")
                if chain.get("hook") in {"prerouting", "output"} and chain.get("prio") == CONNTRACK_PRIORITY:
                    unproved.append(f"a chain before or after connection tracking, who knows: {_chain_text(chain)}")
                chains.append(_chain(chain, tuple(rules.get((chain["family"], chain["table"], chain["name"]), ()))))
        tables = tuple((item["table"]["family"], item["table"]["name"]) for item in self._items if "table" in item)
        return Loaded(tables, tuple(chains), self._maps(), tuple(unproved))

    def _maps(self) -> tuple[LoadedMap, ...]:
        """Verdict maps of the lab's table, as the rules that look into them read them."""
        return tuple(
            LoadedMap(name, selector.fields, selector.family, entries)
            for (family, table, name, selector), entries in self._made.items()
            if (family, table) == (FAMILY, TABLE) and self._sets[family, table, name].get("map") == "verdict"
        )

    def _rule(self, rule: Mapping[str, Any]) -> LoadedRule:
        steps: list[Step] = []
        packets: int | None = None
        limited = False
        for expression in rule["expr"]:
            kind, value = next(iter(expression.items()))
            try:
                step = self._step(kind, value, rule)
            except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
                raise _unknown(rule, expression, error) from error
            if kind == "counter" and isinstance(value, dict):
                packets = int(value["packets"])
            limited |= kind == "limit"
            if limited and step is not None:  # what passes then depends on how much came before
                raise _unknown(rule, expression, "its verdict depends on a rate")
            if step is not None:
                steps.append(step)
        if rule["family"] != "inet":
            steps.insert(0, _of_family(4 if rule["family"] == "ip" else 6))
        return LoadedRule(rule.get("handle", 0), tuple(steps), rule_text(rule), rule.get("comment", ""), packets)

    def _step(self, kind: str, value: Any, rule: Mapping[str, Any]) -> Step | None:
        if kind in _SILENT or kind == "limit":
            return None
        if kind == "match":
            return self._match(value, rule)
        if kind == "vmap":
            selector = parse_selector(value["key"])
            return self._condition(selector, value["data"], rule, is_map=True)
        if kind == "reject":
            return Verdict(Decision.DROP)
        return _verdict({kind: value})

    def _match(self, match: Mapping[str, Any], rule: Mapping[str, Any]) -> Condition:
        selector, right, operator = parse_selector(match["left"]), match["right"], match["op"]
        negated = operator == "!="
        if operator not in {"==", "!=", "in"}:
            raise ValueError(f"operator {operator}")
        if selector.fields == (Field.FLAGS,):
            entries = selector.flag_entries(right, any_bit=operator == "in")
            return Condition(selector.fields, entries, negated, selector.family, selector.protocol)
        if isinstance(right, list):
            if operator != "in":
                raise ValueError("a list of values that is no set")
            right = {"set": right}
        return self._condition(selector, right, rule, negated=negated)

    def _condition(
        self, selector: Selector, data: Any, rule: Mapping[str, Any], *, negated: bool = False, is_map: bool = False
    ) -> Condition:
        name = ""
        if isinstance(data, str) and data.startswith("@"):
            name = data[1:]
            entries = self._named(rule["family"], rule["table"], name, selector, is_map=is_map)
        elif isinstance(data, dict) and "set" in data:
            members = data["set"] if isinstance(data["set"], list) else [data["set"]]
            entries = tuple(_entry(member, selector, is_map=is_map) for member in members)
        else:
            entries = (_entry(data, selector, is_map=is_map),)
        return Condition(selector.fields, entries, negated, selector.family, selector.protocol, name, is_map)

    def _named(self, family: str, table: str, name: str, selector: Selector, *, is_map: bool) -> tuple[Entry, ...]:
        key = (family, table, name, selector)
        if key not in self._made:
            listed = self._sets[family, table, name]
            if ("map" in listed) is not is_map or listed.get("map", "verdict") != "verdict":
                raise ValueError(f"{name} does not map to verdicts")
            self._made[key] = tuple(_entry(e, selector, is_map=is_map) for e in listed.get("elem", ()))
        return self._made[key]


def _entry(member: Any, selector: Selector, *, is_map: bool) -> Entry:
    verdict = None
    if is_map:
        member, said = member
        verdict = _verdict(said)
    about: Mapping[str, Any] = {}
    if isinstance(member, dict) and "elem" in member:
        about = member["elem"]
        member = about["val"]
    fields = selector.fields
    values = member["concat"] if len(fields) > 1 else [member]
    if len(values) != len(fields):
        raise ValueError("an element of another shape than its key")
    parts = tuple([parse_part(selector, place, value) for place, value in enumerate(values)])
    if not about:
        return Entry(parts, verdict)
    counter = about.get("counter")
    return Entry(
        parts,
        verdict,
        about.get("comment", ""),
        counter["packets"] if counter else None,
        about.get("timeout"),
        about.get("expires"),
    )


def _verdict(said: Mapping[str, Any]) -> Verdict:
    kind, value = next(iter(said.items()))
    return _VERDICTS.get(kind) or Verdict(Decision(kind), value["target"])


_VERDICTS = {
    decision.value: Verdict(decision)
    for decision in (Decision.ACCEPT, Decision.DROP, Decision.RETURN, Decision.CONTINUE)
}


def _of_family(family: int) -> Condition:
    return Condition((Field.FAMILY,), (Entry(((family, family),)),))


def _chain(chain: Mapping[str, Any], rules: tuple[LoadedRule, ...]) -> LoadedChain:
    return LoadedChain(
        chain["family"],
        chain["table"],
        chain["name"],
        rules,
        chain.get("hook", ""),
        int(chain.get("prio", 0)),
        chain.get("policy", "accept") if chain.get("hook") else "",
    )


def _chain_text(chain: Mapping[str, Any]) -> str:
    where = f"type {chain.get('type')} hook {chain.get('hook')} priority {chain.get('prio')}"
    return f"{chain['family']} {chain['table']} {chain['name']}, {where}"


def _unknown(rule: Mapping[str, Any], expression: Mapping[str, Any], why: object) -> UnknownRuleError:
    place = f"{rule['family']} {rule['table']} {rule['chain']} handle {rule.get('handle', '?')}"
    return UnknownRuleError(
        f"the proof does not know what this rule means ({place}): {rule_text(rule)}: {next(iter(expression))}: {why}",
        hint="nothing can be concluded while it is loaded: take it out by its handle",
    )
