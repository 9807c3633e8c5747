"""Methods compared at equal compute: every curve read at the same amount, with paired differences to the best."""

from __future__ import annotations

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
    """Best minus this: mean, low, high; zeros for the best itself."""

    @property
    def separable(self) -> bool:
        """Whether the paired interval of the difference to the best excludes zero."""
        return self.behind[1] > 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """Standings at one amount of one ledger column, best first; empty when the curves share no amount."""

    unit: str
    amount: float
    standings: tuple[Standing, ...]

    @property
    def best(self) -> Standing:
        return self.standings[0]

    @property
    def rivals(self) -> tuple[Standing, ...]:
        """Methods that cannot be told from the best."""
        return tuple(standing for standing in self.standings[1:] if not standing.separable)


def common_range(summary: Summary, unit: str, verifier: str) -> tuple[float, float] | None:
    """Smallest and largest mean amount of `unit` that every method's curve covers; None when they share none."""
    spans = []
    for method in summary.methods:
        spent = summary.curve(method, verifier, str(summary.truth))[unit]
        if not spent.empty:
            spans.append((spent.min(), spent.max()))
    low, high = max(first for first, _ in spans), min(last for _, last in spans)
    return (float(low), float(high)) if low <= high else None


def compare(summary: Summary, unit: str, amount: float, verifier: str) -> Comparison:
    """All methods that reach `amount` of `unit` under one guiding verifier, by the truth."""
    read = {}
    for method in summary.methods:
        values_P = read_at(summary, method, unit, amount, verifier)
        if values_P is not None and np.isfinite(summary.bootstrap.overall(values_P)[0]):
            read[method] = values_P
    estimates = {method: summary.bootstrap.overall(values_P) for method, values_P in read.items()}
    ranked = sorted(read, key=lambda method: -estimates[method][0])
    behind = {method: summary.bootstrap.overall(read[ranked[0]] - read[method]) for method in ranked}
    standings = tuple(Standing(method, *estimates[method], behind[method]) for method in ranked)
    return Comparison(unit, amount, standings)


def read_at(summary: Summary, method: Method, unit: str, amount: float, verifier: str) -> Floats | None:
    """Each prompt's score at `amount`, linear in log(spent) between the points around it; None outside the curve."""
    metric = str(summary.truth)
    curve = summary.curve(method, verifier, metric).sort_values(unit)
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
