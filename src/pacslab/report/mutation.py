"""A mutation score -> a table operator by operator, then survivors and disagreements, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pacslab.model.mutation import Kind, Notice, Score, Scored

_MOST = 60  # survivors printed; --json has all


def print_score(console: Console, score: Score) -> None:
    """Print the whole score."""
    console.print(_table(score))
    console.print()
    for line in summary(score):
        console.print(line)
    _survivors(console, "proof does not fail", score.survivors_of_proof)
    _survivors(console, "reach passes", score.survivors_of_reach)
    for one in score.disagreements:
        assert one.live is not None
        console.print(Text.assemble(("other than foreseen ", "bold red"), f"{one.id}: {one.what}"))
        for words in one.live.disagreements:
            console.print(Text(f"    {words}", style="dim"))


def summary(score: Score) -> Iterable[str]:
    """The figures, in whole sentences."""
    count = {kind: len(score.of_kind(kind)) for kind in Kind}
    meaning, latent = count[Kind.MEANING], count[Kind.LATENT]
    part = "" if len(score.mutants) == score.of else f" of {score.of}"
    mutants = f"{len(score.mutants)}{part} mutants of lab {score.lab}"
    yield (
        f"{mutants}: {meaning} change what packets can do, {latent} only take "
        f"away a second line of defence, {count[Kind.EVIDENCE]} change evidence only, {count[Kind.EQUIVALENT]} nothing"
    )
    doubted = sum(one.reach is Notice.DOUBTED for one in score.of_kind(Kind.MEANING))
    yield f"proof fails {_percent(score.proof_share)} of the {meaning + latent} that let some packet end otherwise"
    yield (
        f"reach alone does not pass {_percent(score.reach_share)} of the {meaning} that a packet can show "
        f"({doubted} of them inconclusive, the others failed), by {score.probes} probes"
    )
    evidence = score.of_kind(Kind.EVIDENCE)
    by_proof = sum(one.proof is Notice.CAUGHT for one in evidence)
    by_reach = sum(one.reach is not Notice.UNSEEN for one in evidence)
    yield f"of the {len(evidence)} that change evidence only, proof fails {by_proof} and reach does not pass {by_reach}"
    yield f"scored without a lab in {score.static_s:.1f} s"
    tried = [one.live for one in score.mutants if one.live is not None]
    if tried:
        per = sum(live.elapsed_s for live in tried) / len(tried)
        open_s = sum(live.open_s for live in tried) / len(tried)
        yield (
            f"{len(tried)} tried live in {score.live_s:.1f} s, {per:.2f} s each, {open_s:.2f} s in force; "
            f"{len(tried) - len(score.disagreements)} ended exactly as foreseen"
        )


def _table(score: Score) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("operator")
    for name in ("mutants", "same", "evidence", "latent", "meaning", "proof", "reach", "in doubt", "survive reach"):
        table.add_column(name, justify="right")
    for tally in score.tallies:
        survive = tally.meaning - tally.reach - tally.doubted
        numbers = (
            *(tally.mutants, tally.equivalent, tally.evidence, tally.latent, tally.meaning),
            *(
                f"{tally.proof}/{tally.meaning + tally.latent}",
                f"{tally.reach}/{tally.meaning}",
                tally.doubted,
                survive,
            ),
        )
        table.add_row(tally.operator, *(str(number) if number else "" for number in numbers))
    return table


def _survivors(console: Console, what: str, survivors: tuple[Scored, ...]) -> None:
    for one in survivors[:_MOST]:
        console.print(Text.assemble((f"{what} ", "bold red"), f"{one.id}: {one.what}"))
        console.print(Text(f"    {one.effect}", style="dim"))
        if one.missing:
            console.print(Text(f"    would be seen by {one.missing}", style="dim"))
    if len(survivors) > _MOST:
        console.print(f"... and {len(survivors) - _MOST} more; --json has all")


def _percent(share: float) -> str:
    """Never rounded up to all."""
    return "100 %" if share == 1 else f"{int(share * 1000) / 10:.1f} %"
