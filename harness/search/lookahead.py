"""Lookahead: beam search with rollouts at chosen scales only (Search over Tokens, arXiv 2604.15453).

Between the chosen scales a prefix goes on as its own rollout has gone, which costs nothing: the rollout's state at the
next chosen scale is kept. With all scales it is beam search, image by image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search import branching
from harness.search.base import Plan, Task, Unfit
from models.base import Family, Prefixed

PUBLISHED = (8, 13)
"""Infinity's setting in the published code: rollouts at the first 8 of 13 scales (width 5, 10 candidates)."""


@dataclass(frozen=True, slots=True)
class Lookahead:
    """w prefixes, c children each at every chosen scale; as many children as the budget buys where none are given."""

    name: ClassVar[str] = "lookahead"
    families: ClassVar[tuple[Family, ...]] = ("ar",)
    needs: ClassVar[tuple[type, ...]] = (Prefixed,)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "candidates"

    width: int = 2
    """Prefixes kept."""
    candidates: int | None = None
    """Children of each prefix; None for as many as the budget buys."""
    scales: tuple[int, ...] | None = None
    """Scales to branch at, from 0, written 0/2/4 (the first is always one); None for the first 8 of 13, or as large a part."""
    reuse: bool = False
    """Whether a parent's finished rollout is one of its children, at no cost."""

    def __post_init__(self) -> None:
        if self.scales is not None and list(self.scales) != sorted(set(self.scales)):
            raise ValueError(f"scales={'/'.join(map(str, self.scales))} are not in order, each once")

    def points(self, steps: int) -> tuple[int, ...]:
        """Scales to branch at, of an image of `steps`: the first is where candidates begin. Raises Unfit."""
        if self.scales is None:
            first, of = PUBLISHED
            return tuple(range(max(1, steps * first // of)))
        if self.scales[-1] >= steps:
            raise Unfit(f"scales={self.scales[-1]} is beyond the last of {steps} scales, {steps - 1}: leave it out")
        return tuple(dict.fromkeys((0, *self.scales)))

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most children that the budget buys, at least two a prefix. Raises BudgetTooSmall."""
        points = self.points(prices.steps)
        plan = branching.plan(budget, prices, points, self.width, self.candidates, "rollout", self.reuse)
        return replace(plan, parameters={**plan.parameters, "scales": "/".join(map(str, points))})

    def run(self, task: Task) -> None:
        """Advance all prompts from chosen scale to chosen scale, as many together as fill one batch."""
        branching.run(task, self.points(task.generator.card.steps), "rollout", 1.0, self.reuse)
