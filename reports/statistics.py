"""Intervals, paired differences and verifier trust: prompts are the sample, tasks the strata.

All images and seeds of a prompt stay together: a prompt enters as one number, its mean over seeds.
Shapes: P prompts, G columns (things estimated side by side), R bootstrap replicates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

REPLICATES = 2000
LEVEL = 0.95
OVERALL = "overall"
LEAST_PROMPTS = 4
"""Prompts a task needs for an interval: two or three that agree by chance would make one of no width."""
LEAST_OVERALL = 2.5
"""Prompts a task, on average, that the overall mean needs for one, and never fewer than one task needs."""
LEAST_DIFFERING = 6
"""Prompts that have to differ before a difference is told from none: five that all differ one way do so by chance once in 16."""
_ROUNDING = 1e-9
"""Scores that differ by no more are the same."""
Floats = NDArray[np.float64]


def least_prompts(tasks: int) -> int:
    """Prompts, spread evenly over this many tasks, that the overall mean needs for an interval."""
    return max(LEAST_PROMPTS, math.ceil(LEAST_OVERALL * tasks))


@dataclass(frozen=True, slots=True)
class Estimates:
    """Means with the ends of their intervals, one entry a column; NaN where there is nothing to say."""

    mean_G: Floats
    low_G: Floats
    high_G: Floats
    prompts_G: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Tasks:
    """Of each task T: its mean, the variance of that mean (NaN below two prompts), its prompts that have a value, what it weighs."""

    mean_TG: Floats
    variance_TG: Floats
    number_TG: Floats
    weight_TG: Floats

    @property
    def number_G(self) -> Floats:
        return self.number_TG.sum(axis=0)

    @property
    def enough_G(self) -> NDArray[np.bool_]:
        """Whether the mean over tasks has prompts enough for an interval: in all, and two in every task that has a part in it."""
        several_TG = (self.number_TG >= 2) | (self.weight_TG == 0)
        return (self.number_G >= least_prompts(len(self.number_TG))) & several_TG.all(axis=0)

    def over(self, each_TG: Floats) -> Floats:
        """The weighted mean of something over tasks; a task without a weight has no part in it, and without any there is none."""
        weight_TG = self.weight_TG if each_TG.ndim == 2 else self.weight_TG[:, None]
        with np.errstate(invalid="ignore"):
            return np.where(weight_TG == 0, 0, weight_TG * each_TG).sum(axis=0) / self.weight_TG.sum(axis=0)

    @property
    def error_G(self) -> Floats:
        """Standard error of the mean over tasks; NaN without prompts enough."""
        return np.where(self.enough_G, np.sqrt(self._parts_TG.sum(axis=0)), np.nan)

    @property
    def freedom_G(self) -> Floats:
        """Effective degrees of freedom of that error (Satterthwaite, 1946; of a stratified mean: Cochran, 1977, equation 5.16).

        At least those of the smallest task that varies, at most prompts - tasks: where one task alone varies, its own.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom_G = self._parts_TG.sum(axis=0) ** 2 / (self._parts_TG**2 / np.maximum(self.number_TG - 1, 1)).sum(axis=0)
        return np.where(np.isfinite(freedom_G), np.maximum(freedom_G, 1), 1)

    @property
    def _parts_TG(self) -> Floats:
        """What each task adds to the variance of the mean over tasks."""
        with np.errstate(invalid="ignore"):
            share_TG = self.weight_TG / self.weight_TG.sum(axis=0)
        return np.where(self.weight_TG == 0, 0, share_TG**2 * self.variance_TG)


