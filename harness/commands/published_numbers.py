"""`vistas list published`: numbers printed in papers, with where each can be read."""

from __future__ import annotations

from collections.abc import Sequence

from results.papers import EVIDENCE, budget_text, chosen, lacking, read_papers, sources

HEADER = ("paper", "where", "suite", "metric", "task", "model", "search", "guided by", "budget", "value", "evidence")


def show(suite: str | None, models: Sequence[str]) -> None:
    """Print the rows of a suite and of some models, of all without them, the sources beneath, and which models have none there.

    Raises:
        WrongInput: as `chosen`.
    """
    from rich.console import Console
    from rich.table import Table

    every = read_papers()
    rows = chosen(every, suite, models)
    table = Table(*HEADER)
    for row in rows.to_dict("records"):
        named = [str(row[name]) for name in HEADER[:7]]
        table.add_row(*named, row["verifier"], budget_text(row["budget"], row["budget_unit"]), row["printed"], row["evidence"])
    console = Console()
    Console(width=max(console.width, 200), markup=False, highlight=False).print(table)
    console = Console(soft_wrap=True, markup=False, highlight=False)
    for label, address in sources(rows):
        console.print(f"{label}: {address}")
    for evidence in rows["evidence"].unique():
        console.print(f"{evidence}: {EVIDENCE[evidence]}")
    for line in lacking(every, suite, models):
        console.print(line)
