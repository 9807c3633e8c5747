"""How far a verifier can be trusted: AUROC of its score against the truth."""

from __future__ import annotations

import pandas as pd

from reports import numbers
from reports.summary import Summary
from reports.tables import Table, filled
from verifiers.auroc import auroc, auroc_by_pool

_IMAGE = ["model", "search", "verifier", "seed", "prompt_id", "candidate", "step", "score"]
"""What makes two candidate rows the same image scored for two budgets."""
_POOL = ["prompt_id", "seed", "budget"]
"""What makes a pool of the candidates of one verifier, model and search."""


def trust_table(summary: Summary) -> Table:
    """AUROC of each verifier on the finished candidates of each model and search, within prompts and pooled."""
    table = summary.runs.candidates
    graded = table[table["complete"] & table["truth"].notna() & table["score"].notna()].drop_duplicates(_IMAGE)
    rows, raw = [], []
    for (verifier, model, search), part in graded.groupby(["verifier", "model", "search"], sort=False):
        entry = _row(summary, str(verifier), part)
        raw.append({"verifier": verifier, "model": model, "search": search, **entry})
        rows.append({
            "verifier": verifier, "model": model, "search": search,
            "AUROC within a prompt": numbers.score(entry["within"], entry["within_low"], entry["within_high"]),
            "AUROC pooled": numbers.score(entry["pooled"]), "best is right": numbers.share(entry["best_right"]),
            "one by chance is right": numbers.share(entry["chance"]), "images": len(part), "right": numbers.share(entry["right"]),
            "prompts with right and wrong": entry["prompts_with_both"],
        })  # fmt: skip
    caption = (
        "Probability that a right image scores above a wrong one (0.5: chance). Within a prompt is what a search "
        "needs: images of one prompt and one search compared, prompts averaged. Pooled mixes prompts; an ensemble's "
        "ranks cannot be pooled. “Best is right” is accuracy: of pools with right and wrong images, the share "
        "whose highest score is on a right one (ties counted by parts); “one by chance is right” is the share of right images in those "
        "pools, what blind choice gives; of both a prompt's pools are averaged first and then prompts, each weighing the same. "
        "Candidates of a guided search were bred for the score: random search is the fair row."
    )
    return Table("trust", "Trust in the verifiers", caption, filled(rows), pd.DataFrame(raw))


def _row(summary: Summary, verifier: str, part: pd.DataFrame) -> dict[str, float]:
    right = part["truth"] > 0.5
    by_prompt = auroc_by_pool(part["score"], right, part[_POOL]).groupby(level=0).mean()
    column = pd.Series(summary.values.index.get_level_values("prompt_id")).map(by_prompt)
    within, low, high = summary.sample.pooled(column.to_numpy(dtype=float))
    ranked = verifier in summary.runs.rank_verifiers
    best_right, chance = _accuracy(part.assign(right=right))
    return {
        "within": within, "within_low": low, "within_high": high,
        "pooled": float("nan") if ranked else auroc(part["score"], right),
        "best_right": best_right, "chance": chance, "images": len(part), "right": float(right.mean()), "prompts_with_both": len(by_prompt),
    }  # fmt: skip


def _accuracy(part: pd.DataFrame) -> tuple[float, float]:
    """Of pools with right and wrong images: how often the best-scored one is right, and the share of right images; mean over prompts."""
    pools = part.groupby(_POOL)
    both = pools["right"].transform("nunique") > 1
    best = part["score"] == pools["score"].transform("max")
    found = (part[chosen].groupby(_POOL)["right"].mean().groupby("prompt_id").mean().mean() for chosen in (both & best, both))
    best_right, chance = map(float, found)
    return best_right, chance