class Bootstrap:
    """Resamples of prompts within tasks, the same for every column, so that differences between columns are paired.

    Each replicate draws n - 1 of a task's n prompts with replacement, which keeps the variance of small tasks unbiased
    (Rao and Wu, 1988). Intervals are expanded percentile intervals (Hesterberg, 2015): further percentiles than the 2.5th
    and the 97.5th, as Student's t is wider than the normal; the ends stay among what the scores can be. A task with fewer
    than LEAST_PROMPTS scored prompts gives none, nor does the overall mean with fewer than `least_prompts`, nor do scores
    that are the same for all prompts of a task: resampling them shows nothing.
    """

    def __init__(
        self, tasks: Sequence[str], seed: int = 0, replicates: int = REPLICATES, over_prompts: bool = False
    ) -> None:
        """In the overall mean tasks weigh the same (GenEval), or with `over_prompts` every scored prompt does (DrawBench)."""
        self._over_prompts, self._seed, self._replicates = over_prompts, seed, replicates
        generator = np.random.default_rng(seed)
        tasks_P = np.asarray(tasks, dtype=object)
        self._strata: dict[str, tuple[NDArray[np.intp], Floats]] = {}
        for task in dict.fromkeys(tasks):
            rows = np.flatnonzero(tasks_P == task)
            draws = max(len(rows) - 1, 1)
            counts = generator.multinomial(draws, np.full(len(rows), 1 / len(rows)), size=replicates)
            self._strata[task] = (rows, counts.astype(np.float64))

    def estimate(self, values_PG: Floats) -> dict[str, Estimates]:
        """Mean and interval of each column by task, and `overall`: the mean of the tasks, or of the prompts.

        A column without a single value in one of the tasks has no mean of the tasks.
        """
        tasks, replicates_TRG = self._tasks(values_PG), self._resampled(values_PG)
        few_TG = np.where(tasks.number_TG < LEAST_PROMPTS, np.nan, 1.0)
        found = {
            task: _interval(tasks.mean_TG[place], replicates_TRG[place] * few_TG[place], number_G, number_G - 1)
            for place, (task, number_G) in enumerate(zip(self._strata, tasks.number_TG, strict=True))
        }
        replicates_RG = np.where(tasks.enough_G, tasks.over(replicates_TRG), np.nan)
        return {OVERALL: _interval(tasks.over(tasks.mean_TG), replicates_RG, tasks.number_G, tasks.freedom_G), **found}

    def enough(self, values_PG: Floats) -> NDArray[np.bool_]:
        """Which columns have prompts enough for an interval of the mean over all tasks, if they vary [G]."""
        return self._tasks(values_PG).enough_G

    def _tasks(self, values_PG: Floats) -> _Tasks:
        means, variances, numbers = [], [], []
        for rows, _ in self._strata.values():
            values_NG = values_PG[rows]
            valid_NG = np.isfinite(values_NG)
            number_G = valid_NG.sum(axis=0).astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean_G = np.where(valid_NG, values_NG, 0.0).sum(axis=0) / number_G
                squares_G = (np.where(valid_NG, values_NG - mean_G, 0.0) ** 2).sum(axis=0)
                variances.append(np.where(number_G < 2, np.nan, squares_G / (number_G - 1) / number_G))
            means.append(mean_G)
            numbers.append(number_G)
        number_TG = np.stack(numbers)
        weight_TG = number_TG if self._over_prompts else np.ones_like(number_TG)
        return _Tasks(np.stack(means), np.stack(variances), number_TG, weight_TG)

    def _resampled(self, values_PG: Floats) -> Floats:
        """Replicates of the mean of each task [T, R, G]; NaN below two prompts."""
        replicates = []
        for rows, counts_RP in self._strata.values():
            values = values_PG[rows]
            valid = np.isfinite(values).astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                replicates_RG = (counts_RP @ np.where(valid > 0, values, 0.0)) / (counts_RP @ valid)
            replicates_RG[:, valid.sum(axis=0) < 2] = np.nan
            replicates.append(replicates_RG)
        return np.stack(replicates)

    def together(self, differences_PG: Floats) -> Estimates:
        """Means over all tasks with intervals that hold for all columns at once, however many are looked at.

        Student's t of each column's own effective degrees of freedom (as Hasler and Hothorn, 2008, have it for unequal variances),
        at 5 % divided by the columns that vary (Bonferroni): that holds whatever the columns have in common. None where fewer
        than LEAST_DIFFERING prompts would settle a difference, and none where prompts differ between tasks and in no task: three
        that turn from wrong to right would seem certain.
        """
        tasks = self._tasks(differences_PG)
        mean_G, error_G = tasks.over(tasks.mean_TG), tasks.error_G
        many = max(int((error_G > _ROUNDING).sum()), 1)  # a difference that is the same for every prompt has nothing to deviate
        half_G = -special.stdtrit(tasks.freedom_G, (1 - LEVEL) / 2 / many) * error_G
        # Where every prompt of a task differs alike, but tasks do not, there is something to deviate and no task shows it.
        spread_G = np.nanmax(differences_PG, axis=0, initial=-np.inf) - np.nanmin(differences_PG, axis=0, initial=np.inf)
        half_G[(error_G <= _ROUNDING) & (spread_G > _ROUNDING)] = np.nan
        half_G[(np.abs(mean_G) > half_G + _ROUNDING) & (_differing(differences_PG) < LEAST_DIFFERING)] = np.nan
        return Estimates(mean_G, mean_G - half_G, mean_G + half_G, tasks.number_G.astype(np.int64))

    def behind_first(self, values_PG: Floats) -> list[tuple[float, float, float]]:
        """How far each column lies behind the first, over all tasks, paired by prompt: mean, low and high end.

        The intervals hold together for every pair of columns: which column is put first may be read off the same values.
        None goes beyond how far two scores lie apart at most.
        """
        left, right = np.triu_indices(values_PG.shape[1], 1)  # the pairs with the first column come first
        pairs = self.together(values_PG[:, left] - values_PG[:, right])
        most = float(np.nanmax(values_PG) - np.nanmin(values_PG)) if np.isfinite(values_PG).any() else math.inf
        low_G, high_G = np.clip(pairs.low_G, -most, most), np.clip(pairs.high_G, -most, most)
        others = range(values_PG.shape[1] - 1)
        return [(0.0, 0.0, 0.0), *((float(pairs.mean_G[n]), float(low_G[n]), float(high_G[n])) for n in others)]

    def overall(self, values_P: Floats) -> tuple[float, float, float]:
        """Mean, low and high end of one column over all tasks."""
        found = self.estimate(values_P[:, None])[OVERALL]
        return float(found.mean_G[0]), float(found.low_G[0]), float(found.high_G[0])

    def difference(self, differences_P: Floats) -> tuple[float, float, float]:
        """Mean, low and high end over all tasks of one difference paired by prompt.

        No interval where one would settle it and fewer than LEAST_DIFFERING prompts differ.
        """
        mean, low, high = self.overall(differences_P)
        if (low > _ROUNDING or high < -_ROUNDING) and _differing(differences_P[:, None])[0] < LEAST_DIFFERING:
            return mean, math.nan, math.nan
        return mean, low, high

    def pooled(self, values_P: Floats) -> tuple[float, float, float]:
        """Mean, low and high end over the prompts that have a value, whatever their task (for what only some have).

        They are resampled all together: a task has too few of them, often one, to vary by itself. They give an interval
        where as many would give the overall mean one.
        """
        scored = values_P[np.isfinite(values_P)]
        number = len(scored)
        if number < least_prompts(len(self._strata)):
            return (float(scored.mean()) if number else math.nan), math.nan, math.nan
        counts_RN = np.random.default_rng(self._seed).multinomial(number - 1, np.full(number, 1 / number), self._replicates)
        number_G = np.array([float(number)])
        found = _interval(np.array([scored.mean()]), (counts_RN @ scored / (number - 1))[:, None], number_G, number_G - 1)
        return float(found.mean_G[0]), float(found.low_G[0]), float(found.high_G[0])


def _differing(differences_PG: Floats) -> NDArray[np.int64]:
    """Prompts that differ, of each column [G]."""
    return (np.abs(differences_PG) > _ROUNDING).sum(axis=0)


def _interval(mean_G: Floats, replicates_RG: Floats, number_G: Floats, freedom_G: Floats) -> Estimates:
    """Expanded percentiles: the tail is what lies beyond Student's quantile in a normal (Hesterberg, 2015, section 3.5)."""
    tail_G = special.ndtr(-special.stdtrit(np.maximum(freedom_G, 1), (1 + LEVEL) / 2))
    ends = np.full((2, len(mean_G)), np.nan)
    for column, replicates_R in enumerate(replicates_RG.T):
        finite_R = replicates_R[np.isfinite(replicates_R)]
        if len(finite_R):
            ends[:, column] = np.quantile(finite_R, [tail_G[column], 1 - tail_G[column]])
    ends[:, ends[1] - ends[0] <= _ROUNDING] = np.nan
    # Rounding in the last place must not put a mean outside its own interval.
    return Estimates(mean_G, np.minimum(ends[0], mean_G), np.maximum(ends[1], mean_G), number_G.astype(np.int64))
