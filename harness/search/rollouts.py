"""Rollouts: start independent candidates, draw their steps with their own seeds, finish and decode them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.search.base import Task
from harness.search.rounds import Branch
from models.base import Images, Row


class Roots:
    """Starts of independent candidates; a prompt's empty prefix (AR) is predicted once for all of them."""

    def __init__(self, task: Task, prompts: Sequence[int]) -> None:
        self._task = task
        self.prefixes: Any = None
        if task.generator.card.family == "ar":
            rows = [Row(prompt, 0) for prompt in prompts]
            self.prefixes = task.generator.predict(task.generator.start(task.conditioning, rows))
            self._row = {prompt: row for row, prompt in enumerate(prompts)}

    def rows(self, branches: Sequence[Branch]) -> Any:
        """One row per branch, before its first draw."""
        task = self._task
        if self.prefixes is not None:
            return task.generator.select(self.prefixes, [self._row[branch.prompt] for branch in branches])
        rows = [Row(branch.prompt, task.seed(branch.prompt, branch.path, -1)) for branch in branches]
        return task.generator.start(task.conditioning, rows)


def draw(task: Task, state: Any, branches: Sequence[Branch], level: float | None = None) -> Any:
    """Draw each row's step with the seed of its branch; a level makes a diffusion step stochastic (`Stochastic`), but for the first.

    Where a flow starts from nothing but noise, a first step of level 1 would forget it whole: what was looked at in a noise, or
    bred from it, would be lost, and candidates would have nothing in common with those of random search.
    """
    seeds = [task.seed(branch.prompt, branch.path, state.step) for branch in branches]
    if level is None or state.step == 0 or task.generator.card.family == "ar":
        return task.generator.draw(state, seeds)
    return task.generator.draw_stochastic(state, seeds, level)


def roll_out(task: Task, state: Any, branches: Sequence[Branch]) -> Images:
    """Finish every row and decode it."""
    while state.step < task.generator.card.steps:
        state = draw(task, task.generator.predict(state), branches)
    return task.generator.decode(state)
