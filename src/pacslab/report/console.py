"""A conformance run -> a zone x zone truth table, and every result that is not green with its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pacslab.model.plan import Plan
from pacslab.model.verdict import Check, Result, Run, Verdict

MOST_SHOWN = 20
_STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow", Verdict.SKIPPED: "dim"}


def print_run(console: Console, run: Run, plan: Plan, catalogue: Iterable[Check]) -> None:
    """Print a run for people."""
    checks = {check.id: check for check in catalogue}
    if any(result.check.startswith("REACH") for result in run.results):
        console.print(_truth_table(run, plan))
        console.print()
    console.print(_by_check(run, checks))
    shown = [result for result in run.results if result.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE}]
    for result in shown[:MOST_SHOWN]:
        for line in _lines(result, checks):
            console.print(line)
    if len(shown) > MOST_SHOWN:
        console.print(f"\n... and {len(shown) - MOST_SHOWN} more, all in the JSON report")
    console.print()
    console.print(_conclusion(run))


def _truth_table(run: Run, plan: Plan) -> Table:
    """Rows initiate, columns respond; a cell says how many of its probes were allowed and denied, or what is wrong."""
    zone = {node.name: node.zone for node in plan.nodes}
    cells: dict[tuple[str, str], Counter[str]] = {}
    for result in run.results:
        if result.check.startswith("REACH") and result.source in zone:
            word = result.verdict.value
            if result.verdict is Verdict.PASS:
                word = "allowed" if result.conduit else "denied"
            cells.setdefault((zone[result.source], zone[result.destination]), Counter())[word] += 1
    table = Table("from \\ to", *(z.name for z in plan.zones), box=None, pad_edge=False)
    for row in plan.zones:
        table.add_row(row.name, *(_cell(cells.get((row.name, column.name))) for column in plan.zones))
    return table


def _cell(counts: Counter[str] | None) -> Text:
    if counts is None:
        return Text(".", style="dim")
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if counts[verdict.value]:
            return Text(f"{counts[verdict.value]} {verdict.value}", style=_STYLE[verdict])
    if counts["allowed"]:
        return Text(f"{counts['allowed']} open, {counts['denied']} shut", style="green")
    return Text(f"{counts['denied']} shut", style="dim green")


def _by_check(run: Run, checks: dict[str, Check]) -> Table:
    table = Table("check", "pass", "fail", "unclear", "skipped", "requirement", box=None, pad_edge=False)
    for identity in sorted({result.check for result in run.results}):
        counts = Counter(result.verdict for result in run.results if result.check == identity)
        cells = [
            Text(str(counts[verdict]), style=_STYLE[verdict] if counts[verdict] else "dim")
            for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.SKIPPED)
        ]
        table.add_row(identity, *cells, checks[identity].requirement)
    return table


def _lines(result: Result, checks: dict[str, Check]) -> Iterator[Text]:
    way = f" {result.source} -> {result.destination} {result.service}" if result.source else ""
    title = f"\n{result.verdict.value} {result.check}{way}"
    yield Text(title, style=_STYLE[result.verdict])
    yield Text(f"  requirement  {checks[result.check].requirement}")
    yield Text(f"  expected     {result.expected}")
    yield Text(f"  observed     {result.observed}")
    if result.evidence:
        yield Text(f"  evidence     {'; '.join(result.evidence)}")
    if result.reason:
        yield Text(f"  because      {result.reason}")
    if result.origin:
        yield Text(f"  written at   {result.origin}")


def _conclusion(run: Run) -> Text:
    counts = ", ".join(f"{run.count(verdict)} {verdict.value}" for verdict in Verdict if run.count(verdict))
    text = Text(f"{run.verdict.value}", style=_STYLE[run.verdict])
    text.append(f"  lab {run.lab}, posture {run.posture}: {counts or 'nothing was checked'}", style="none")
    if run.accounting:
        a = run.accounting
        text.append(
            f"\n{a.sent} probes sent = {a.arrived} arrived + {a.dropped} dropped + {a.lost} lost; {a.elapsed_s:.1f} s",
            style="none",
        )
    text.append(f"\nplan {run.plan[:12]}, ruleset {run.ruleset[:12]}, engine {run.engine}", style="none")
    return text
