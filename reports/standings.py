"""What each search won or lost: a Markdown table for docs/searches.md (`python -m reports.standings FOLDER…`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness import markdown
from harness.compute import amounts
from reports.load import read_runs
from reports.statistics import OVERALL
from reports.summary import Summary, is_random, summarise
from results.schema import GRADE

_TOGETHER = ["model", "verifier", "budget_unit", "budget"]
"""What searches have in common that are compared."""


def standings(folders: Sequence[Path]) -> str:
    """Each model's searches at each budget under each verifier, best first: grade, its difference to random search, and what was spent.

    Means are those of a report of these runs, and so are the prompts of a difference; its standard error is that of a mean over
    tasks. Raises WrongInput and ConflictingRuns as `read_runs`.
    """
    summary = summarise(read_runs(folders))
    points = summary.points[(summary.points["metric"] == GRADE) & (summary.points["task"] == OVERALL)]
    rows: list[tuple[str, ...]] = []
    for _, part in points.groupby(_TOGETHER):
        best_first = part.sort_values("mean", ascending=False).to_dict("records")
        lines = [{str(name): value for name, value in line.items()} for line in best_first]
        random = next((line for line in lines if is_random(line["search"])), None)
        rows += [
            (
                line["model"], line["verifier"], amounts.budget(line["budget"], line["budget_unit"]), line["search"], f"{line['mean']:.3f}",
                str(line["prompts"]), _against(summary, line, random), f"{line['nfe']:.0f}, {line['flops'] / 1e9:.3g}",
            )
            for line in lines
        ]  # fmt: skip
    columns = ("model", "guided by", "budget", "search", "grade", "prompts", "against random", "spent (NFE, GFLOP)")
    return markdown.table(columns, rows)


def _against(summary: Summary, line: dict[str, Any], random: dict[str, Any] | None) -> str:
    if random is None or line is random:
        return "no random search to compare with" if random is None else "reference"
    mine, other = (
        summary.whole[GRADE, one["model"], one["search"], one["budget_unit"], one["verifier"], one["budget"]].to_numpy(dtype=float)
        for one in (line, random)
    )
    tasks = summary.sample.by_task((mine - other)[:, None])
    mean, error = float(tasks.over(tasks.mean_TG)[0]), float(tasks.error_G[0])
    difference = "0.000" if abs(mean) < 0.0005 else f"{mean:+.3f}"
    return difference if np.isnan(error) else f"{difference} ± {error:.3f}"


def main() -> None:
    """Print the table of one or several runs, on the same prompts."""
    folders = [Path(text) for text in sys.argv[1:]]
    missing = [folder for folder in folders if not (folder / "scores.parquet").is_file()]
    if not folders or missing:
        sys.exit(
            (f"{missing[0]} is no folder of a finished run; " if missing else "")
            + "give folders of finished runs: python -m reports.standings results/runs/NAME …"
        )
    print(standings(folders))


if __name__ == "__main__":
    main()
