"""What each search won or lost: a Markdown table for docs/searches.md (`python -m reports.standings FOLDER…`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness import markdown
from harness.compute import amounts
from reports.grades import Grades
from reports.missing import judged
from results.schema import GRADE

TOGETHER = ("suite", "model", "verifier", "budget", "budget_unit")
"""What searches have in common that are compared."""


def standings(folders: Sequence[Path]) -> str:
    """Each model's searches at each budget under each verifier, best first: grade, its difference to random search, and what was spent.

    Where a search returned no image within its budget the grade is 0. A difference is over the prompts and seeds that both
    searches have, its standard error that of the mean over prompts of what the seeds of a prompt have on average.
    """
    scores, spent = (
        pd.concat([pd.read_parquet(folder / f"{name}.parquet").assign(run=run) for run, folder in enumerate(folders)])
        for name in ("scores", "selections")
    )
    grades = judged(scores[scores["metric"] == GRADE], spent, Grades())
    columns = ("suite", "model", "guided by", "budget", "search", "grade", "prompts, seeds", "against random", "spent (NFE, GFLOP)")
    rows: list[tuple[str, ...]] = []
    spendings = spent.groupby(list(TOGETHER))
    for key, part in grades.groupby(list(TOGETHER)):
        of_it = spendings.get_group(key)
        suite, model, verifier, budget, unit = map(str, key)
        amount = amounts.budget(float(budget), unit)
        pivot = part.pivot_table(index=["prompt_id", "seed"], columns="search", values="value")
        means = pivot.mean().sort_values(ascending=False)
        for search, mean in zip((str(name) for name in means.index), means, strict=True):
            done = pivot[search].dropna().index
            prompts, seeds = (done.get_level_values(level).nunique() for level in ("prompt_id", "seed"))
            same = of_it[of_it["search"] == search]
            nfe, flops = float(same["nfe"].mean()), float(same["flops"].mean())
            rows.append((
                suite, model, verifier, amount, search, f"{float(mean):.3f}", f"{prompts}, {seeds}", _against(pivot, search),
                f"{nfe:.0f}, {flops / 1e9:.3g}",
            ))  # fmt: skip
    return markdown.table(columns, rows)


def _against(pivot: pd.DataFrame, search: str) -> str:
    if "random" not in pivot or search == "random":
        return "reference" if search == "random" else "no random search to compare with"
    difference = (pivot[search] - pivot["random"]).dropna()
    if difference.empty:
        return "no common prompts"
    values = difference.groupby(level="prompt_id").mean().to_numpy(dtype=float)
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{values.mean():+.3f} ± {error:.3f}"


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
