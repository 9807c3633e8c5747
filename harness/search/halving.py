"""Successive halving on previews: many candidates begin, those whose previews score best go on.

Jamieson and Talwalkar (arXiv 1502.07943) as a search over images: an arm is a candidate, a pull some of its steps. They
give every rung the same budget and keep 1 / eta; here the looks are at given parts of the steps, and `keep` is 1 / eta.
Nothing is copied and no noise added, so what is finished are images that random search would have made, bit for bit;
what is saved is the rest of those that were dropped. Needs no ability beyond previews, so that it runs on any model.
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
from harness.search.frontier import Frontier, Name, finish, groups, grow, name_of, preview, roots, thinned
from harness.search.planned_cost import lockstep_cost
from harness.search.rounds import Branch, Round, best_first, mark_final
from harness.search.sizing import largest_plan
from models.base import Family


@dataclass(frozen=True, slots=True)
class Halving:
    """N candidates, a part of them kept at each look."""

    name: ClassVar[str] = "halving"
    families: ClassVar[tuple[Family, ...]] = ("ar", "diffusion")
    needs: ClassVar[tuple[type, ...]] = ()
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "candidates"

    candidates: int | None = None
    """Candidates that begin; None for as many as the budget buys."""
    at: tuple[float, ...] = (0.5,)
    """Parts of the steps after which previews are looked at, in order, written 0.4/0.7; those that round to one step are one."""
    keep: float = 0.5
    """Part of the candidates that goes on after each look, at least one."""

    def __post_init__(self) -> None:
        if not self.at or list(self.at) != sorted(set(self.at)) or not all(0 < part < 1 for part in self.at):
            raise ValueError(f"at={'/'.join(map(str, self.at))} are not parts of the steps in order, numbers between 0 and 1")
        if not 0 < self.keep < 1:
            raise ValueError(f"keep={self.keep:g} drops none or all: give a number between 0 and 1")

    def looks(self, steps: int) -> tuple[int, ...]:
        """Draws done at each look, of an image of `steps`. Raises Unfit where no step lies between."""
        check_steps(steps, "halving looks at")
        return tuple(dict.fromkeys(min(steps - 1, max(1, int(part * steps + 0.5))) for part in self.at))

    def sizes(self, candidates: int, steps: int) -> dict[int, int]:
        """Draws done at each look to how many go on after it."""
        return {
            look: max(1, int(candidates * self.keep ** (index + 1) + 0.5)) for index, look in enumerate(self.looks(steps))
        }

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most candidates that the budget buys, at least two. Raises BudgetTooSmall."""
        prices.check(budget)
        looks = "/".join(map(str, self.looks(prices.steps)))

        def sized(candidates: int) -> Plan:
            planned = lockstep_cost(prices, candidates, self.sizes(candidates, prices.steps))
            return Plan({"candidates": candidates, "looks": looks, "keep": self.keep}, planned.rounds, looks=planned.looks)

        return largest_plan(budget, sized, self.candidates, 2, lambda size: f"{size} candidates")

    def run(self, task: Task) -> None:
        """Advance all prompts step by step, as many together as fill one batch with their first candidates."""
        deadline = Deadline(task)
        for prompts in groups(task, lambda prompt: int(task.plans[prompt].parameters["candidates"])):
            self._run_group(task, prompts, deadline)
        mark_final(task)

    def _run_group(self, task: Task, prompts: Sequence[int], deadline: Deadline) -> None:
        steps = task.generator.card.steps
        first = {prompt: int(task.plans[prompt].parameters["candidates"]) for prompt in prompts}
        sizes = {prompt: self.sizes(count, steps) for prompt, count in first.items()}
        frontier = roots(task, first)
        children = thinned(frontier, dict.fromkeys(prompts, 1.0))
        ranks: dict[Name, int] = {}
        for step in range(steps - 1):
            frontier = list(grow(task, frontier, children))
            if step + 1 in self.looks(steps):
                frontier, children = _best(task, frontier, {prompt: sizes[prompt][step + 1] for prompt in prompts}, ranks, deadline)
            else:
                children = thinned(frontier, {prompt: deadline.rest(prompt, step + 1) for prompt in prompts}, ranks)
        finish(task, list(grow(task, frontier, children)))


def _best(
    task: Task, frontier: Frontier, sizes: Mapping[int, int], ranks: dict[Name, int], deadline: Deadline
) -> tuple[Frontier, dict[Name, list[Branch]]]:
    """The rows with their predictions, and the best of each prompt as their own only children, whose ranks are noted.

    Fewer than `sizes` where time runs out, at least one.
    """
    look, this = frontier[0].state.step, Round(task, sizes, complete=False)
    frontier = preview(task, frontier, this)
    children: dict[Name, list[Branch]] = {}
    for prompt, size in sizes.items():
        branches, order = this.branches(prompt), best_first(task.judges[0], this.values(prompt))
        ranks.update({name_of(branches[row]): rank for rank, row in enumerate(order)})
        count = max(1, int(size * deadline.rest(prompt, look)))
        children |= {name_of(branches[row]): [branches[row]] for row in sorted(order[:count])}
    this.close(children)
    return frontier, children
