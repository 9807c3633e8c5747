"""Methods compared at equal compute: every curve read at the same amount, with paired differences to the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from reports import numbers
from reports.readings import Reading, on_common_prompts, read_at, spans_of
from reports.strata import Floats
from reports.summary import Method, Summary


@dataclass(frozen=True, slots=True)
class Standing:
    """One method at the common amount: its score, and how far it lies behind the best of them (paired by prompt)."""

    method: Method
    mean: float
    low: float
    high: float
    behind: tuple[float, float, float]
    """Best minus this: mean, low, high, in intervals that hold for all pairs of methods together; zeros for the best itself."""
    reading: Reading = field(compare=False, repr=False)
    """Each prompt's score."""

    @property
    def interpolated(self) -> bool:
        """Whether the score is read between two measured points, and its intervals as well."""
        return len(self.reading.weights_N) > 1

    @property
    def separable(self) -> bool:
        """Whether the paired interval of the difference to the best excludes zero."""
        return self.behind[1] > 1e-9


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A method that is not in a comparison, with the smallest and largest amount that it was given, or spent."""

    method: Method
    low: float
    high: float
    why: str = ""
    """What it has of scores, where it is left out for want of them; empty where it is for the amount."""
    reached: float = math.nan
    """Its score at `high`, on the prompts compared; NaN unless it is left out for having spent less."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Standings at one amount of one ledger column, best first."""

    unit: str
    amount: float
    same_budget: bool
    """Whether the amount is the budget that each was given, of which each spends what it can; else it is what each spent."""
    standings: tuple[Standing, ...]
    left_out: tuple[LeftOut, ...]
    prompts: int
    """On how many prompts: those that all of the standings have a score for."""

    @property
    def budget_unit(self) -> str:
        """The unit that all of the methods were given their budgets in; empty where they are set side by side by what they spent."""
        return self.unit if self.same_budget else ""

    @property
    def best(self) -> Standing:
        return self.standings[0]

    @property
    def already(self) -> tuple[LeftOut, ...]:
        """Who had spent less and yet scores at least as high as the best, to two decimals; highest first."""
        found = [one for one in self.left_out if one.reached >= self.best.mean or numbers.vanishes(one.reached - self.best.mean)]
        return tuple(sorted(found, key=lambda one: -one.reached))

    @property
    def leaders(self) -> tuple[Standing, ...]:
        """The best, and those that score the same: what cannot be told from it and is not seen in the numbers printed."""
        return tuple(takewhile(self._same, self.standings))

    def _same(self, standing: Standing) -> bool:
        alike = numbers.score(standing.mean) == numbers.score(self.best.mean) and numbers.vanishes(standing.behind[0])
        return alike and not standing.separable

    @property
    def rival(self) -> Standing | None:
        """The first method below the leaders that cannot be told from the best, or the next one if all can; None if all lead."""
        below = self.standings[len(self.leaders) :]
        return next((standing for standing in below if not standing.separable), below[0] if below else None)

    @property
    def foreign(self) -> tuple[Standing, ...]:
        """Methods of models that do not lead."""
        models = {standing.method.model for standing in self.leaders}
        return tuple(standing for standing in self.standings if standing.method.model not in models)


def compare(summary: Summary, unit: str, amount: float, verifier: str) -> Comparison:
    """All methods that reach `amount` of `unit` under one guiding verifier, by the truth."""
    found = {method: read_at(summary, method, unit, amount, verifier) for method in summary.methods}
    read = {method: reading for method, reading in found.items() if reading is not None}
    kept, prompts = on_common_prompts(summary, read)
    absent = [method for method in summary.methods if method not in kept and (method, verifier) in summary.given]
    spans = spans_of(summary, unit, verifier) if absent else {}
    left_out = [
        LeftOut(method, *spans.get(method, (0.0, 0.0)), _why(summary, method, verifier, method in spans, read.get(method)))
        for method in absent
    ]
    inside_P = next((reading.whole_P for reading in kept.values()), np.zeros(0, dtype=bool))
    left_out = [
        replace(one, reached=_reached(summary, one, unit, verifier, inside_P)) if kept and not one.why and one.high < amount else one
        for one in left_out
    ]
    return Comparison(unit, amount, False, ranked(summary, kept), tuple(left_out), prompts)


