"""EvoSearch (He et al., arXiv 2505.17618): generations of images bred at chosen steps of the denoising path.

Every generation finishes its images and scores them. The next begins at a later step, from the latents that all images
so far had there: the best (elites) go on from their own, the other places are won in tournaments over nine tenths of
them, and the winners' latents are moved a little (`Mutable`). Denoising is stochastic, so that elites live again
differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, ClassVar, Literal

import numpy as np

from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search.base import Plan, Task
from harness.search.checks import check_level, check_noisy
from harness.search.deadline import Deadline
from harness.search.frontier import Frontier, Name, Part, advance, gather, groups, name_of, roots
from harness.search.planned_cost import PlannedCost
from harness.search.rounds import Branch, Round, best_scored, mark_final
from harness.search.sizing import largest_plan
from models.base import Family, Mutable, Stochastic

PRESETS: Mapping[str, tuple[tuple[float, ...], tuple[int, ...], int]] = {
    "sd2.1": ((0.0, 0.4, 0.6, 0.8), (42, 26, 26, 26, 30), 5),
    "flux": ((0.1, 0.4, 0.6, 0.8), (14, 7, 7, 7, 10), 3),
}
"""Parts of the steps at which generations begin, sizes of the first population and of theirs, and elites."""


@dataclass(frozen=True, slots=True)
class Evolution:
    """A first population and generations in the preset's proportions; as large as the budget buys."""

    name: ClassVar[str] = "evolution"
    families: ClassVar[tuple[Family, ...]] = ("diffusion",)
    needs: ClassVar[tuple[type, ...]] = (Stochastic, Mutable)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "population"

    preset: Literal["sd2.1", "flux"] = "flux"
    """Published schedule."""
    population: int | None = None
    """First images; the published 42 or 14 gives the published sizes. None for as many as the budget buys."""
    rate: float = 0.2
    """How far an initial noise is moved."""
    level: float = 1.0
    """Noise of denoising steps, above 0 to 1."""

    def __post_init__(self) -> None:
        check_level(self.level)
        if not 0 < self.rate < 1:
            raise ValueError(f"rate={self.rate:g} is not a part, a number between 0 and 1")

    def generations(self, population: int, steps: int) -> tuple[tuple[int, int, int], ...]:
        """(step, images, elites) of each generation, the first population at step 0 without elites."""
        parts, sizes, elites = PRESETS[self.preset]
        found = [(0, population, 0)]
        for part, size in zip(parts, sizes[1:], strict=True):
            images = max(1, _half_up(population * size / sizes[0]))
            best = min(max(1, _half_up(population * elites / sizes[0])), images - 1)
            # A generation at the last step, which takes no noise, would repeat its elites.
            found.append((min(_half_up(part * steps), steps - 2), images, best))
        return tuple(found)

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The largest first population that the budget buys, at least two. Raises BudgetTooSmall, Unfit."""
        prices.check(budget)
        check_noisy(prices.steps, "evolution")

        def sized(population: int) -> Plan:
            planned, steps = PlannedCost(prices), prices.steps
            for step, images, elites in self.generations(population, steps):
                # What elites go on from was predicted when they passed the step first.
                planned.predict(step, images - elites)
                planned.predicted(step)
                planned.path(step, steps, images)
                planned.finish(images)
                planned.end_round()
            return Plan({"preset": self.preset, "population": population}, planned.rounds)

        return largest_plan(budget, sized, self.population, 2, lambda size: f"a first population of {size}")

    def run(self, task: Task) -> None:
        """All prompts generation by generation, as many together as fill one batch with the first population."""
        deadline = Deadline(task)
        for prompts in groups(task, lambda prompt: int(task.plans[prompt].parameters["population"])):
            _Breeding(self, task, prompts).run(deadline)
        mark_final(task)


@dataclass(slots=True)
class _Breeding:
    """The generations of one group of prompts."""

    search: Evolution
    task: Task
    prompts: Sequence[int]
    steps: int = 0
    passed: dict[int, Frontier] = field(default_factory=dict)
    """Step at which a generation begins to the rows that have passed it, predicted."""
    scores: dict[Name, np.ndarray] = field(default_factory=dict)
    made: dict[int, int] = field(default_factory=dict)
    """Children of each prompt so far: their last names."""

    def run(self, deadline: Deadline) -> None:
        task = self.task
        self.steps = task.generator.card.steps
        plans = {prompt: self._generations(prompt) for prompt in self.prompts}
        self.made = dict.fromkeys(plans, 0)
        self.passed = {step: [] for plan in plans.values() for step, _, _ in plan[1:]}
        self._live(roots(task, {prompt: plan[0][1] for prompt, plan in plans.items()}))
        for index in range(1, len(next(iter(plans.values())))):
            for prompt in plans:
                deadline.done(prompt, index)
            going = [prompt for prompt in plans if deadline.allows(prompt, index, index + 1)]
            if going:
                step = plans[going[0]][index][0]
                self._live(self._children({prompt: plans[prompt][index] for prompt in going}, index), begun=step)

    def _generations(self, prompt: int) -> tuple[tuple[int, int, int], ...]:
        population = self.task.plans[prompt].parameters["population"]
        return self.search.generations(population, self.steps)

    def _live(self, frontier: Frontier, begun: int = 0) -> None:
        """Finish and score a generation; its rows are remembered at the steps where later ones begin."""
        task, level = self.task, self.search.level
        for step in sorted(step for step in self.passed if step >= begun):
            frontier = [part.predicted(task) for part in advance(task, frontier, step, level)]
            self.passed[step] += frontier
        frontier = advance(task, frontier, self.steps, level)
        this = Round(task, dict.fromkeys(branch.prompt for part in frontier for branch in part.branches))
        for part in frontier:
            this.score(part.branches, task.generator.decode(part.state))
        for prompt in dict.fromkeys(branch.prompt for part in frontier for branch in part.branches):
            names = map(name_of, this.branches(prompt))
            self.scores |= dict(zip(names, this.values(prompt), strict=True))
        this.close()

    def _children(self, generation: Mapping[int, tuple[int, int, int]], index: int) -> Frontier:
        """Elites as they were at the step, and moved copies of tournament winners, joined into few batches."""
        step = next(iter(generation.values()))[0]
        elites: list[tuple[Name, Branch]] = []
        moved: list[tuple[Name, Branch]] = []
        for prompt, (_, images, best) in generation.items():
            parents = [name_of(one) for part in self.passed[step] for one in part.branches if one.prompt == prompt]
            values_NM = np.array([self.scores[name] for name in parents])
            order = [parents[n] for n in best_scored(self.task.judges[0], values_NM)]
            random = np.random.default_rng(self.task.seed(prompt, (), index))
            # Where fewer are scored they are elites more than once: denoising makes others of them, and the price is as planned.
            elites += [(parent, self._child(parent, step)) for parent in islice(cycle(order), best)]
            for _ in range(images - best):
                rivals = random.permutation(len(order))[: max(1, int(0.9 * len(order)))]
                winner = order[min(rivals)]
                moved.append((winner, self._child(winner, step)))
        return [*self._gather(step, elites, move=False), *self._gather(step, moved, move=True)]

    def _child(self, parent: Name, step: int) -> Branch:
        prompt, path = parent
        self.made[prompt] += 1
        return Branch(prompt, (*path, self.made[prompt] - 1), path, step + 1)

    def _gather(self, step: int, wanted: Sequence[tuple[Name, Branch]], move: bool) -> list[Part]:
        task = self.task

        def mutate(state: Any, branches: Sequence[Branch]) -> Any:
            seeds = [task.seed(one.prompt, one.path, -1) for one in branches]
            return task.generator.mutate(state, seeds, self.search.rate)

        return gather(task, self.passed[step], wanted, mutate if move else None)


def _half_up(value: float) -> int:
    return int(value + 0.5)
