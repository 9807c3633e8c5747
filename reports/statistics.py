"""Intervals, paired differences and verifier trust: prompts are the sample, tasks the strata.

All images and seeds of a prompt stay together: a prompt enters as one number, its mean over seeds.
Shapes: P prompts, T tasks, G columns (things estimated side by side), N points of a curve, M methods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.strata import ROUNDING, SHARES, Ends, Floats, Tasks
from results.prompts_needed import least_prompts

LEVEL = 0.95
_TAIL = (1 - LEVEL) / 2
OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class Estimates:
    """Means with the ends of their intervals, one entry a column; NaN where there is nothing to say."""

    mean_G: Floats
    low_G: Floats
    high_G: Floats
    prompts_G: NDArray[np.int64]


class Sample:
    """Prompts with their tasks: means over them with intervals that are made the same way for scores and for paired differences.

    An interval is Student's t of the mean over tasks, with effective degrees of freedom. Where scores are skewed, a sample that has
    missed the few far ones shows too little variance as well: the end towards the longer tail is moved out by the first term of the
    mean's Edgeworth expansion (Johnson, 1978; Hall, 1992, section 2.6). Tasks in which all prompts score alike show no variance: what
    they leave open (`Tasks.unseen`) is put to it by squares, as independent errors add (Zou and Donner, 2008). No end goes beyond known
    ends of the score, and no task moves it beyond its own. A task with fewer than LEAST_PROMPTS scored prompts has no interval, nor has
    the overall mean with fewer than `least_prompts`.
    """

    def __init__(self, tasks: Sequence[str], over_prompts: bool = False) -> None:
        """In the overall mean tasks weigh the same (GenEval), or with `over_prompts` every scored prompt does (DrawBench)."""
        self._over_prompts = over_prompts
        tasks_P = np.asarray(tasks, dtype=object)
        self._rows = {task: np.flatnonzero(tasks_P == task) for task in dict.fromkeys(tasks)}

    def estimate(self, values_PG: Floats, ends: Ends = SHARES) -> dict[str, Estimates]:
        """Mean and interval of each column by task, and `overall`: the mean of the tasks, or of the prompts.

        A column without a single value in one of the tasks has no mean of the tasks.
        """
        tasks = self.by_task(values_PG)
        each = {task: _interval(tasks.only(place), ends.of_task(place), _TAIL) for place, task in enumerate(self._rows)}
        return {OVERALL: _interval(tasks, ends, _TAIL), **each}

    def over_all(self, values_PG: Floats, ends: Ends = SHARES) -> Estimates:
        """The `overall` of `estimate` alone."""
        return _interval(self.by_task(values_PG), ends, _TAIL)

    def enough(self, values_PG: Floats) -> NDArray[np.bool_]:
        """Which columns have prompts enough for an interval of the mean over all tasks, if they vary [G]."""
        return self.by_task(values_PG).enough_G

    def by_task(self, values_PG: Floats) -> Tasks:
        """What each task shows of each column."""
        means, variances, thirds, alike, numbers = [], [], [], [], []
        for rows in self._rows.values():
            values_NG = values_PG[rows]
            valid_NG = np.isfinite(values_NG)
            number_G = valid_NG.sum(axis=0).astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean_G = np.where(valid_NG, values_NG, 0.0).sum(axis=0) / number_G
                apart_NG = np.where(valid_NG, values_NG - mean_G, 0.0)
                freedom_G = np.where(number_G < 2, np.nan, number_G - 1)
            variances.append((apart_NG**2).sum(axis=0) / freedom_G / number_G)
            thirds.append((apart_NG**3).sum(axis=0) / freedom_G / number_G**2)
            alike.append((number_G > 0) & (np.abs(apart_NG).max(axis=0, initial=0) <= ROUNDING))
            means.append(mean_G)
            numbers.append(number_G)
        number_TG = np.stack(numbers)
        weight_TG = number_TG if self._over_prompts else np.ones_like(number_TG)
        return Tasks(np.stack(means), np.stack(variances), np.stack(thirds), np.stack(alike), number_TG, weight_TG)

    def together(self, differences_PG: Floats, ends: Ends = SHARES, many: int | None = None, times: float = 1) -> Estimates:
        """Means over all tasks of differences, paired by prompt, of scores with these ends; intervals that hold for all columns at once.

        Or for as `many` as are looked at: 5 % are divided by their number (Bonferroni), which holds whatever the columns have in
        common; each has its own effective degrees of freedom (as Hasler and Hothorn, 2008, have it for unequal variances). No interval
        where it would settle a difference and no more prompts differ than may all differ one way by chance (the sign test, at
        the same level). With `times` as many prompts the intervals are those to expect where these are alike.
        """
        tasks = self.by_task(differences_PG).times(times)
        tail = _TAIL / max(many or int(tasks.enough_G.sum()), 1)
        found = _interval(tasks, ends.apart, tail)
        differing_G = times * (np.abs(differences_PG) > ROUNDING).sum(axis=0)
        few_G = ((found.low_G > ROUNDING) | (found.high_G < -ROUNDING)) & (0.5**differing_G > tail)
        low_G, high_G = (np.where(few_G, np.nan, end_G) for end_G in (found.low_G, found.high_G))
        return replace(found, low_G=low_G, high_G=high_G)

    def behind_first(
        self, values_PM: Floats, weights_GM: Floats | None = None, ends: Ends = SHARES
    ) -> list[tuple[float, float, float]]:
        """How far each method lies behind the first, over all tasks, paired by prompt: mean, low and high end.

        A method is a column of scores, or with `weights_GM` is read between several: then its interval is as well, as what
        is sure of neither column is not sure of their mean. The intervals hold together for every pair of methods: which is put
        first may be read off the same values.
        """
        weights_GM = np.eye(values_PM.shape[1]) if weights_GM is None else weights_GM
        pairs = math.comb(len(weights_GM), 2)
        return [(0.0, 0.0, 0.0), *(self.between(values_PM, weights_GM[0], other_M, ends, pairs) for other_M in weights_GM[1:])]

    def between(
        self, values_PM: Floats, first_M: Floats, other_M: Floats, ends: Ends, pairs: int, times: float = 1
    ) -> tuple[float, float, float]:
        """How far the second of two methods lies behind the first, as `behind_first` has it, among so many `pairs` of methods.

        With `times` as many prompts the interval is the one to expect where these are alike.
        """
        one, other = np.nonzero(np.outer(first_M, other_M))
        told = self.together(values_PM[:, one] - values_PM[:, other], ends, pairs, times)
        share_G = first_M[one] * other_M[other]
        return float(told.mean_G @ share_G), float(told.low_G @ share_G), float(told.high_G @ share_G)

    def overall(self, values_P: Floats, ends: Ends = SHARES) -> tuple[float, float, float]:
        """Mean, low and high end of one column over all tasks."""
        found = self.over_all(values_P[:, None], ends)
        return float(found.mean_G[0]), float(found.low_G[0]), float(found.high_G[0])

    def difference(self, differences_P: Floats, ends: Ends = SHARES) -> tuple[float, float, float]:
        """Mean, low and high end of one difference alone, as `together` has it."""
        found = self.together(differences_P[:, None], ends)
        return float(found.mean_G[0]), float(found.low_G[0]), float(found.high_G[0])

    def pooled(self, values_P: Floats) -> tuple[float, float, float]:
        """Mean, low and high end over the prompts that have a value, a share, whatever their task (for what only some have).

        They count as one task: each task has too few of them, often one, to vary by itself. They give an interval where as many
        would give the overall mean one.
        """
        scored = values_P[np.isfinite(values_P)]
        if len(scored) < least_prompts(len(self._rows)):
            return (float(scored.mean()) if len(scored) else math.nan), math.nan, math.nan
        return Sample([OVERALL] * len(scored)).overall(scored)


def _interval(tasks: Tasks, ends: Ends, tail: float) -> Estimates:
    """The mean over tasks with an interval that misses the truth on either side with a chance of about `tail`."""
    mean_G, error_G = tasks.over(tasks.mean_TG), tasks.error_G
    student_G = -special.stdtrit(tasks.freedom_G, tail)
    # With the normal quantile: Student's would make much of the skewness of a handful of prompts, which is hardly measured.
    longer_G = tasks.skewness_G * (1 + 2 * special.ndtri(tail) ** 2) / 6
    below_G, above_G = (
        np.hypot(np.minimum((student_G + np.maximum(tail_G, 0)) * error_G, room_G), unseen_G)
        for tail_G, room_G, unseen_G in zip((-longer_G, longer_G), tasks.room(ends), tasks.unseen(ends, tail), strict=True)
    )
    low_G, high_G = mean_G - below_G, mean_G + above_G
    # Rounding in the last place must not put a mean outside its own interval.
    least_G, most_G = tasks.limits(ends)
    low_G = np.minimum(mean_G, np.maximum(low_G, least_G))
    high_G = np.maximum(mean_G, np.minimum(high_G, most_G))
    return Estimates(mean_G, low_G, high_G, tasks.number_G.astype(np.int64))
