"""From the candidates of a finished search to the rows of the three tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import numpy as np
import torch

from harness.compute.ledger import Budget, Cost, Unit
from harness.search.base import Candidate, Plan, choose
from harness.seeds import path_name
from models.blank import NO_NUMBERS
from results.schema import OVERRUN, TOTALS
from suites.base import Prompt
from verifiers.base import UNASKED, Verifier

SaveImage = Callable[[torch.Tensor], str]
"""Saves uint8 [3, H, W] and returns its path within the run folder."""
AFTER_BUDGET = "after the budget"
CHEAP_ONLY = "judged by the cheap stage only"
NOTHING_FINISHED = "no finished candidate within the budget"


@dataclass(frozen=True, slots=True)
class Selected:
    """What a search returned for one prompt, verifier and budget."""

    prompt: Prompt
    budget: Budget
    parameters: str
    """The plan's parameters as JSON."""
    candidate: Candidate | None
    """None where no finished candidate was scored within the budget."""
    score: float
    considered: int
    spent: Cost
    """Up to the last candidate within the budget; where none is, up to the first, which has overspent."""
    reason: str
    """Why there is no candidate, "" where there is one."""
    overrun: float = 0.0
    """Seconds that the search went on after its budget, or after the prompt's own limit; NaN where none stopped it."""
    total: Cost | None = None
    """All that was run; None where no run was this budget's own, of which it is not known."""


def select(
    candidates: Sequence[Candidate],
    verifier: Verifier,
    prompt: Prompt,
    budget: Budget,
    plan: Plan,
    limit: Budget | None = None,
) -> Selected:
    """The choice among the candidates of one prompt that were scored before the budget, or its own limit, was spent."""
    limit = limit or budget
    affordable = [candidate for candidate in candidates if limit.affords(candidate.spent)]
    combined = combine(affordable, verifier)
    index = choose(affordable, list(combined))
    return Selected(
        prompt,
        budget,
        json.dumps(dict(plan.parameters), sort_keys=True),
        None if index is None else affordable[index],
        float("nan") if index is None else float(combined[index]),
        sum(candidate.complete for candidate in affordable),
        affordable[-1].spent if affordable else candidates[0].spent if candidates else Cost(),
        _why_none(affordable) if index is None else "",
    )


def overrun(spent: Cost, limit: Budget, shared: bool) -> float:
    """Seconds spent beyond a budget in seconds, NaN where one pool serves several; 0 under other units, which plans keep."""
    if limit.unit is not Unit.SECONDS:
        return 0.0
    if shared:
        return float("nan")
    return 0.0 if limit.affords(spent) else spent.seconds - limit.amount


def total(spent: Cost, run: Cost, limit: Budget, shared: bool) -> Cost | None:
    """All that was run for one budget. Of a pool that serves several it is what one alone would have run: `spent`, or, under a
    budget in seconds, not known."""
    if not shared:
        return run
    return None if limit.unit is Unit.SECONDS else spent


def _why_none(affordable: Sequence[Candidate]) -> str:
    reasons = [candidate.reason for candidate in affordable if candidate.complete]
    if not reasons:
        return NOTHING_FINISHED
    # Only where no picture was drawn at all is that the reason: reports count it as nothing returned.
    unscored = next((reason for reason in reasons if reason != NO_NUMBERS), NO_NUMBERS)
    return f"no candidate could be scored: {unscored}"


def tabled(
    candidates: Sequence[Candidate], verifier: Verifier, budget: Budget
) -> tuple[list[Candidate], list[float]]:
    """The candidates of one prompt that its table shows, with their scores.

    Those beyond a budget in seconds were made and paid for: they stay, unscored, as `AFTER_BUDGET`. Beyond any other
    budget lies only what a pool has made for a cheaper verifier; of this one it is no candidate.
    """
    within = [candidate for candidate in candidates if budget.affords(candidate.spent)]
    scores = combine(within, verifier).tolist()
    if budget.unit is not Unit.SECONDS:
        return within, scores
    late = [replace(one, reason=AFTER_BUDGET) for one in candidates if not budget.affords(one.spent)]
    return [*within, *late], [*scores, *[float("nan")] * len(late)]


