"""A mean over tasks, the strata: its error, degrees of freedom, skewness, and what tasks leave open in which all prompts score alike.

Shapes: T tasks, G columns (things estimated side by side).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from results.prompts_needed import least_prompts

ROUNDING = 1e-9
"""Scores that differ by no more are the same."""
Floats = NDArray[np.float64]


class Ends(NamedTuple):
    """The least and the most that a prompt can score; where not `known`, what was seen stands for them.

    Of all columns, of each [G], of each task [T, 1], or of each task and column [T, G].
    """

    least: Floats | float
    most: Floats | float
    known: NDArray[np.bool_] | bool = True

    def of_task(self, place: int) -> Ends:
        """The ends of one task by itself."""
        def only(end: Any) -> Any:
            return end[place : place + 1] if isinstance(end, np.ndarray) and end.ndim == 2 else end

        return Ends(only(self.least), only(self.most), only(self.known))

    @property
    def apart(self) -> Ends:
        """The ends of a difference of two such scores."""
        return Ends(self.least - self.most, self.most - self.least, self.known)


SHARES = Ends(0.0, 1.0)
"""The ends of a share of right images."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """What each task shows: its mean, with the variance and third central moment of that (NaN below two prompts).

    Also whether all of its prompts score alike, how many they are, and its weight in the mean over tasks.
    """

    mean_TG: Floats
    variance_TG: Floats
    third_TG: Floats
    alike_TG: NDArray[np.bool_]
    number_TG: Floats
    weight_TG: Floats

    def only(self, place: int) -> Tasks:
        """One task by itself."""
        return Tasks(*(getattr(self, each.name)[place : place + 1] for each in fields(self)))

    def times(self, many: float) -> Tasks:
        """What so many times the prompts would show if they were like these: the errors of means shrink, nothing else changes."""
        return replace(self, variance_TG=self.variance_TG / many, third_TG=self.third_TG / many**2, number_TG=self.number_TG * many)

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
    def skewness_G(self) -> Floats:
        """Skewness of the mean over tasks, as its tasks show it; 0 where nothing varies."""
        with np.errstate(invalid="ignore", divide="ignore"):
            third_TG = np.where(self.weight_TG == 0, 0, self._share_TG**3 * self.third_TG)
            found_G = third_TG.sum(axis=0) / self._parts_TG.sum(axis=0) ** 1.5
        return np.where(np.isfinite(found_G), found_G, 0)

    @property
    def _share_TG(self) -> Floats:
        with np.errstate(invalid="ignore"):
            return self.weight_TG / self.weight_TG.sum(axis=0)

    @property
    def _parts_TG(self) -> Floats:
        """What each task adds to the variance of the mean over tasks."""
        return np.where(self.weight_TG == 0, 0, self._share_TG**2 * self.variance_TG)

    def limits(self, ends: Ends) -> tuple[Floats, Floats]:
        """The least and the most that the mean over tasks can be [G]; infinite where a task's ends are not known."""
        known_G = np.broadcast_to(ends.known, self.mean_TG.shape).all(axis=0)
        least_G, most_G = (self.over(np.broadcast_to(end, self.mean_TG.shape)) for end in ends[:2])
        return np.where(known_G, least_G, -np.inf), np.where(known_G, most_G, np.inf)

    def room(self, ends: Ends) -> tuple[Floats, Floats]:
        """How far below and above its measured mean the mean over tasks can lie by the tasks that vary [G].

        Infinite where the ends of one of these are not known. Student's t of a handful of prompts would go far beyond what their one
        task can change of the mean.
        """
        none_TG = self.alike_TG | (self.weight_TG == 0)
        known_G = (none_TG | ends.known).all(axis=0)
        room = (self.mean_TG - ends.least, ends.most - self.mean_TG)
        below_G, above_G = (np.where(known_G, np.where(none_TG, 0, self._share_TG * room_TG).sum(axis=0), np.inf) for room_TG in room)
        return below_G, above_G

    def unseen(self, ends: Ends, tail: float) -> tuple[Floats, Floats]:
        """How far below and above its measured mean the mean over tasks may lie for what no prompt shows, in tasks that score alike.

        Where n prompts score alike, another would score otherwise with a chance of at most 1 - tail^(1/n) (Clopper and Pearson, 1934;
        the rule of three), and then anything up to the ends. Over several tasks the same holds of all their prompts together: that
        all score alike is likeliest where each has the same chance of another score (Hoeffding, 1956). Each end [G] is missed with
        probability `tail` at most.
        """
        room = (self.mean_TG - ends.least, ends.most - self.mean_TG)
        below_G, above_G = (self._unseen(np.where(self.alike_TG, self._share_TG * room_TG, 0), tail) for room_TG in room)
        return below_G, above_G

    def _unseen(self, room_TG: Floats, tail: float) -> Floats:
        room_G = room_TG.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            # A task counts with the prompts that all would have if they were as few for what they weigh as here.
            number_G = np.where(room_TG > 0, self.number_TG * room_G / room_TG, np.inf).min(axis=0)
            return room_G * (1 - tail ** (1 / number_G))
