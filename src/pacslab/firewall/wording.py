"""A rule of nft's JSON -> the line nft would print, as near as it goes; what has no words here is shown as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def rule_text(rule: Mapping[str, Any]) -> str:
    """Write a rule as one line."""
    words = [_statement(*next(iter(expression.items()))) for expression in rule["expr"]]
    comment = [f'comment "{rule["comment"]}"'] if rule.get("comment") else []
    return " ".join([*words, *comment])


def _statement(kind: str, value: Any) -> str:
    try:
        match kind:
            case "match":
                operator = {"==": "", "in": "", "!=": "!= "}[value["op"]]
                return f"{_expression(value['left'])} {operator}{_expression(value['right'])}"
            case "vmap":
                return f"{_expression(value['key'])} vmap {_expression(value['data'])}"
            case "counter":
                return "counter"
            case "log":
                return " ".join(["log", *(f"{key} {_quoted(one)}" for key, one in value.items())])
            case "limit":
                return f"limit rate {value['rate']}/{value['per']}"
            case "jump" | "goto":
                return f"{kind} {value['target']}"
            case _ if value is None:
                return kind
    except (KeyError, TypeError, AttributeError):
        pass
    return json.dumps({kind: value})


def _expression(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_expression(one) for one in value)
    if not isinstance(value, dict):
        return str(value)
    kind, inside = next(iter(value.items()))
    return _read(kind, inside) or _written(kind, inside) or json.dumps(value)


def _read(kind: str, inside: Any) -> str:
    """What an expression reads of a packet."""
    match kind:
        case "payload":
            return f"{inside['protocol']} {inside['field']}"
        case "meta" if inside["key"] in {"iifname", "oifname", "iif", "oif"}:
            return str(inside["key"])
        case "meta" | "ct":
            return f"{kind} {inside['key']}"
        case "concat":
            return " . ".join(_expression(one) for one in inside)
        case "&":
            return f"{_expression(inside[0])} & ({_expression(inside[1])})"
    return ""


def _written(kind: str, inside: Any) -> str:
    """What it is compared with."""
    match kind:
        case "set":
            members = inside if isinstance(inside, list) else [inside]
            return "{ " + ", ".join(_member(one) for one in members) + " }"
        case "prefix":
            return f"{inside['addr']}/{inside['len']}"
        case "range":
            return f"{_expression(inside[0])}-{_expression(inside[1])}"
        case "|":
            return " | ".join(_expression(one) for one in inside)
        case "elem":
            return _expression(inside["val"])
    return ""


def _member(member: Any) -> str:
    if isinstance(member, list):
        key, verdict = member
        return f"{_expression(key)} : {_statement(*next(iter(verdict.items())))}"
    return _expression(member)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
