"""Methods compared under the same budget: what each makes of what it was given, measured and not read between points."""

from __future__ import annotations

from dataclasses import dataclass

from reports.equal import Comparison, common_range, compare, ranked
from reports.points import AXES, Method, Summary


@dataclass(frozen=True, slots=True)
class Shared:
    """Comparisons in one unit, growing, and the one that the answer is read from."""

    comparisons: tuple[Comparison, ...]
    judged: Comparison


def granted(summary: Summary, verifier: str) -> tuple[Comparison, ...]:
    """A comparison for every budget that two methods or more were given, growing; none where budgets differ in their unit."""
    unit = summary.methods[0].budget_unit
    if any(method.budget_unit != unit for method in summary.methods):
        return ()
    given = {method: _budgets(summary, method, verifier) for method in summary.methods}
    found = []
    for budget in sorted({budget for budgets in given.values() for budget in budgets}):
        columns = {method: (str(summary.truth), *method, verifier, budget) for method in given if budget in given[method]}
        if len(columns) > 1:
            read = {method: summary.values[column].to_numpy(dtype=float) for method, column in columns.items()}
            left_out = ((method, min(each), max(each)) for method, each in given.items() if each and method not in read)
            found.append(Comparison(unit, budget, True, ranked(summary, read), tuple(left_out)))
    return tuple(found)


def spent_alike(summary: Summary, unit: str, verifier: str) -> tuple[Comparison, ...]:
    """At the smallest, middle (geometric) and largest amount of `unit` that most curves cover; fewer where they nearly coincide."""
    span = common_range(summary, unit, verifier)
    if span is None:
        return ()
    low, high = span
    amounts = [high] if high < 1.1 * low else [low, high] if high < 1.6 * low else [low, (low * high) ** 0.5, high]
    found = [compare(summary, unit, amount, verifier) for amount in amounts]
    return tuple(comparison for comparison in found if len(comparison.standings) > 1)


def shared(summary: Summary, verifier: str) -> tuple[Shared, ...]:
    """First the run's own unit, by budget, judged where most meet; then the others of AXES, by what was spent, at the most.

    Where budgets bring fewer methods together than spending does (runs with other budgets in one report), all are by
    what was spent.
    """
    spent = {unit: Shared(found, found[-1]) for unit in AXES if (found := spent_alike(summary, unit, verifier))}
    by_budget = granted(summary, verifier)
    if by_budget:
        fullest = max(by_budget, key=lambda one: (_coverage(one), one.amount))
        rival = spent.get(fullest.unit)
        if rival is None or _coverage(fullest) >= _coverage(rival.judged):
            spent.pop(fullest.unit, None)
            return Shared(by_budget, fullest), *spent.values()
    return tuple(spent.values())


def _coverage(comparison: Comparison) -> tuple[int, int]:
    methods = [standing.method for standing in comparison.standings]
    return len({method.model for method in methods}), len(methods)


def _budgets(summary: Summary, method: Method, verifier: str) -> list[float]:
    curve = summary.curve(method, verifier, str(summary.truth))
    return [float(budget) for budget in curve.loc[curve["mean"].notna(), "budget"]]
