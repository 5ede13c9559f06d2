"""Ruleset text -> loaded nftables rules in one transaction; loaded rules -> JSON document, policy, deny counters."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacslab.fabric.refusal import Refusal

TABLE = "pacslab"
_FINGERPRINT = Path("/run/pacslab/ruleset.fingerprint")

# What a fabric enforces before it has a lab's rules: nothing gets through, nothing gets in.
DENY_ALL = """\
table inet pacslab
delete table inet pacslab
table inet pacslab {
	chain forward {
		type filter hook forward priority filter; policy drop;
		counter log prefix "pacslab:no-ruleset" group 1 drop comment "deny no-ruleset"
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
	}
}
"""

_PLACE = re.compile(r"^/dev/stdin:(?P<line>\d+):(?P<column>\d+)[-\d]*: (?P<text>.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Which ruleset was loaded, and how long that took."""

    sha256: str
    elapsed_s: float


def load(text: str) -> LoadReport:
    """Check a ruleset and load it in one transaction; what was loaded before stays if it is refused.

    Raises:
        Refusal: nft refused the text; the message holds nft's own words and the offending line.
    """
    started = time.monotonic()
    _take(text, "-c", "-f", "-")
    put(text)
    _FINGERPRINT.parent.mkdir(parents=True, exist_ok=True)
    _FINGERPRINT.write_text(fingerprint(document()), encoding="ascii")
    return LoadReport(hashlib.sha256(text.encode()).hexdigest(), round(time.monotonic() - started, 4))


def put(text: str) -> None:
    """Put a ruleset in force in one transaction, without making it what counts as loaded.

    Raises:
        Refusal: nft refused the text; nothing was changed.
    """
    _take(text, "-f", "-")


def _take(text: str, *options: str) -> None:
    done = _nft(*options, text=text)
    if done.returncode != 0:
        raise Refusal(
            f"nft refused the ruleset: {_explain(text, done.stderr)}",
            "the rules loaded before are still in force",
        )


def as_loaded() -> bool:
    """Say whether the rules are still what the last `load` made of them; counters do not count."""
    try:
        return _FINGERPRINT.read_text(encoding="ascii") == fingerprint(document())
    except FileNotFoundError:
        return False


def fingerprint(listed: dict[str, Any]) -> str:
    """SHA-256 of what `nft -j list ruleset` printed, without what changes while the rules stay the same."""
    text = json.dumps(_lasting(listed), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _lasting(value: Any) -> Any:
    """The value without handles, versions and counts; the elements of sets and maps in one order."""
    match value:
        case {"counter": {"packets": _}}:
            return {"counter": None}
        case dict():
            kept = {key: _lasting(item) for key, item in value.items() if key not in {"handle", "metainfo", "counter"}}
            return kept | ({"elem": sorted(kept["elem"], key=json.dumps)} if isinstance(kept.get("elem"), list) else {})
        case list():
            return [_lasting(item) for item in value]
    return value


def document() -> dict[str, Any]:
    """The loaded rules of this namespace, as `nft -j list ruleset` prints them.

    Raises:
        Refusal: nft could not list them.
    """
    return _list("list", "ruleset")


def denies_forwarding() -> bool:
    """Say whether `table inet pacslab` is loaded and drops what none of its rules accepts for forwarding."""
    chains = (item.get("chain", {}) for item in _list("list", "chains", "inet")["nftables"])
    return any(
        chain.get("table") == TABLE and chain.get("hook") == "forward" and chain.get("policy") == "drop"
        for chain in chains
    )


def is_loaded() -> bool:
    """Say whether `table inet pacslab` exists."""
    tables = (item.get("table", {}) for item in _list("list", "tables", "inet")["nftables"])
    return any(table.get("name") == TABLE for table in tables)


def deny_packets() -> int | None:
    """Sum the packet counters of all rules whose comment begins with "deny"; None without the table."""
    if not is_loaded():
        return None
    # Terse: the elements of the flows' map are not needed, and there may be thousands.
    listed = _list("-t", "list", "table", "inet", TABLE)["nftables"]
    return sum(
        int(expression["counter"]["packets"])
        for rule in (item["rule"] for item in listed if "rule" in item)
        if rule.get("comment", "").startswith("deny")
        for expression in rule["expr"]
        if isinstance(expression.get("counter"), dict)
    )


def _explain(text: str, stderr: str) -> str:
    place = _PLACE.search(stderr)
    if place is None:
        return stderr.strip() or "it gave no reason"
    number = int(place["line"])
    lines = text.splitlines()
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return f"line {number}, column {place['column']}: {place['text']}: {line!r}"


def _list(*arguments: str) -> dict[str, Any]:
    done = _nft("-j", *arguments)
    if done.returncode != 0:
        raise Refusal(f"nft could not list the rules: {done.stderr.strip()}")
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def _nft(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["nft", *arguments], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Refusal("the program nft is missing", "the fabric's image needs the package nftables") from None
