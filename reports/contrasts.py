"""Tables that set methods against each other: at equal compute, and at the same nominal budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from reports import numbers
from reports.equal import Comparison
from reports.points import AXES, Method, Summary, metric_phrase
from reports.tables import Table, filled


def equal_tables(summary: Summary, verifier: str, comparisons: Sequence[Comparison]) -> tuple[Table, Table]:
    """Methods read at the same amount of each unit, best first: at the largest amount all reach, and at smaller ones."""
    largest = {comparison.unit: comparison for comparison in comparisons}
    smaller = [comparison for comparison in comparisons if comparison is not largest[comparison.unit]]
    how = (
        f"{metric_phrase(str(summary.truth)).capitalize()} at the same amount spent per prompt, guided by {verifier}. "
        "Curves are read between measured budgets by interpolation in log(spent). “Behind the best” is paired by prompt, "
        "with its 95 % interval; several comparisons are made without a correction."
    )
    return (
        _standings("equal-compute", "At the largest amount that most methods reach", how, verifier, list(largest.values())),
        _standings("equal-compute-smaller", "At smaller equal amounts", how, verifier, smaller),
    )


def _standings(name: str, title: str, caption: str, verifier: str, comparisons: Sequence[Comparison]) -> Table:
    rows, raw = [], []
    for comparison in comparisons:
        for place, standing in enumerate(comparison.standings):
            verdict = "behind" if standing.separable else "not separable from the best"
            if place and math.isnan(standing.behind[1]):
                verdict = "too few prompts to tell"
            method = standing.method
            rows.append({
                "unit": AXES[comparison.unit], "amount": numbers.amount(comparison.amount, comparison.unit),
                "model": method.model, "search": method.search,
                "score": numbers.score(standing.mean, standing.low, standing.high),
                "behind the best": numbers.difference(*standing.behind) if place else numbers.NOTHING,
                "verdict": verdict if place else "best",
            })  # fmt: skip
            raw.append({
                "axis": comparison.unit, "amount": comparison.amount, **method._asdict(), "verifier": verifier,
                "mean": standing.mean, "low": standing.low, "high": standing.high,
                "behind": standing.behind[0], "behind_low": standing.behind[1], "behind_high": standing.behind[2],
            })  # fmt: skip
    return Table(name, title, caption, filled(rows), pd.DataFrame(raw))


def paired_table(summary: Summary) -> Table:
    """AR against diffusion with the same search, and every search against random with the same model."""
    metric = str(summary.truth)
    rows, raw = [], []
    for ours, other in _pairs(summary):
        for verifier in summary.runs.verifiers:
            left, right = summary.curve(ours, verifier, metric), summary.curve(other, verifier, metric)
            for _, point in left.merge(right, on="budget", suffixes=("", "_other")).iterrows():
                budget = point["budget"]
                values = [summary.values[metric, *method, verifier, budget] for method in (ours, other)]
                found = summary.bootstrap.overall((values[0] - values[1]).to_numpy(dtype=float))
                ratios = {unit: point[unit] / point[f"{unit}_other"] for unit in AXES}
                rows.append({
                    "compared": f"{summary.label(ours)} − {summary.label(other)}", "guided by": verifier,
                    "budget": f"{budget:g} {ours.budget_unit}", "difference": numbers.difference(*found),
                    **{f"{name} ratio": numbers.ratio(ratios[unit]) for unit, name in AXES.items()},
                })  # fmt: skip
                raw.append({
                    "model": ours.model, "search": ours.search, "other_model": other.model, "other_search": other.search,
                    "budget_unit": ours.budget_unit, "budget": budget, "verifier": verifier, "difference": found[0],
                    "low": found[1], "high": found[2], **{f"{unit}_ratio": ratios[unit] for unit in AXES},
                })  # fmt: skip
    caption = (
        f"Difference in the {metric_phrase(metric)} at the same nominal budget, paired by prompt, with its 95 % "
        "interval. The ratios are what the first really spent over what the second spent: equal in the budget's own "
        "unit is rarely equal in the others."
    )
    return Table("paired", "Paired differences at the same budget", caption, filled(rows), pd.DataFrame(raw))


def _pairs(summary: Summary) -> Iterator[tuple[Method, Method]]:
    families = summary.families
    pairs = [(a, b) for a in summary.methods for b in summary.methods if a.budget_unit == b.budget_unit]
    for ours, other in pairs:
        if ours.search == other.search and (families[ours.model], families[other.model]) == ("ar", "diffusion"):
            yield ours, other
    for ours, other in pairs:
        if ours.model == other.model and other.search.startswith("random") and not ours.search.startswith("random"):
            yield ours, other