def _reached(summary: Summary, one: LeftOut, unit: str, verifier: str, inside_P: NDArray[np.bool_]) -> float:
    """The score at the end of a curve, on some prompts; NaN where it has not all of them: others may be easier."""
    reading = read_at(summary, one.method, unit, one.high, verifier)
    return math.nan if reading is None or (inside_P & ~reading.whole_P).any() else _score(summary, reading.on(inside_P))[0]


def _why(summary: Summary, method: Method, verifier: str, has_curve: bool, reading: Reading | None) -> str:
    """What a method lacks of scores at the amount where it was read; empty where its curve does not reach the amount."""
    if reading is not None:
        return f"scores for {reading.whole_P.sum()} of {len(reading.whole_P)} prompts"
    return "" if has_curve else scored(summary, method, verifier)


def scored(summary: Summary, method: Method, verifier: str, budget: float | None = None) -> str:
    """What a method lacks under a budget, or the one under which it lacks least: "nothing returned for 3 of 6 prompts"."""
    given = summary.given[method, verifier]
    given = given if budget is None else given[given["budget"] == budget]
    least = given.sort_values("nothing").iloc[0]
    if least["nothing"]:
        of = "prompts" if least["asked"] == len(summary.values) else "searches"
        when = "within the deadline" if method.budget_unit == "seconds" else "returned"
        return f"nothing {when} for {least['nothing']} of {least['asked']} {of}"
    curve = summary.curve(method, verifier, str(summary.truth))
    curve = curve if budget is None else curve[curve["budget"] == budget]
    return f"scores for {curve['prompts'].max() if len(curve) else 0} of {len(summary.values)} prompts"


def ranked(summary: Summary, read: Mapping[Method, Reading]) -> tuple[Standing, ...]:
    """Standings by each prompt's score, best first."""
    truth = str(summary.truth)
    scores = {method: _score(summary, reading) for method, reading in read.items()}
    order = sorted(read, key=lambda method: -scores[method][0])
    points_PM, weights_GM = _side_by_side([read[method] for method in order])
    behind = summary.sample.behind_first(points_PM, weights_GM, summary.ends(truth)) if order else []
    found = [Standing(method, *scores[method], ends, read[method]) for method, ends in zip(order, behind, strict=True)]
    # Of those that are as far behind the first that is the hardest to tell from it, which is the one that a reader is shown.
    return (*found[:1], *sorted(found[1:], key=lambda one: (round(one.behind[0], 9), one.behind[1])))


def behind_best(summary: Summary, comparison: Comparison, standing: Standing, times: float) -> tuple[float, float, float]:
    """What a standing's `behind` would be with so many times the prompts, alike in all else."""
    points_PM, (best_M, other_M) = _side_by_side([comparison.best.reading, standing.reading])
    pairs = math.comb(len(comparison.standings), 2)
    return summary.sample.between(points_PM, best_M, other_M, summary.ends(str(summary.truth)), pairs, times)


def _side_by_side(read: Sequence[Reading]) -> tuple[Floats, Floats]:
    """All points of some methods as columns, and of each method the weights that it is read from them with."""
    points = [reading.points_PN for reading in read]
    return np.hstack(points) if read else np.zeros((0, 0)), block_diag(*(reading.weights_N for reading in read))


def _score(summary: Summary, reading: Reading) -> tuple[float, float, float]:
    """Mean, low and high end, between those of the points."""
    found = summary.sample.over_all(reading.points_PN, summary.ends(str(summary.truth)))
    mean, low, high = (float(ends_N @ reading.weights_N) for ends_N in (found.mean_G, found.low_G, found.high_G))
    return mean, low, high
