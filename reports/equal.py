"""Methods compared at equal compute: every curve read at the same amount, with paired differences to the best."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from reports.points import Method, Summary
from reports.statistics import Floats


@dataclass(frozen=True, slots=True)
class Standing:
    """One method at the common amount: its score, and how far it lies behind the best of them (paired by prompt)."""

    method: Method
    mean: float
    low: float
    high: float
    behind: tuple[float, float, float]
    """Best minus this: mean, low, high, in intervals that hold for all pairs of methods together; zeros for the best itself."""
    interpolated: bool
    """Whether the score is read between two measured points."""

    @property
    def separable(self) -> bool:
        """Whether the paired interval of the difference to the best excludes zero."""
        return self.behind[1] > 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """Standings at one amount of one ledger column, best first."""

    unit: str
    amount: float
    granted: bool
    """Whether the amount is the budget that each was given, of which each spends what it can; else it is what each spent."""
    standings: tuple[Standing, ...]
    left_out: tuple[tuple[Method, float, float], ...]
    """Methods without a score there, with the smallest and largest amount that they were given, or spent."""

    @property
    def best(self) -> Standing:
        return self.standings[0]

    @property
    def leaders(self) -> tuple[Standing, ...]:
        """The best, and those that score the same."""
        return tuple(standing for standing in self.standings if np.isclose(standing.mean, self.best.mean))

    @property
    def rivals(self) -> tuple[Standing, ...]:
        """Methods that cannot be told from the best."""
        return tuple(standing for standing in self.standings[1:] if not standing.separable)


def common_range(summary: Summary, unit: str, verifier: str) -> tuple[float, float] | None:
    """Smallest and largest mean amount of `unit` that the most curves cover: of the most models first, then methods.

    The largest amount that any such set of curves reaches decides which curves these are. None without a curve.
    """
    spans = _spans(summary, unit, verifier)

    def covered(amount: float) -> list[Method]:
        return [method for method, (first, last) in spans.items() if first <= amount <= last]

    if not spans:
        return None
    ends = {end for span in spans.values() for end in span}
    high = max(ends, key=lambda end: (len({method.model for method in covered(end)}), len(covered(end)), end))
    return max(spans[method][0] for method in covered(high)), high


def _spans(summary: Summary, unit: str, verifier: str) -> dict[Method, tuple[float, float]]:
    """First and last amount of every curve that has scores."""
    found = {}
    for method in summary.methods:
        curve = summary.curve(method, verifier, str(summary.truth))
        spent = curve[curve["mean"].notna()][unit]
        if not spent.empty:
            found[method] = (float(spent.min()), float(spent.max()))
    return found


def compare(summary: Summary, unit: str, amount: float, verifier: str) -> Comparison:
    """All methods that reach `amount` of `unit` under one guiding verifier, by the truth."""
    read = {}
    for method in summary.methods:
        values_P = read_at(summary, method, unit, amount, verifier)
        if values_P is not None:
            read[method] = values_P
    spans = _spans(summary, unit, verifier)
    left_out = tuple((method, *span) for method, span in spans.items() if method not in read)
    between = {method for method in read if not _is_measured(summary, method, unit, amount, verifier)}
    return Comparison(unit, amount, False, ranked(summary, read, between), left_out)


def ranked(summary: Summary, read: Mapping[Method, Floats], between: Collection[Method] = ()) -> tuple[Standing, ...]:
    """Standings by each prompt's score [P], best first; `between` names the methods whose scores are interpolated."""
    estimates = {method: summary.bootstrap.overall(values_P) for method, values_P in read.items()}
    order = sorted(read, key=lambda method: -estimates[method][0])
    behind = summary.bootstrap.behind_first(np.column_stack([read[method] for method in order])) if order else []
    return tuple(
        Standing(method, *estimates[method], difference, method in between)
        for method, difference in zip(order, behind, strict=True)
    )


def _is_measured(summary: Summary, method: Method, unit: str, amount: float, verifier: str) -> bool:
    spent = summary.curve(method, verifier, str(summary.truth))[unit].to_numpy(dtype=np.float64)
    return bool(np.isclose(spent, amount, rtol=1e-9, atol=0).any())


def read_at(summary: Summary, method: Method, unit: str, amount: float, verifier: str) -> Floats | None:
    """Each prompt's score at `amount`, linear in log(spent) between the points around it; None outside the curve."""
    metric = str(summary.truth)
    curve = summary.curve(method, verifier, metric).sort_values(unit)
    curve = curve[curve["mean"].notna()]
    spent = curve[unit].to_numpy(dtype=np.float64)
    # The amount is often one curve's own end: allow for its rounding.
    if not len(spent) or amount < spent[0] * (1 - 1e-9) or amount > spent[-1] * (1 + 1e-9):
        return None
    columns = [(metric, *method, verifier, budget) for budget in curve["budget"]]
    values_PB = summary.values[columns].to_numpy(dtype=np.float64)
    upper = min(int(np.searchsorted(spent, amount)), len(spent) - 1)
    lower = max(upper - 1, 0)
    if spent[upper] == spent[lower] or amount >= spent[upper]:
        return values_PB[:, upper]
    weight = np.log(max(amount, spent[lower]) / spent[lower]) / np.log(spent[upper] / spent[lower])
    return (1 - weight) * values_PB[:, lower] + weight * values_PB[:, upper]
