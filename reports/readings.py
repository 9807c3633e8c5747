"""Curves read at an amount: each prompt's score there, which amounts they have in common, and which prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reports.comparable import most_pairs
from reports.strata import Floats
from reports.summary import Method, Summary


@dataclass(frozen=True, slots=True)
class Reading:
    """Prompts' scores at one or two measured points [P, N] of a curve, and the weights [N] they are read with."""

    points_PN: Floats
    weights_N: Floats = field(default_factory=lambda: np.ones(1))

    @property
    def whole_P(self) -> NDArray[np.bool_]:
        """Which prompts have all scores."""
        return np.asarray(np.isfinite(self.points_PN).all(axis=1))

    def on(self, inside_P: NDArray[np.bool_]) -> Reading:
        """The same on some prompts only."""
        return replace(self, points_PN=np.where(inside_P[:, None], self.points_PN, np.nan))


def common_range(summary: Summary, unit: str, verifier: str) -> tuple[float, float] | None:
    """Smallest and largest mean amount of `unit` that the most curves cover: of the most models first, then methods.

    The largest amount that any such set of curves reaches decides which curves these are. None without a curve.
    """
    spans = spans_of(summary, unit, verifier)

    def covered(amount: float) -> list[Method]:
        return [method for method, (first, last) in spans.items() if first <= amount <= last]

    if not spans:
        return None
    ends = {end for span in spans.values() for end in span}
    high = max(ends, key=lambda end: (len({method.model for method in covered(end)}), len(covered(end)), end))
    return max(spans[method][0] for method in covered(high)), high


def spans_of(summary: Summary, unit: str, verifier: str) -> dict[Method, tuple[float, float]]:
    """First and last amount of every curve that has scores."""
    found = {}
    for method in summary.methods:
        curve = summary.curve(method, verifier, str(summary.truth))
        spent = curve.loc[curve["mean"].notna(), unit]
        if not spent.empty:
            found[method] = (float(spent.min()), float(spent.max()))
    return found


def on_common_prompts(summary: Summary, read: Mapping[Method, Reading]) -> tuple[dict[Method, Reading], int]:
    """Scores of those methods that are compared, NaN but for the prompts that all of them have; and how many these are."""
    places = {method: frozenset(np.flatnonzero(reading.whole_P).tolist()) for method, reading in read.items()}
    tasks = summary.values.index.get_level_values("task")
    every = set(tasks)
    # A mean over tasks needs one prompt of each.
    over_prompts = summary.runs.over_prompts
    kept, common = most_pairs(places, lambda some: bool(some) and (over_prompts or {tasks[place] for place in some} == every))
    inside_P = np.isin(np.arange(len(tasks)), list(common))
    return {method: read[method].on(inside_P) for method in kept}, len(common)


def read_at(summary: Summary, method: Method, unit: str, amount: float, verifier: str) -> Reading | None:
    """Each prompt's score at `amount`, linear in log(spent) between the points around it; None outside the curve."""
    curve = summary.curve(method, verifier, str(summary.truth))
    spent, means, budgets = (curve[name].to_numpy(dtype=np.float64) for name in (unit, "mean", "budget"))
    order = np.argsort(spent, kind="stable")
    order = order[~np.isnan(means[order])]
    spent, budgets = spent[order], budgets[order]
    near = np.isclose(spent, amount, rtol=1e-9, atol=0)  # the amount is often one curve's own point: allow for its rounding
    if near.any():
        places, weights_N = [int(np.flatnonzero(near)[-1])], np.ones(1)
    elif len(spent) and spent[0] < amount < spent[-1]:
        upper = int(np.searchsorted(spent, amount))
        weight = np.log(amount / spent[upper - 1]) / np.log(spent[upper] / spent[upper - 1])
        places, weights_N = [upper - 1, upper], np.array([1 - weight, weight])
    else:
        return None
    columns = [(str(summary.truth), *method, verifier, budgets[place]) for place in places]
    # Column by column: a list of them makes pandas build an index each time, which took half of an answer's time.
    return Reading(np.column_stack([summary.whole[column].to_numpy(dtype=np.float64) for column in columns]), weights_N)
