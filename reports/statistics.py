"""Intervals, paired differences and verifier trust: prompts are the sample, tasks the strata.

All images and seeds of a prompt stay together: a prompt enters as one number, its mean over seeds.
Shapes: P prompts, T tasks, G columns (things estimated side by side), R bootstrap replicates. Scores are bounded: `ends` are
the least and the most that a prompt can score, of each column or of all (shares of right images: 0 and 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.strata import ROUNDING, SHARES, Ends, Floats, Tasks, least_prompts

REPLICATES = 2000
LEVEL = 0.95
OVERALL = "overall"


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
    and the 97.5th, as Student's t is wider than the normal; the ends stay among what the scores can be. Resampling shows nothing
    of a task in which all prompts score alike: what they leave open (`Tasks.unseen`) is put to it by squares, as independent
    errors add (Zou and Donner, 2008). A task with fewer than LEAST_PROMPTS scored prompts has no interval, nor has the overall mean
    with fewer than `least_prompts`.
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

    def estimate(self, values_PG: Floats, ends: Ends = SHARES) -> dict[str, Estimates]:
        """Mean and interval of each column by task, and `overall`: the mean of the tasks, or of the prompts.

        A column without a single value in one of the tasks has no mean of the tasks.
        """
        tasks, replicates_TRG = self._tasks(values_PG), self._resampled(values_PG)
        each = {
            task: _interval(tasks.only(place), replicates_TRG[place : place + 1], _of_task(ends, place))
            for place, task in enumerate(self._strata)
        }
        return {OVERALL: _interval(tasks, replicates_TRG, ends), **each}

    def enough(self, values_PG: Floats) -> NDArray[np.bool_]:
        """Which columns have prompts enough for an interval of the mean over all tasks, if they vary [G]."""
        return self._tasks(values_PG).enough_G

    def _tasks(self, values_PG: Floats) -> Tasks:
        means, variances, alike, numbers = [], [], [], []
        for rows, _ in self._strata.values():
            values_NG = values_PG[rows]
            valid_NG = np.isfinite(values_NG)
            number_G = valid_NG.sum(axis=0).astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean_G = np.where(valid_NG, values_NG, 0.0).sum(axis=0) / number_G
                squares_G = (np.where(valid_NG, values_NG - mean_G, 0.0) ** 2).sum(axis=0)
                variances.append(np.where(number_G < 2, np.nan, squares_G / (number_G - 1) / number_G))
                apart_G = np.where(valid_NG, np.abs(values_NG - mean_G), 0.0).max(axis=0, initial=0)
            alike.append((number_G > 0) & (apart_G <= ROUNDING))
            means.append(mean_G)
            numbers.append(number_G)
        number_TG = np.stack(numbers)
        weight_TG = number_TG if self._over_prompts else np.ones_like(number_TG)
        return Tasks(np.stack(means), np.stack(variances), np.stack(alike), number_TG, weight_TG)

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

    def together(self, differences_PG: Floats, most: float | Floats = 1.0, many: int | None = None) -> Estimates:
        """Means over all tasks with intervals that hold for all columns at once, or for as `many` as are looked at.

        Student's t of each column's own effective degrees of freedom (as Hasler and Hothorn, 2008, have it for unequal variances),
        and what tasks that differ alike leave open, at 5 % divided by the columns that have an interval (Bonferroni): that holds
        whatever the columns have in common. None where the interval would settle a difference and no more prompts differ than may
        all differ one way by chance (the sign test, at the same level). None goes beyond `most`, how far two scores can lie apart
        (of each task where tasks differ, [T, 1]).
        """
        tasks = self._tasks(differences_PG)
        mean_G, error_G = tasks.over(tasks.mean_TG), tasks.error_G
        tail = (1 - LEVEL) / 2 / max(many or int(np.isfinite(error_G).sum()), 1)
        half_G = -special.stdtrit(tasks.freedom_G, tail) * error_G
        below_G, above_G = (np.hypot(half_G, unseen_G) for unseen_G in tasks.unseen((-most, most), tail))
        return _settled(Estimates(mean_G, mean_G - below_G, mean_G + above_G, tasks.number_G.astype(np.int64)), differences_PG, tail,
                        tasks.over(np.broadcast_to(most, tasks.mean_TG.shape)))  # fmt: skip

    def behind_first(
        self, values_PM: Floats, weights_GM: Floats | None = None, most: float | Floats = 1.0
    ) -> list[tuple[float, float, float]]:
        """How far each method lies behind the first, over all tasks, paired by prompt: mean, low and high end.

        A method is a column of scores, or with `weights_GM` is read between several: then its interval is as well, as what
        is sure of neither column is not sure of their mean. The intervals hold together for every pair of methods: which is put
        first may be read off the same values.
        """
        weights_GM = np.eye(values_PM.shape[1]) if weights_GM is None else weights_GM
        number, found = len(weights_GM), [(0.0, 0.0, 0.0)]
        for weights_M in weights_GM[1:]:
            one, other = np.nonzero(np.outer(weights_GM[0], weights_M))
            told = self.together(values_PM[:, one] - values_PM[:, other], most, number * (number - 1) // 2)
            share_G = weights_GM[0, one] * weights_M[other]
            found.append((float(told.mean_G @ share_G), float(told.low_G @ share_G), float(told.high_G @ share_G)))
        return found

    def overall(self, values_P: Floats, ends: Ends = SHARES) -> tuple[float, float, float]:
        """Mean, low and high end of one column over all tasks."""
        found = self.estimate(values_P[:, None], ends)[OVERALL]
        return float(found.mean_G[0]), float(found.low_G[0]), float(found.high_G[0])

    def difference(self, differences_P: Floats, most: float | Floats = 1.0) -> tuple[float, float, float]:
        """Mean, low and high end over all tasks of one difference, paired by prompt, of scores that can lie `most` apart.

        None where so few prompts differ as `together` says.
        """
        differences_PG = differences_P[:, None]
        tasks = self._tasks(differences_PG)
        most_G = tasks.over(np.broadcast_to(most, tasks.mean_TG.shape))
        found = _settled(self.estimate(differences_PG, (-most, most))[OVERALL], differences_PG, (1 - LEVEL) / 2, most_G)
        return float(found.mean_G[0]), float(found.low_G[0]), float(found.high_G[0])

    def pooled(self, values_P: Floats) -> tuple[float, float, float]:
        """Mean, low and high end over the prompts that have a value, a share, whatever their task (for what only some have).

        They are resampled all together: a task has too few of them, often one, to vary by itself. They give an interval
        where as many would give the overall mean one.
        """
        scored = values_P[np.isfinite(values_P)]
        if len(scored) < least_prompts(len(self._strata)):
            return (float(scored.mean()) if len(scored) else math.nan), math.nan, math.nan
        return Bootstrap([OVERALL] * len(scored), self._seed, self._replicates).overall(scored)


def _of_task(ends: Ends, place: int) -> Ends:
    least, most = (end[place : place + 1] if isinstance(end, np.ndarray) and end.ndim == 2 else end for end in ends)
    return least, most


def _settled(found: Estimates, differences_PG: Floats, tail: float, most_G: Floats) -> Estimates:
    """Intervals of differences within `most_G`, NaN where they exclude zero and few prompts differ: all one way by chance, at this tail."""
    differing_G = (np.abs(differences_PG) > ROUNDING).sum(axis=0)
    few_G = ((found.low_G > ROUNDING) | (found.high_G < -ROUNDING)) & (0.5**differing_G > tail)
    low_G, high_G = (np.where(few_G, np.nan, np.clip(end_G, -most_G, most_G)) for end_G in (found.low_G, found.high_G))
    return replace(found, low_G=low_G, high_G=high_G)


def _interval(tasks: Tasks, replicates_TRG: Floats, ends: Ends) -> Estimates:
    """Expanded percentiles: the tail is what lies beyond Student's quantile in a normal (Hesterberg, 2015, section 3.5)."""
    mean_G, replicates_RG = tasks.over(tasks.mean_TG), np.where(tasks.enough_G, tasks.over(replicates_TRG), np.nan)
    tail_G = special.ndtr(-special.stdtrit(tasks.freedom_G, (1 + LEVEL) / 2))
    found = np.full((2, len(mean_G)), np.nan)
    for column, replicates_R in enumerate(replicates_RG.T):
        finite_R = replicates_R[np.isfinite(replicates_R)]
        if len(finite_R):
            found[:, column] = np.quantile(finite_R, [tail_G[column], 1 - tail_G[column]])
    below_G, above_G = tasks.unseen(ends, (1 - LEVEL) / 2)
    # Rounding in the last place must not put a mean outside its own interval.
    low_G = mean_G - np.hypot(np.maximum(mean_G - found[0], 0), below_G)
    high_G = mean_G + np.hypot(np.maximum(found[1] - mean_G, 0), above_G)
    return Estimates(mean_G, low_G, high_G, tasks.number_G.astype(np.int64))
