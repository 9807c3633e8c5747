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


class Bootstrap:
    """Resamples of prompts within tasks, the same for every column, so that differences between columns are paired.

    Each replicate draws n - 1 of a task's n prompts with replacement, which keeps the variance of small tasks unbiased
    (Rao and Wu, 1988). Intervals are expanded percentile intervals (Hesterberg, 2015): further percentiles than the 2.5th
    and the 97.5th, as Student's t is wider than the normal; the ends stay among what the scores can be. A task with fewer
    than LEAST_PROMPTS scored prompts gives none, nor does the overall mean with fewer than `least_prompts`.
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
        mean_TG, replicates_TRG, number_TG = self._tasks(values_PG)
        few_TG = np.where(number_TG < LEAST_PROMPTS, np.nan, 1.0)
        found = {
            task: _interval(mean_TG[place], replicates_TRG[place] * few_TG[place], number_TG[place], number_TG[place] - 1)
            for place, task in enumerate(self._strata)
        }
        mean_G, replicates_RG, number_G = self._over_tasks(mean_TG, replicates_TRG, number_TG)
        return {OVERALL: _interval(mean_G, replicates_RG, number_G, self._freedom(number_G)), **found}

    def _freedom(self, number_G: Floats) -> Floats:
        """Degrees of freedom of a mean over tasks: each has a mean of its own."""
        return number_G - len(self._strata)

    def _tasks(self, values_PG: Floats) -> tuple[Floats, Floats, Floats]:
        """Of each task T: means [T, G], their replicates [T, R, G], and how many prompts have a value [T, G]."""
        means, replicates, numbers = [], [], []
        for rows, counts_RP in self._strata.values():
            values = values_PG[rows]
            valid = np.isfinite(values).astype(np.float64)
            filled = np.where(valid > 0, values, 0.0)
            number_G = valid.sum(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                means.append(filled.sum(axis=0) / number_G)
                replicates_RG = (counts_RP @ filled) / (counts_RP @ valid)
            replicates_RG[:, number_G < 2] = np.nan
            replicates.append(replicates_RG)
            numbers.append(number_G)
        return np.stack(means), np.stack(replicates), np.stack(numbers)

    def _over_tasks(self, mean_TG: Floats, replicates_TRG: Floats, number_TG: Floats) -> tuple[Floats, Floats, Floats]:
        """Means [G], replicates [R, G] and prompts [G] over tasks, each weighing the same or by its scored prompts."""
        total_G = number_TG.sum(axis=0)
        replicates_TRG = np.where(total_G < least_prompts(len(number_TG)), np.nan, replicates_TRG)
        if not self._over_prompts:
            return mean_TG.mean(axis=0), replicates_TRG.mean(axis=0), total_G
        share_TG = number_TG / np.where(total_G > 0, total_G, np.nan)
        # A task without a score has no part in it; nor has it a mean.
        mean_G = np.where(share_TG == 0, 0, share_TG * mean_TG).sum(axis=0)
        return mean_G, np.where(share_TG[:, None] == 0, 0, share_TG[:, None] * replicates_TRG).sum(axis=0), total_G

    def together(self, differences_PG: Floats) -> Estimates:
        """Means over all tasks with intervals that hold for all columns at once, however many are looked at.

        The 95 % quantile of the largest studentised deviation among the columns takes the place of that of one alone (the
        bootstrap's max-t: Westfall and Young, 1993), widened as Student's t is beside the normal: with few prompts the
        errors themselves are uncertain. None where prompts differ between tasks and in no task: three that turn from wrong to
        right would seem certain.
        """
        mean_G, replicates_RG, number_G = self._over_tasks(*self._tasks(differences_PG))
        error_G = replicates_RG.std(axis=0)
        moving = np.flatnonzero(error_G > _ROUNDING)  # a difference that is the same for every prompt has nothing to deviate
        largest_R = np.abs((replicates_RG[:, moving] - mean_G[moving]) / error_G[moving]).max(axis=1, initial=0.0)
        freedom_G = np.maximum(self._freedom(number_G), 1)
        half_G = special.stdtrit(freedom_G, special.ndtr(np.quantile(largest_R, LEVEL))) * error_G
        # Where every prompt of a task differs alike, but tasks do not, there is something to deviate and resampling does not find it.
        spread_G = np.nanmax(differences_PG, axis=0, initial=-np.inf) - np.nanmin(differences_PG, axis=0, initial=np.inf)
        half_G[(error_G <= _ROUNDING) & (spread_G > _ROUNDING)] = np.nan
        return Estimates(mean_G, mean_G - half_G, mean_G + half_G, number_G.astype(np.int64))

    def behind_first(self, values_PG: Floats) -> list[tuple[float, float, float]]:
        """How far each column lies behind the first, over all tasks, paired by prompt: mean, low and high end.

        The intervals hold together for every pair of columns: which column is put first may be read off the same values.
        """
        left, right = np.triu_indices(values_PG.shape[1], 1)  # the pairs with the first column come first
        pairs = self.together(values_PG[:, left] - values_PG[:, right])
        others = range(values_PG.shape[1] - 1)
        return [(0.0, 0.0, 0.0), *((float(pairs.mean_G[n]), float(pairs.low_G[n]), float(pairs.high_G[n])) for n in others)]

    def overall(self, values_P: Floats) -> tuple[float, float, float]:
        """Mean, low and high end of one column over all tasks."""
        found = self.estimate(values_P[:, None])[OVERALL]
        return float(found.mean_G[0]), float(found.low_G[0]), float(found.high_G[0])

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


def _interval(mean_G: Floats, replicates_RG: Floats, number_G: Floats, freedom_G: Floats) -> Estimates:
    """Expanded percentiles: the tail is what lies beyond Student's quantile in a normal (Hesterberg, 2015, section 3.5)."""
    tail_G = special.ndtr(-special.stdtrit(np.maximum(freedom_G, 1), (1 + LEVEL) / 2))
    ends = np.full((2, len(mean_G)), np.nan)
    for column, replicates_R in enumerate(replicates_RG.T):
        finite_R = replicates_R[np.isfinite(replicates_R)]
        if len(finite_R):
            ends[:, column] = np.quantile(finite_R, [tail_G[column], 1 - tail_G[column]])
    # Rounding in the last place must not put a mean outside its own interval.
    return Estimates(mean_G, np.minimum(ends[0], mean_G), np.maximum(ends[1], mean_G), number_G.astype(np.int64))