def combine(candidates: Sequence[Candidate], verifier: Verifier) -> np.ndarray:
    """One comparable score per candidate of a prompt: float64 [N].

    Finished images are ranked among themselves: a preview, which cannot be returned, has no say in which is best.
    """
    if not candidates:
        return np.zeros(0)
    values_NM = np.array([candidate.values_M for candidate in candidates], dtype=np.float64)
    complete_N = np.array([candidate.complete for candidate in candidates])
    scores_N = verifier.combine(values_NM)
    if complete_N.any() and not complete_N.all():
        scores_N[complete_N] = verifier.combine(values_NM[complete_N])
    return scores_N


def candidate_rows(
    unit: Mapping[str, Any],
    prompt: Prompt,
    budget: Budget,
    candidates: Sequence[Candidate],
    scores: Sequence[float],
    truths: Sequence[float],
    images: Sequence[str],
) -> list[dict[str, Any]]:
    """Rows of `candidates`: one per scored image of one prompt, in the order of scoring."""
    return [
        {
            **unit, **_of_prompt(prompt), **_of_budget(budget),
            "order": candidate.order,
            "candidate": path_name(candidate.path),
            "parent": path_name(candidate.parent),
            "step": candidate.step,
            "complete": candidate.complete,
            "kept": candidate.kept,
            "score": float(score),
            "reason": _reason(candidate, score),
            "truth": truth,
            "image": image,
            **candidate.spent.as_columns(),
        }
        for candidate, score, truth, image in zip(candidates, scores, truths, images, strict=True)
    ]  # fmt: skip


def _reason(candidate: Candidate, score: float) -> str:
    """Why the score is NaN, or only an order."""
    if isnan(score):
        return candidate.reason
    return CHEAP_ONLY if UNASKED in candidate.values_M else ""


def selection_row(unit: Mapping[str, Any], selected: Selected, truncated: bool, image: str) -> dict[str, Any]:
    """A row of `selections`; `truncated` says that the generator has not read the prompt to its end."""
    candidate = selected.candidate
    return {
        **unit, **_of_prompt(selected.prompt), **_of_budget(selected.budget),
        "prompt": selected.prompt.text,
        "text_truncated": truncated,
        "parameters": selected.parameters,
        "candidate": "" if candidate is None else path_name(candidate.path),
        "score": selected.score,
        "considered": selected.considered,
        "image": image,
        **selected.spent.as_columns(),
        OVERRUN: selected.overrun,
        **_totals(selected.total),
    }  # fmt: skip


def _totals(total: Cost | None) -> dict[str, float]:
    if total is None:
        return dict.fromkeys(TOTALS.values(), float("nan"))
    return {TOTALS[name]: float(value) for name, value in total.as_columns().items()}


def score_rows(
    unit: Mapping[str, Any],
    prompt: Prompt,
    budget: Budget,
    metrics: Mapping[str, tuple[float, str]],
    cut: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Rows of `scores`: the metrics of one prompt under one budget, each a value and the reason why it is NaN or low.

    `cut` names the metrics that have not read the prompt to its end.
    """
    return [
        {
            **unit, **_of_prompt(prompt), **_of_budget(budget),
            "metric": metric,
            "value": value,
            "text_truncated": metric in cut,
            "reason": reason,
        }
        for metric, (value, reason) in metrics.items()
    ]  # fmt: skip


def _of_prompt(prompt: Prompt) -> dict[str, Any]:
    return {"prompt_id": prompt.id, "task": prompt.task}


def _of_budget(budget: Budget) -> dict[str, Any]:
    return {"budget_unit": budget.unit.value, "budget": float(budget.amount)}
