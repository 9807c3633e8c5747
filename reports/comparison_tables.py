"""Tables that set methods against each other: at equal compute, and at the same nominal budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from harness.compute import amounts
from reports import numbers
from reports.certainty import YES, has_intervals, settled, too_few
from reports.deadlines import after_deadline
from reports.equal_compute import Comparison
from reports.overlap import TOO_NARROW, moves_budget
from reports.same_budget import Shared
from reports.summary import Method, Summary, is_random
from reports.tables import Table, filled
from reports.verdict import score, where

SAME = "same to two decimals"
"""Of those that score highest, where these are several."""


def equal_tables(summary: Summary, verifier: str, found: Sequence[Shared]) -> tuple[Table, ...]:
    """Methods side by side, best first: under every budget, at the largest amount spent by most, and at smaller amounts."""
    under_budget = [one for each in found for one in each.comparisons if one.same_budget]
    largest = [each.judged for each in found if not each.judged.same_budget]
    smaller = [one for each in found for one in each.comparisons if not one.same_budget and one is not each.judged]
    truth = summary.metric_phrase(str(summary.truth)).capitalize()
    paired = (
        "The difference to the highest is paired by prompt; its 95 % intervals hold together for all methods at one amount."
        if has_intervals(summary) else f"The difference to the highest has no interval: {too_few(summary)}."
    )  # fmt: skip
    paired += f" “Highest” is a score, no verdict.{_too_narrow(summary)}"
    budget = f"{truth} of what each made of the same budget, guided by {verifier}; nothing is read between points. {paired}"
    spent = (
        f"{truth} at the same amount really spent per prompt, guided by {verifier}. “≈”: read between two measured budgets, by "
        f"interpolation in log(spent). {paired}"
    )
    return (
        _standings(summary, "equal-budget", "Under the same budget", budget, verifier, under_budget),
        _standings(summary, "equal-compute", "At the largest amount that curves of most models reach", spent, verifier, largest),
        _standings(summary, "equal-compute-smaller", "At smaller equal amounts spent", spent, verifier, smaller),
    )


def _standings(
    summary: Summary, name: str, title: str, caption: str, verifier: str, comparisons: Sequence[Comparison]
) -> Table:
    rows, raw, late, total = [], [], after_deadline(summary), len(summary.values)
    fewer = any(comparison.prompts < total for comparison in comparisons)
    for comparison in comparisons:
        for place, standing in enumerate(comparison.standings):
            method, (behind, low, high) = standing.method, standing.behind
            ends = numbers.with_width(low, high)
            point = {**method._asdict(), "verifier": verifier, "budget": comparison.amount}
            rows.append({
                "compared at": where(comparison), "model": method.model,
                "search": summary.search(method, comparison.budget_unit), "score": score(standing),
                "to the highest": numbers.difference(-behind, -high, -low) if place else numbers.NOTHING,
                "verdict": _place(comparison, place),
                **({"prompts": numbers.part(comparison.prompts, total)} if fewer else {}),
                **(late(point) if comparison.same_budget else {}),
            })  # fmt: skip
            raw.append({
                "axis": comparison.unit, "same_budget": comparison.same_budget, "amount": comparison.amount, **method._asdict(),
                "verifier": verifier, "mean": standing.mean, "low": standing.low, "high": standing.high,
                "behind": behind, "behind_low": ends[0], "behind_high": ends[1],
                "interpolated": standing.interpolated, "prompts": comparison.prompts,
            })  # fmt: skip
    return Table(name, title, caption, filled(rows), pd.DataFrame(raw))


def _place(comparison: Comparison, place: int) -> str:
    if place < len(comparison.leaders):
        return "highest" if len(comparison.leaders) == 1 else SAME
    sure = settled(*comparison.standings[place].behind[1:])
    return "behind" if sure == YES else sure


def paired_table(summary: Summary) -> Table:
    """AR against diffusion with the same search, and every search against random with the same model."""
    metric = str(summary.truth)
    rows, raw = [], []
    for ours, other in _pairs(summary):
        for verifier in summary.runs.verifiers:
            left, right = summary.curve(ours, verifier, metric), summary.curve(other, verifier, metric)
            for _, point in left.merge(right, on="budget", suffixes=("", "_other")).iterrows():
                budget = point["budget"]
                values = [summary.whole[metric, *method, verifier, budget] for method in (ours, other)]
                found = summary.sample.difference((values[0] - values[1]).to_numpy(dtype=float), summary.ends(metric))
                names = [summary.label(method, ours.budget_unit) for method in (ours, other)]
                ratios = {unit: numbers.quotient(point[unit], point[f"{unit}_other"]) for unit in summary.axes}
                rows.append({
                    "compared": " − ".join(names), "guided by": verifier,
                    "budget": amounts.budget(budget, ours.budget_unit), "difference": numbers.difference(*found),
                    **{f"{name} ratio": numbers.ratio(ratios[unit]) for unit, name in summary.axes.items()},
                })  # fmt: skip
                raw.append({
                    "model": ours.model, "search": ours.search, "other_model": other.model, "other_search": other.search,
                    "budget_unit": ours.budget_unit, "budget": budget, "verifier": verifier, "difference": found[0],
                    "low": found[1], "high": found[2], **{f"{unit}_ratio": ratios[unit] for unit in summary.axes},
                })  # fmt: skip
    caption = (
        f"Difference in the {summary.metric_phrase(metric)} at the same nominal budget, paired by prompt"
        f"{', with a 95 % interval that holds for this one alone' if has_intervals(summary) else ''}. The ratios are what the first "
        f"really spent over what the second spent: equal in the budget's own unit is rarely equal in the others.{_too_narrow(summary)}"
    )
    return Table("paired", "Paired differences at the same budget", caption, filled(rows), pd.DataFrame(raw))


def _too_narrow(summary: Summary) -> str:
    """What a caption adds where a method's intervals are."""
    return f" {TOO_NARROW}" if has_intervals(summary) and moves_budget(method.search for method in summary.methods) else ""


def _pairs(summary: Summary) -> Iterator[tuple[Method, Method]]:
    families = summary.families
    pairs = [(a, b) for a in summary.methods for b in summary.methods if a.budget_unit == b.budget_unit]
    for ours, other in pairs:
        if ours.search == other.search and (families[ours.model], families[other.model]) == ("ar", "diffusion"):
            yield ours, other
    for ours, other in pairs:
        if ours.model == other.model and is_random(other.search) and not is_random(ours.search):
            yield ours, other
