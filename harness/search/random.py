"""Random search: the best of N independent images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.batches import batches
from harness.compute.ledger import Budget, Cost
from harness.compute.prices import Prices
from harness.search.base import Plan, Task
from harness.search.deadline import Deadline
from harness.search.rollouts import Roots, roll_out
from harness.search.rounds import Branch, Round, mark_final
from harness.search.sizing import check_affordable, largest_size
from models.base import Family


@dataclass(frozen=True, slots=True)
class Random:
    """N images with paths (0,), (1,) …; one pool serves every verifier and every smaller budget."""

    name: ClassVar[str] = "random"
    families: ClassVar[tuple[Family, ...]] = ("ar", "diffusion")
    needs: ClassVar[tuple[type, ...]] = ()
    pools: ClassVar[bool] = True
    size: ClassVar[str] = "candidates"

    candidates: int | None = None
    """Images per prompt; None for as many as the budget buys."""

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """As many images as the budget buys. Raises BudgetTooSmall."""
        prices.check(budget)
        first, each = prices.image(), later_image(prices)

        def cost(images: int) -> Cost:
            return first + each * (images - 1) + prices.settling(images)

        count = largest_size(budget, cost, 1, "one image") if self.candidates is None else self.candidates
        check_affordable(budget, cost(count), f"{count} images")
        settling = prices.settling(count)
        rounds = (first, *[each] * (count - 1), *([settling] if settling != Cost() else []))
        return Plan({"candidates": count}, rounds, opening=first - each)

    def run(self, task: Task) -> None:
        """Rows of several prompts fill one batch; the prompts follow one another.

        To a cascade all images of a prompt are one round, whose best few it examines: that pool serves no smaller budget.
        """
        deadline = Deadline(task)
        for prompts in batches(range(len(task.prompts)), task.max_rows):
            roots = Roots(task, prompts)
            whole = Round(task, prompts) if task.judges[0].going(1) else None
            for branches in _batches(task, prompts, deadline):
                pool = whole or Round(task, dict.fromkeys(branch.prompt for branch in branches))
                pool.score(branches, roll_out(task, roots.rows(branches), branches))
                if pool is not whole:
                    pool.close()
                for branch in branches:
                    deadline.done(branch.prompt, branch.path[0] + 1)
            if whole:
                whole.close()
        mark_final(task)


def later_image(prices: Prices) -> Cost:
    """An independent image after a prompt's first: no text, and no first prediction where prefixes share it."""
    cost = prices.image() - prices.opening()
    return cost - prices.predict(0) if prices.family == "ar" else cost


def _batches(task: Task, prompts: Sequence[int], deadline: Deadline) -> Iterator[list[Branch]]:
    """Branches of the next batch; asks the deadline as late as it can."""
    batch: list[Branch] = []
    for prompt in prompts:
        begun, count = 0, task.plans[prompt].parameters["candidates"]
        for index in range(count):
            if not deadline.allows(prompt, begun, index + 1, then=count):
                break
            batch.append(Branch(prompt, (index,)))
            if len(batch) == task.max_rows:
                yield batch
                batch, begun = [], index + 1
    if batch:
        yield batch
