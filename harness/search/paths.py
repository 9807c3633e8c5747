"""Search over paths (Ma et al., arXiv 2501.09732): finish nearly, add noise again, denoise, keep the best.

N noises are denoised to a noise level sigma. Then each survivor is noised forward M times by `forward` and denoised back
by `back`, a little further than it came; the best N by a preview live on, until nothing is left to denoise. Levels are
parts of the schedule: 0.11 of 30 steps is three steps before the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search.base import Plan, Task
from harness.search.checks import check_steps
from harness.search.deadline import Deadline
from harness.search.frontier import Frontier, Name, advance, finish, gather, groups, keep, name_of, preview, roots
from harness.search.planned_cost import PlannedCost
from harness.search.rounds import Branch, Round, best_scored, mark_final
from harness.search.sizing import largest_plan
from models.base import Family, Mutable, Renoisable


@dataclass(frozen=True, slots=True)
class Paths:
    """N survivors with M renoised children each; the defaults are published, M is as many as the budget buys."""

    name: ClassVar[str] = "paths"
    families: ClassVar[tuple[Family, ...]] = ("diffusion",)
    needs: ClassVar[tuple[type, ...]] = (Renoisable, Mutable)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "candidates"

    width: int = 2
    """Survivors: N."""
    candidates: int | None = None
    """Renoised children of each survivor: M."""
    sigma: float = 0.11
    """Noise level that the first noises are denoised to."""
    forward: float = 0.78
    """How far up the noise goes."""
    back: float = 0.81
    """How far down the denoising goes."""

    def __post_init__(self) -> None:
        if not 0 < self.sigma < 1 or not 0 < self.forward < self.back:
            raise ValueError(
                f"sigma={self.sigma:g},forward={self.forward:g},back={self.back:g} do not lead down: "
                "take 0 < sigma < 1 and 0 < forward < back"
            )

    def turns(self, steps: int) -> tuple[int, tuple[tuple[int, int], ...]]:
        """Draws done before the first turn, and of each turn the step that noise leads back to and where it ends."""
        level = self.sigma
        start = here = min(max(1, _step(level, steps)), steps - 1)
        turns: list[tuple[int, int]] = []
        while here < steps:
            up = min(_step(level + self.forward, steps), here - 1)
            level += self.forward - self.back
            here = min(max(here + 1, _step(level, steps)), steps)
            turns.append((up, here))
        return start, tuple(turns)

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most children a survivor that the budget buys, at least two. Raises BudgetTooSmall, and Unfit for images of one step."""
        prices.check(budget)
        check_steps(prices.steps, "paths goes back to")
        start, turns = self.turns(prices.steps)

        def sized(children: int) -> Plan:
            planned = PlannedCost(prices)
            planned.start(self.width)
            planned.path(0, start, self.width)
            planned.end_round()
            for up, down in turns:
                rows = self.width * children
                planned.predicted(-1)
                planned.path(up, down, rows)
                if down < prices.steps:
                    planned.look(down, rows)
                else:
                    planned.finish(rows)
                planned.end_round()
            return Plan({"width": self.width, "candidates": children}, planned.rounds, looks=planned.looks)

        return largest_plan(budget, sized, self.candidates, 2, lambda size: f"{self.width} paths with {size} children each")

    def run(self, task: Task) -> None:
        """All prompts turn by turn, as many together as fill one batch with children."""
        deadline = Deadline(task)
        for prompts in groups(task, lambda prompt: self.width * int(task.plans[prompt].parameters["candidates"])):
            self._run_group(task, prompts, deadline)
        mark_final(task)

    def _run_group(self, task: Task, prompts: Sequence[int], deadline: Deadline) -> None:
        steps = task.generator.card.steps
        start, turns = self.turns(steps)
        frontier = advance(task, roots(task, dict.fromkeys(prompts, self.width)), start)
        for index, (up, down) in enumerate(turns):
            counts = {prompt: self._count(task, prompt, deadline.rest(prompt, index + 1)) for prompt in prompts}
            frontier = self._turned(task, advance(task, self._renoised(task, frontier, up, counts), down), prompts)

    def _count(self, task: Task, prompt: int, part: float) -> int:
        """Children of a survivor: fewer where only a part of what is planned still fits the time."""
        return max(1, int(task.plans[prompt].parameters["candidates"] * part))

    def _renoised(self, task: Task, frontier: Frontier, up: int, counts: Mapping[int, int]) -> Frontier:
        """Every survivor's children, with the noise of step `up`; where survivors are fewer, they share the children of all."""
        wanted: list[tuple[Name, Branch]] = []
        survivors: dict[int, list[Branch]] = {prompt: [] for prompt in counts}
        for branch in (branch for part in frontier for branch in part.branches):
            survivors[branch.prompt].append(branch)
        for prompt, parents in survivors.items():
            children = self.width * counts[prompt]
            for place, parent in enumerate(parents):
                for index in range(len(range(place, children, len(parents)))):
                    wanted.append((name_of(parent), Branch(prompt, (*parent.path, index), parent.path, up + 1)))

        def renoise(state: object, branches: Sequence[Branch]) -> object:
            return task.generator.renoise(state, up, [task.seed(one.prompt, one.path, -1) for one in branches])

        return gather(task, frontier, wanted, renoise)

    def _turned(self, task: Task, frontier: Frontier, prompts: Sequence[int]) -> Frontier:
        """The best of the children; finished ones are the last."""
        if frontier and frontier[0].state.step == task.generator.card.steps:
            finish(task, frontier)
            return []
        this = Round(task, prompts, complete=False)
        frontier = preview(task, frontier, this)
        kept: set[Name] = set()
        for prompt in prompts:
            branches = this.branches(prompt)
            kept |= {name_of(branches[n]) for n in best_scored(task.judges[0], this.values(prompt))[: self.width]}
        this.close(kept)
        return keep(task, frontier, kept)


def _step(level: float, steps: int) -> int:
    """Draws done at a noise level, the level as a part of the schedule; half a step counts as one."""
    return max(0, int((1 - level) * steps + 0.5))
