"""Which methods stand out in figures of many: the others are thin and grey, and named beside the curves and in the tables."""

from __future__ import annotations

from reports import numbers
from reports.summary import Method, Summary, is_random

MOST_COLOURED = 8
"""Methods of which a reader can still follow each: with more, a few are coloured."""
_LEADERS = 3
"""Of each model at most, besides random search."""


def crowded(summary: Summary) -> bool:
    """Whether there are more methods than can each be followed."""
    return summary.truth is not None and len(summary.methods) > MOST_COLOURED


def emphasised(summary: Summary) -> frozenset[Method]:
    """All methods where they are few; of many random search and who is highest of a model at one of its budgets, by the truth.

    Of each model three besides random search, larger budgets first; of methods that score the same, which are highest all, those first
    that spent less. Guided by the first verifier, in every figure alike.
    """
    if not crowded(summary):
        return frozenset(summary.methods)
    chosen = [method for method in summary.methods if is_random(method.search)]
    for model in {method.model for method in summary.methods}:
        highest = [method for method in _highest(summary, model) if not is_random(method.search)]
        chosen += list(dict.fromkeys(highest))[:_LEADERS]
    return frozenset(chosen)


def _highest(summary: Summary, model: str) -> list[Method]:
    """The highest methods of a model at each of its budgets, the largest budget first: all that score the same as printed."""
    by_budget: dict[tuple[str, float], list[tuple[float, float, Method]]] = {}
    for method in (method for method in summary.methods if method.model == model):
        curve = summary.curve(method, summary.runs.verifiers[0], str(summary.truth)).dropna(subset=["mean"])
        for budget, mean, spent in zip(curve["budget"], curve["mean"], curve["flops"], strict=True):
            by_budget.setdefault((method.budget_unit, -budget), []).append((mean, spent, method))
    found = []
    for _, points in sorted(by_budget.items()):
        most = max(mean for mean, _, _ in points)
        same = [(spent, method) for mean, spent, method in points if numbers.score(mean) == numbers.score(most)]
        found += [method for _, method in sorted(same)]
    return found


def emphasis_note(summary: Summary) -> str:
    """What a reader has to know of the colours; empty where every method has one."""
    if not crowded(summary):
        return ""
    return (
        f"Of {len(summary.methods)} methods those are coloured that are random search or the highest of their model at one of its budgets "
        f"({_LEADERS} of a model at most, larger budgets first, of those that score the same who spent less), so chosen by this very "
        "result; the others are grey. The tables hold all of them, and say which can be told apart."
    )
