"""Methods compared under the same budget: what each makes of what it was given, measured and not read between points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.compute import amounts
from reports.equal_compute import Comparison, LeftOut, compare, ranked, scored
from reports.readings import Reading, common_range, on_common_prompts
from reports.summary import Method, Summary


@dataclass(frozen=True, slots=True)
class Shared:
    """Comparisons in one unit, growing, and the one that the answer is read from."""

    comparisons: tuple[Comparison, ...]
    judged: Comparison


def at_same_budget(summary: Summary, verifier: str) -> tuple[Comparison, ...]:
    """A comparison for every budget at which two methods or more have scores, growing, one unit after another."""
    return tuple(comparison for comparison in all_at_same_budget(summary, verifier) if len(comparison.standings) > 1)


def all_at_same_budget(summary: Summary, verifier: str) -> tuple[Comparison, ...]:
    """One for every budget that two methods or more were given, growing, with fewer standings where scores are missing.

    Units are in the order of the runs; under a budget in one of them only those stand that were given it in this one.
    """
    return tuple(comparison for unit in _units(summary) for comparison in _at_same_budget(summary, verifier, unit))


def _units(summary: Summary) -> list[str]:
    return [str(unit) for unit in summary.runs.selections["budget_unit"].unique()]


def _at_same_budget(summary: Summary, verifier: str, unit: str) -> tuple[Comparison, ...]:
    given, found = _given(summary, verifier, unit), []
    for budget in sorted({budget for budgets in given.values() for budget in budgets}):
        asked = [method for method in given if budget in given[method]]
        if len(asked) > 1:
            kept, prompts = on_common_prompts(summary, {method: _scores(summary, method, verifier, budget) for method in asked})
            left_out = (
                LeftOut(method, min(each), max(each), scored(summary, method, verifier, budget) if method in asked else "")
                for method, each in given.items() if method not in kept
            )  # fmt: skip
            found.append(Comparison(unit, budget, True, ranked(summary, kept), tuple(left_out), prompts))
    return tuple(found)


def of_one_method(summary: Summary, verifier: str) -> dict[Method, list[str]]:
    """Methods with the budgets that no other method was run under, as text: nothing is compared there."""
    found: dict[Method, list[str]] = {}
    for unit in _units(summary):
        given = _given(summary, verifier, unit)
        for budget in sorted({budget for budgets in given.values() for budget in budgets}):
            asked = [method for method in given if budget in given[method]]
            if len(asked) == 1:
                found.setdefault(asked[0], []).append(amounts.budget(budget, unit))
    return found


def at_equal_compute(summary: Summary, unit: str, verifier: str) -> tuple[Comparison, ...]:
    """At the smallest, middle (geometric) and largest amount of `unit` that most curves cover; fewer where they nearly coincide."""
    span = common_range(summary, unit, verifier)
    if span is None:
        return ()
    low, high = span
    read_at = [high] if high < 1.1 * low else [low, high] if high < 1.6 * low else [low, (low * high) ** 0.5, high]
    found = [compare(summary, unit, amount, verifier) for amount in read_at]
    return tuple(comparison for comparison in found if len(comparison.standings) > 1)


def shared(summary: Summary, verifier: str) -> tuple[Shared, ...]:
    """First the runs' own units, by budget, judged where most meet; then the other axes, by what was spent, at the most.

    Where budgets bring fewer methods together than spending does (runs with other budgets in one report), all are by
    what was spent. Where each method has one budget, and so one point, those that spent the same do so by chance: nothing is
    compared by what was spent.
    """
    spent = {unit: Shared(found, found[-1]) for unit in summary.axes if (found := at_equal_compute(summary, unit, verifier))}
    by_budget = at_same_budget(summary, verifier)
    if by_budget:
        units = _units(summary)
        fullest = max(by_budget, key=lambda one: (_coverage(one), -units.index(one.unit), one.amount))
        rival = spent.get(fullest.unit)
        if rival is None or _coverage(fullest) >= _coverage(rival.judged):
            if of_one_budget(summary, verifier):
                return (Shared(by_budget, fullest),)
            for one in by_budget:
                spent.pop(one.unit, None)
            return Shared(by_budget, fullest), *spent.values()
    return tuple(spent.values())


def of_one_budget(summary: Summary, verifier: str) -> bool:
    """Whether each method that this verifier guided was given one budget."""
    return all(len(given) == 1 for (_, by), given in summary.given.items() if by == verifier)


def _coverage(comparison: Comparison) -> tuple[int, int]:
    methods = [standing.method for standing in comparison.standings]
    return len({method.model for method in methods}), len({(method.model, method.search) for method in methods})


def _given(summary: Summary, verifier: str, unit: str) -> dict[Method, list[float]]:
    """The budgets in one unit of every method that was given any under this verifier."""
    asked = [method for method in summary.methods if method.budget_unit == unit and (method, verifier) in summary.given]
    return {method: [float(budget) for budget in summary.given[method, verifier]["budget"]] for method in asked}


def _scores(summary: Summary, method: Method, verifier: str, budget: float) -> Reading:
    """Each prompt's score; NaN throughout where the run has none by this metric."""
    column = (str(summary.truth), *method, verifier, budget)
    has = column in summary.values.columns
    return Reading(summary.whole[column].to_numpy(dtype=float)[:, None] if has else np.full((len(summary.values), 1), np.nan))
