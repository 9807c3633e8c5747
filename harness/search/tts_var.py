"""TTS-VAR (arXiv 2507.18537): a batch that shrinks along the scales, by diversity first and by reward later.

All candidates advance together. After two early scales the previews are clustered and the picture nearest each centre
goes on; after two later ones survivors are drawn by exp(scale * reward) with replacement, and part at the next scale.
Scales are the published ones of 13, or as far along a shorter schedule; sizes are those after the scale, as in the
published code: of 8 candidates 6, 4, 2 and 1 are left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search.base import Plan, Task
from harness.search.clusters import principal, representatives
from harness.search.deadline import Deadline
from harness.search.frontier import Frontier, Name, finish, groups, grow, name_of, roots, thinned
from harness.search.planned_cost import lockstep_cost
from harness.search.potentials import check_scale
from harness.search.resampling import SCHEMES, normalised
from harness.search.rounds import Branch, Round, mark_final
from harness.search.sizing import largest_plan
from models.base import Family, Prefixed

SCALES = 13
EVENTS: tuple[tuple[int, Literal["cluster", "resample"], int], ...] = (
    (2, "cluster", 6), (5, "cluster", 4), (6, "resample", 2), (9, "resample", 1),
)  # fmt: skip
"""Published: the scale (of 13, from 0), what happens after it, and how many of 8 are left."""
OF = 8


@dataclass(frozen=True, slots=True)
class TTSVar:
    """A first batch and its shrinking; 8 is the published setting for N = 1, 8 N for N."""

    name: ClassVar[str] = "tts-var"
    families: ClassVar[tuple[Family, ...]] = ("ar",)
    needs: ClassVar[tuple[type, ...]] = (Prefixed,)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "particles"
    describes: ClassVar[bool] = True
    """Needs a verifier with features (`verifiers.base.Describing`)."""

    particles: int | None = None
    """Candidates at the first scale; None for as many as the budget buys."""
    scale: float = 10.0
    """How strongly rewards count: lambda."""

    def __post_init__(self) -> None:
        check_scale(self.scale)

    def events(self, steps: int) -> dict[int, tuple[str, int]]:
        """Draws done to what happens then and how many of 8 are left; of two that meet, the later one."""
        return {at * steps // SCALES + 1: (kind, left) for at, kind, left in EVENTS if at * steps // SCALES + 1 < steps}

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The largest first batch that the budget buys, at least two. Raises BudgetTooSmall."""
        prices.check(budget)
        events = self.events(prices.steps)
        clustered = [step for step, (kind, _) in events.items() if kind == "cluster"]

        def sized(particles: int) -> Plan:
            left = {step: size_of(particles, of_8) for step, (_, of_8) in events.items()}
            planned = lockstep_cost(prices, particles, left, clustered)
            # Survivors of one parent share its prediction: how many there are shows on the way.
            return Plan({"particles": particles, "scale": self.scale}, planned.rounds, False, planned.looks, planned.passes)

        return largest_plan(budget, sized, self.particles, 2, lambda size: f"{size} candidates")

    def run(self, task: Task) -> None:
        """Advance all prompts scale by scale, as many together as fill one batch with their first candidates."""
        deadline = Deadline(task)
        for prompts in groups(task, lambda prompt: int(task.plans[prompt].parameters["particles"])):
            self._run_group(task, prompts, deadline)
        mark_final(task)

    def _run_group(self, task: Task, prompts: Sequence[int], deadline: Deadline) -> None:
        steps = task.generator.card.steps
        events = self.events(steps)
        first = {prompt: int(task.plans[prompt].parameters["particles"]) for prompt in prompts}
        frontier = roots(task, first)
        children = thinned(frontier, dict.fromkeys(prompts, 1.0))
        for step in range(steps - 1):
            frontier = list(grow(task, frontier, children))
            if step + 1 not in events:
                children = thinned(frontier, {prompt: deadline.rest(prompt, step + 1) for prompt in prompts})
                continue
            kind, left = events[step + 1]
            sizes = {prompt: size_of(count, left) for prompt, count in first.items()}
            looked = self._clustered if kind == "cluster" else self._drawn
            children = looked(task, frontier, sizes, deadline)
        finish(task, list(grow(task, frontier, children)))

    def _clustered(self, task: Task, frontier: Frontier, sizes: Mapping[int, int], deadline: Deadline) -> dict[Name, list[Branch]]:
        """The pictures nearest the centres of as many clusters, each its own only child."""
        found: dict[int, list[tuple[Branch, np.ndarray]]] = {prompt: [] for prompt in sizes}
        for part in frontier:
            _, images = task.generator.preview(part.state)
            patches_NLE = task.judges[0].patches(images, [branch.prompt for branch in part.branches])
            for branch, features_L in zip(part.branches, principal(patches_NLE), strict=True):
                found[branch.prompt].append((branch, features_L))
        children: dict[Name, list[Branch]] = {}
        for prompt, pairs in found.items():
            features_NL = np.stack([features_L for _, features_L in pairs])
            step = frontier[0].state.step
            count = min(_within(deadline, prompt, step, sizes[prompt]), len(pairs))
            seed = task.seed(prompt, (), step)
            rows = representatives(features_NL, count, seed) if count < len(pairs) else range(len(pairs))
            children |= {name_of(pairs[row][0]): [pairs[row][0]] for row in rows}
        return children

    def _drawn(self, task: Task, frontier: Frontier, sizes: Mapping[int, int], deadline: Deadline) -> dict[Name, list[Branch]]:
        """Children drawn by reward, with replacement."""
        this = Round(task, sizes, complete=False)
        for part in frontier:
            _, images = task.generator.preview(part.state)
            this.score(part.branches, images)
        step = frontier[0].state.step
        children: dict[Name, list[Branch]] = {}
        for prompt, size in sizes.items():
            branches = this.branches(prompt)
            rewards_N = this.rewards(prompt)
            weights_N = normalised(np.where(np.isnan(rewards_N), -np.inf, self.scale * rewards_N))
            random, count = np.random.default_rng(task.seed(prompt, (), step)), _within(deadline, prompt, step, size)
            for branch, number in zip(branches, SCHEMES["multinomial"](weights_N, count, random), strict=True):
                born = [Branch(prompt, (*branch.path, j), branch.path, step + 1) for j in range(number)]
                children[name_of(branch)] = born
        this.close({name for name, born in children.items() if born})
        return children


def _within(deadline: Deadline, prompt: int, rounds: int, size: int) -> int:
    """A size after so many rounds, smaller where time runs out, at least one."""
    return max(1, int(size * deadline.rest(prompt, rounds)))


def size_of(particles: int, left: int) -> int:
    """How many of the first batch are left where the published schedule leaves `left` of 8."""
    return max(1, int(particles * left / OF + 0.5))
