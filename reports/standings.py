"""What each search won or lost in a run: a Markdown table for docs/searches.md (`python -m reports.standings FOLDER`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

GRADE = "grade"


def standings(folder: Path) -> str:
    """Each model's searches at its largest budget, best first: grade, its difference to random search, and what was spent.

    A difference is over the prompts and seeds that both searches have; its standard error is that of the paired mean.
    """
    scores = pd.read_parquet(folder / "scores.parquet")
    spent = pd.read_parquet(folder / "selections.parquet")
    grades = scores[scores["metric"] == GRADE]
    lines = ["| model | search | budget | grade | against random | spent (NFE, TFLOP) |", "|---|---|---|---|---|---|"]
    for model in sorted({str(name) for name in grades["model"]}):
        part = grades[grades["model"] == model]
        largest = part[part["budget"] == part["budget"].max()]
        pivot = largest.pivot_table(index=["verifier", "seed", "prompt_id"], columns="search", values="value")
        means = pivot.mean().sort_values(ascending=False)
        for search, mean in zip((str(name) for name in means.index), means, strict=True):
            budget, unit = float(largest["budget"].iloc[0]), str(largest["budget_unit"].iloc[0])
            same = spent[(spent["model"] == model) & (spent["search"] == search) & (spent["budget"] == budget)]
            nfe, flops = float(same["nfe"].mean()), float(same["flops"].mean())
            lines.append(
                f"| {model} | {search} | {budget:g} {unit} | {float(mean):.3f} | "
                f"{_against(pivot, search)} | {nfe:.0f}, {flops / 1e12:.3g} |"
            )
    return "\n".join(lines)


def _against(pivot: pd.DataFrame, search: str) -> str:
    if "random" not in pivot or search == "random":
        return "reference" if search == "random" else "no random search to compare with"
    difference = (pivot[search] - pivot["random"]).dropna()
    if difference.empty:
        return "no common prompts"
    values = difference.to_numpy(dtype=float)
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{values.mean():+.3f} ± {error:.3f}"


def main() -> None:
    """Print the table of a run's folder."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "scores.parquet").is_file():
        sys.exit("give the folder of a finished run: python -m reports.standings results/runs/NAME")
    print(standings(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
