"""A conformance run -> a zone x zone truth table, folded out where something failed, and the findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pacslab.model.verdict import Check, Result, Run, Verdict
from pacslab.report.cases import lines, unfinished
from pacslab.report.seats import Seats
from pacslab.report.truth import Cell, Pair, TruthTable, truth_table

MOST_SHOWN = 20
MOST_FOLDED = 6  # pairs of zones whose nodes are shown: a flat network is wrong everywhere
_STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow", Verdict.SKIPPED: "dim"}
_WRONG = (Verdict.FAIL, Verdict.INCONCLUSIVE)


def print_run(console: Console, run: Run, seats: Seats, catalogue: Iterable[Check]) -> None:
    """Print a run for people: the overview first, then what is wrong, the conclusion last."""
    checks = {check.id: check for check in catalogue}
    table = truth_table(run.results, seats)
    if table.pairs:
        console.print(_zones(table))
        console.print(Text("open: permitted, and it works; shut: not permitted, and seen to be stopped", style="dim"))
        for folded in _folded(table):
            console.print()
            console.print(folded)
        console.print()
    console.print(_by_check(run, checks))
    # Failures first, whatever suite found them; the same sort keeps each suite's own order.
    wrong = sorted((r for r in run.results if r.verdict in _WRONG), key=lambda r: _WRONG.index(r.verdict))
    for result in wrong[:MOST_SHOWN]:
        for line in _finding(result, checks):
            console.print(line)
    if len(wrong) > MOST_SHOWN:
        console.print(f"\n... and {len(wrong) - MOST_SHOWN} more, all in the reports")
    console.print()
    console.print(_conclusion(run))


def _zones(table: TruthTable) -> Table:
    """Rows initiate, columns respond; a cell says how many passages are open and shut, or what is wrong."""
    grid = Table("from \\ to", *table.zones, box=None, pad_edge=False)
    cells = {(pair.source, pair.destination): pair.cell for pair in table.pairs}
    for row in table.zones:
        grid.add_row(row, *(_cell(cells.get((row, column))) for column in table.zones))
    return grid


def _folded(table: TruthTable) -> Iterator[Table | Text]:
    """Of each pair of zones where something is wrong: its nodes."""
    wrong = [pair for pair in table.pairs if pair.cell.verdict in _WRONG]
    for pair in wrong[:MOST_FOLDED]:
        yield _nodes(pair)
    if len(wrong) > MOST_FOLDED:
        names = ", ".join(f"{pair.source} -> {pair.destination}" for pair in wrong[MOST_FOLDED:])
        yield Text(f"and something is wrong in {names}", style="yellow")


def _nodes(pair: Pair) -> Table:
    """The nodes of two zones; those where all is well between any two are left out."""
    cells = {(inner.source, inner.destination): inner.cell for inner in pair.inner}
    wrong = [ends for ends, cell in cells.items() if cell.verdict in _WRONG]
    rows, columns = (tuple(dict.fromkeys(ends[at] for ends in wrong)) for at in (0, 1))
    grid = Table(f"{pair.source} -> {pair.destination}", *columns, box=None, pad_edge=False)
    for row in rows:
        grid.add_row(row, *(_cell(cells.get((row, column))) for column in columns))
    return grid


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text(".", style="dim")
    if cell.verdict is Verdict.PASS and not cell.open:
        return Text(cell.words, style="dim green")
    return Text(cell.words, style=_STYLE[cell.verdict])


def _by_check(run: Run, checks: dict[str, Check]) -> Table:
    table = Table("check", "pass", "fail", "unclear", "skipped", "requirement", box=None, pad_edge=False)
    counts = Counter((result.check, result.verdict) for result in run.results)
    for identity in sorted({result.check for result in run.results}):
        cells = [
            Text(str(counts[identity, verdict]), style=_STYLE[verdict] if counts[identity, verdict] else "dim")
            for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.SKIPPED)
        ]
        table.add_row(identity, *cells, checks[identity].requirement)
    return table


def _finding(result: Result, checks: dict[str, Check]) -> Iterator[Text]:
    ends = " -> ".join(end for end in (result.source, result.destination) if end)
    way = " ".join(word for word in (result.verdict.value, result.check, ends, result.service) if word)
    yield Text(f"\n{way}", style=_STYLE[result.verdict])
    for word, text in lines(result, checks[result.check]):
        yield Text(f"  {word:<12} {text}")


def _conclusion(run: Run) -> Text:
    counts = ", ".join(f"{run.count(verdict)} {verdict.value}" for verdict in Verdict if run.count(verdict))
    text = Text(f"{run.verdict.value}", style=_STYLE[run.verdict])
    text.append(f"  lab {run.lab}, posture {run.posture}: {counts or 'nothing was checked'}", style="none")
    if why := unfinished(run):
        text.append(f"\n{why}", style="yellow")
    if run.accounting:
        a = run.accounting
        text.append(
            f"\n{a.sent} probes sent = {a.arrived} arrived + {a.dropped} dropped + {a.rejected} rejected"
            f" + {a.discarded} discarded + {a.lost} lost; {a.elapsed_s:.1f} s",
            style="none",
        )
    text.append(f"\nplan {run.plan[:12]}, ruleset {run.ruleset[:12]}, engine {run.engine}", style="none")
    return text
