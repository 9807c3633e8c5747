"""How far a verifier can be trusted: how well its score orders the images of a prompt by their grades."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports import numbers
from reports.grades import VERDICTS
from reports.summary import Summary
from reports.tables import Table, filled
from verifiers.auroc import auroc, auroc_by_pool
from verifiers.concordance import concordance_by_pool

_IMAGE = ["model", "search", "verifier", "seed", "prompt_id", "candidate", "step", "score"]
"""What makes two candidate rows the same image scored for two budgets: it is in the pools of both, and counted once."""
_POOL = ["prompt_id", "seed", "budget_unit", "budget"]
"""What makes a pool of the candidates of one verifier, model and search."""
_FAIR = "Candidates of a guided search were bred for the score: random search is the fair row."
_OF_VERDICTS = (
    "Probability that a right image scores above a wrong one (0.5: chance). Within a prompt is what a search "
    "needs: images of one prompt and one search compared, prompts averaged. Pooled mixes prompts; an ensemble's "
    "ranks cannot be pooled. “Best is right” is accuracy: of pools with right and wrong images, the share "
    "whose highest score is on a right one (ties counted by parts); “one by chance is right” is the share of right images in those "
    "pools, what blind choice gives; of both a prompt's pools are averaged first and then prompts, each weighing the same."
)
_OF_SCORES = (
    "Concordance: of two images of one prompt and one search with different grades, the probability that the verifier scores the one "
    "with the higher grade above the other (0.5: chance; ties counted half), prompts averaged; where grades are right or wrong it is "
    "AUROC. “Grade of the best” is that of a pool's highest-scored image, in pools whose grades differ; “of one by chance” is what "
    "blind choice gives; “highest there” is the most that any choice from those pools has. Of all, a prompt's pools are averaged "
    "first and then prompts."
)
_OF_BOTH = "Tasks whose grades say right (1) or wrong (0) have rows apart from those whose grades are scores."


def within_name(kind: str) -> str:
    """What the order of a prompt's images is measured by, where all grades say right or wrong and where some are scores."""
    return "AUROC within a prompt" if kind == VERDICTS else "concordance within a prompt"


def trust_table(summary: Summary) -> Table:
    """AUROC of each verifier on the finished candidates of each model and search, or concordance where grades are scores."""
    table = summary.runs.candidates
    graded = table[table["complete"] & table["truth"].notna() & table["score"].notna()]
    kind_of = {prompt: summary.grades.kind(task) for task, prompt in summary.values.index}
    graded = graded.assign(grades=graded["prompt_id"].map(kind_of))
    rows, raw = [], []
    for (verifier, model, search, kind), part in graded.groupby(["verifier", "model", "search", "grades"], sort=False):
        entry = _measured(summary, str(verifier), str(kind), part)
        raw.append({"verifier": verifier, "model": model, "search": search, "grades": kind, **entry})
        rows.append({"verifier": verifier, "model": model, "search": search, **told_apart(summary, str(kind)), **_shown(summary, entry)})
    told = [_OF_VERDICTS] if summary.grades.kind() == VERDICTS else [_OF_SCORES, *([_OF_BOTH] if summary.grades.both else [])]
    return Table("trust", "Trust in the verifiers", " ".join([*told, _FAIR]), filled(rows), pd.DataFrame(raw))


def told_apart(summary: Summary, kind: str) -> dict[str, str]:
    """The cell that says which grades a row is about, where there are both kinds."""
    return {"grades": kind} if summary.grades.both else {}


def _shown(summary: Summary, entry: dict[str, float]) -> dict[str, Any]:
    kind = summary.grades.kind()
    within = {within_name(kind): numbers.score(entry["within"], entry["within_low"], entry["within_high"])}
    if kind == VERDICTS:
        return {
            **within, "AUROC pooled": numbers.score(entry["pooled"]), "best is right": numbers.share(entry["best"]),
            "one by chance is right": numbers.share(entry["chance"]), "images": entry["images"], "right": numbers.share(entry["grade"]),
            "prompts with right and wrong": entry["prompts_differing"],
        }  # fmt: skip
    return {
        **within, "grade of the best": numbers.score(entry["best"]), "of one by chance": numbers.score(entry["chance"]),
        "highest there": numbers.score(entry["highest"]), "images": entry["images"], "mean grade": numbers.score(entry["grade"]),
        "prompts with different grades": entry["prompts_differing"],
    }  # fmt: skip


def _measured(summary: Summary, verifier: str, kind: str, part: pd.DataFrame) -> dict[str, float]:
    of_pools = auroc_by_pool if kind == VERDICTS else concordance_by_pool
    by_prompt = of_pools(part["score"], part["truth"], part[_POOL]).groupby(level=0).mean()
    column = pd.Series(summary.values.index.get_level_values("prompt_id")).map(by_prompt)
    within, low, high = summary.sample.pooled(column.to_numpy(dtype=float))
    pooled, images = kind == VERDICTS and verifier not in summary.runs.rank_verifiers, part.drop_duplicates(_IMAGE)
    return {
        "within": within, "within_low": low, "within_high": high,
        "pooled": auroc(images["score"], images["truth"]) if pooled else float("nan"),
        **_chosen(part), "images": len(images), "grade": float(images["truth"].mean()), "prompts_differing": len(by_prompt),
    }  # fmt: skip


def _chosen(part: pd.DataFrame) -> dict[str, float]:
    """Of pools whose grades differ: the grade of the best-scored image, of one by chance, and the highest; mean over prompts."""
    pools = part.groupby(_POOL)
    differ = pools["truth"].transform("nunique") > 1
    best = part["score"] == pools["score"].transform("max")
    highest = part["truth"] == pools["truth"].transform("max")
    images = {"best": differ & best, "chance": differ, "highest": differ & highest}
    return {name: float(part[some].groupby(_POOL)["truth"].mean().groupby("prompt_id").mean().mean()) for name, some in images.items()}
