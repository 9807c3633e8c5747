"""States of finished rollouts at later branching points, and scores: a parent's own rollout goes on as one of its children."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from harness.search.base import Task
from harness.search.frontier import Frontier, Name, Part, advance, keep, name_of
from harness.search.rounds import Branch


class RolloutStates:
    """States of rollouts at every later branching point, with their predictions, and what the rollouts have scored."""

    def __init__(self, points: Sequence[int]) -> None:
        self._points = points
        self._passed: dict[int, Frontier] = {point: [] for point in points}
        self._scores: dict[Name, np.ndarray] = {}
        self._born: dict[Name, int] = {}

    def numbers(self, parent: Name, count: int) -> range:
        """Last numbers of a branch's new children, its own rollout being the first of `count`: none is given twice."""
        first = self._born.get(parent, 1)
        self._born[parent] = first + count - 1
        return range(first, self._born[parent])

    def follow(self, task: Task, part: Part) -> Part:
        """Advance rows through all later points and remember them there; returns them at the last."""
        for point in self._points:
            if point >= part.state.step:
                part = advance(task, [part], point)[0].predicted(task)
                self._passed[point].append(part)
        return part

    def going(self, task: Task, frontier: Frontier, stop: int) -> Frontier:
        """The rows of `frontier` as their rollouts were at a later point; at the last point none, as they are finished."""
        names = {name_of(branch) for part in frontier for branch in part.branches}
        return keep(task, self._passed.get(stop, []), names)

    def values(self, going: Sequence[Branch], scored: Sequence[Branch], values_NM: np.ndarray) -> np.ndarray:
        """Raw scores of the rollouts that go on, then those of the round, which are remembered."""
        self._scores |= {name_of(one): values_M for one, values_M in zip(scored, values_NM, strict=True)}
        return np.array([self._scores[name_of(one)] for one in (*going, *scored)])

    def keep(self, task: Task, kept: Collection[Name]) -> None:
        """Forget the states of all others."""
        self._passed = {point: keep(task, frontier, kept) for point, frontier in self._passed.items()}
