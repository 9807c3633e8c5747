"""Zero-order search over initial noises (Ma et al., arXiv 2501.09732).

A pivot noise x and neighbours at a fixed distance on its sphere, y = |x| (tau u + sqrt(1 - tau^2) w), where u = x /
|x| and w is a random unit vector orthogonal to u (the author's own sampler, which the paper does not print); the best
of them, the pivot included, is the next pivot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from harness.batches import batches
from harness.compute.ledger import Budget, Cost
from harness.compute.prices import Prices
from harness.search.base import Plan, Task
from harness.search.deadline import Deadline
from harness.search.random import later_image
from harness.search.rollouts import roll_out
from harness.search.rounds import Branch, Round, best_first, mark_final
from harness.search.sizing import check_affordable, largest_size
from harness.seeds import Path
from models.base import Family, Perturbable, Row

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ZeroOrder:
    """Rounds of neighbours around the best noise so far; the first pivot is random search's first candidate."""

    name: ClassVar[str] = "zero-order"
    families: ClassVar[tuple[Family, ...]] = ("diffusion",)
    needs: ClassVar[tuple[type, ...]] = (Perturbable,)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "candidates"

    neighbours: int = 4
    """Images per round, the last round's fewer where the budget ends."""
    candidates: int | None = None
    """Images in all, the first pivot's included; None for as many as the budget buys."""
    tau: float = 0.95
    """Cosine between a pivot and its neighbours."""

    def __post_init__(self) -> None:
        if not -1 <= self.tau <= 1:
            raise ValueError(f"tau={self.tau:g} is not a cosine, a number from -1 to 1")

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """As many images as the budget buys, at least a pivot and one neighbour. Raises BudgetTooSmall."""
        prices.check(budget)
        first, each = prices.image() + prices.settling(1), later_image(prices)

        def around(images: int) -> Cost:
            return each * images + prices.settling(images)

        def cost(images: int) -> Cost:
            full, rest = divmod(images - 1, self.neighbours)
            return first + around(self.neighbours) * full + around(rest)

        count = self.candidates
        if count is None:
            count = largest_size(budget, cost, 2, "a pivot and a neighbour")
        check_affordable(budget, cost(count), f"{count} images")
        full, rest = divmod(count - 1, self.neighbours)
        rounds = (first, *[around(self.neighbours)] * full, *([around(rest)] if rest else []))
        return Plan({"neighbours": self.neighbours, "candidates": count, "tau": self.tau}, rounds)

    def run(self, task: Task) -> None:
        """All prompts round by round; a batch holds rows of several prompts."""
        deadline = Deadline(task)
        pivots: dict[int, _Pivot] = {}
        last = max(len(plan.rounds) for plan in task.plans)
        for index in range(last):
            branches: list[Branch] = []
            for prompt, plan in enumerate(task.plans):
                if index < len(plan.rounds) and deadline.allows(prompt, index, index + 1):
                    made = len(task.candidates[task.judges[0].card.name][prompt])
                    count = min(self.neighbours, plan.parameters["candidates"] - made) if index else 1
                    branches += _next(prompt, pivots.get(prompt), count)
            self._round(task, branches, pivots)
            for branch in branches:
                deadline.done(branch.prompt, index + 1)
        mark_final(task)

    def _round(self, task: Task, branches: list[Branch], pivots: dict[int, _Pivot]) -> None:
        """Make and score the branches, and move each prompt's pivot to the best."""
        import torch

        prompts = list(dict.fromkeys(branch.prompt for branch in branches))
        this = Round(task, prompts)
        noises: dict[tuple[int, Path], torch.Tensor] = {}
        for batch in batches(branches, task.max_rows):
            rows = [Row(branch.prompt, task.seed(branch.prompt, branch.path, -1)) for branch in batch]
            noise_BX = task.generator.noise(rows)
            if pivots:
                pivot_BX = torch.stack([pivots[branch.prompt].noise_X for branch in batch])
                noise_BX = neighbours(pivot_BX, noise_BX, self.tau)
            noises |= {(branch.prompt, branch.path): noise_X for branch, noise_X in zip(batch, noise_BX, strict=True)}
            state = task.generator.start_from(task.conditioning, rows, noise_BX)
            this.score(batch, roll_out(task, state, batch))
        kept: set[tuple[int, Path]] = set()
        for prompt in prompts:
            values_NM, paths = this.values(prompt), [branch.path for branch in this.branches(prompt)]
            if prompt in pivots:
                values_NM = np.vstack([pivots[prompt].values_M, values_NM])
                paths = [pivots[prompt].path, *paths]
            best = best_first(task.judges[0], values_NM)[0]
            if (prompt, paths[best]) in noises:
                pivots[prompt] = _Pivot(paths[best], noises[prompt, paths[best]], values_NM[best])
                kept.add((prompt, paths[best]))
        this.close(kept)


@dataclass(slots=True)
class _Pivot:
    path: Path
    noise_X: torch.Tensor
    values_M: np.ndarray
    neighbours: int = 0
    """Made so far: an incumbent's later neighbours are new ones."""


def _next(prompt: int, pivot: _Pivot | None, count: int) -> list[Branch]:
    if pivot is None:
        return [Branch(prompt, (0,))]
    first, pivot.neighbours = pivot.neighbours, pivot.neighbours + count
    return [Branch(prompt, (*pivot.path, j), pivot.path) for j in range(first, first + count)]


def neighbours(pivot_BX: torch.Tensor, random_BX: torch.Tensor, tau: float) -> torch.Tensor:
    """The noise of each row at cosine `tau` from its pivot, on its sphere, in the direction of its random noise."""
    pivot_BL, random_BL = pivot_BX.double().flatten(1), random_BX.double().flatten(1)
    length_B1 = pivot_BL.norm(dim=1, keepdim=True)
    u_BL = pivot_BL / length_B1
    w_BL = random_BL - (random_BL * u_BL).sum(1, keepdim=True) * u_BL
    w_BL = w_BL / w_BL.norm(dim=1, keepdim=True)
    return (length_B1 * (tau * u_BL + (1 - tau * tau) ** 0.5 * w_BL)).to(pivot_BX.dtype).view_as(pivot_BX)
