"""Beam search over the scales of an autoregressive generator, and greedy token optimisation, which is its width 1.

arXiv 2510.16751: keep w prefixes; at every scale draw c children of each (w * c of the empty prefix at the first),
finish each child to a complete image, score the images, keep the w best children. K * w * c images, K (K + 1) / 2 * w
* c evaluations. Beyond the paper: the best image ever finished is returned, and predictions are shared, which changes
no image: siblings share the pass of their parent, and a survivor keeps the pass that its rollout has begun with.

The same search runs on diffusion with stochastic steps: the first children are w * c noises, later children of one
parent differ by the noise of their step, rollouts go on without noise; the last step takes none and does not branch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search import branching
from harness.search.base import Plan, Task
from harness.search.branching import Score, check_reuse, every_step
from harness.search.checks import check_level
from models.base import Family, Prefixed, Stochastic


@dataclass(frozen=True, slots=True)
class Beam:
    """w prefixes, c children each; not given, the width is 2 and the children are as many as the budget buys."""

    name: ClassVar[str] = "beam"
    families: ClassVar[tuple[Family, ...]] = ("ar", "diffusion")
    needs: ClassVar[tuple[type, ...]] = (Prefixed, Stochastic)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "candidates"

    width: int | None = None
    """Prefixes kept per scale or step."""
    candidates: int | None = None
    """Children of each prefix."""
    score: Score = "rollout"
    """What children are judged by: complete images, or previews."""
    level: float = 1.0
    """Noise of a branching diffusion step, above 0 to 1: 1 is the SDE of the same marginals."""
    reuse: bool = False
    """Whether a parent's finished rollout is one of its children, at no cost."""

    def __post_init__(self) -> None:
        check_level(self.level)
        check_reuse(self.score, self.reuse)

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most children that the budget buys, at least two a prefix. Raises BudgetTooSmall."""
        points = every_step(prices.family, prices.steps, self.score)
        return branching.plan(budget, prices, points, self.width or 2, self.candidates, self.score, self.reuse)

    def run(self, task: Task) -> None:
        """Advance all prompts step by step, as many together as their children fit into one batch."""
        card = task.generator.card
        branching.run(task, every_step(card.family, card.steps, self.score), self.score, self.level, self.reuse)


@dataclass(frozen=True, slots=True)
class Greedy:
    """One prefix, c children per scale, the best kept."""

    name: ClassVar[str] = "greedy"
    families: ClassVar[tuple[Family, ...]] = ("ar",)
    needs: ClassVar[tuple[type, ...]] = (Prefixed,)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "candidates"

    candidates: int | None = None
    """Children per scale; None for as many as the budget buys."""
    score: Score = "rollout"
    """What children are judged by: complete images, or decodes of the prefix alone."""
    reuse: bool = False
    """Whether a parent's finished rollout is one of its children, at no cost."""

    def __post_init__(self) -> None:
        check_reuse(self.score, self.reuse)

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most children that the budget buys, at least two. Raises BudgetTooSmall."""
        points = every_step(prices.family, prices.steps, self.score)
        return branching.plan(budget, prices, points, 1, self.candidates, self.score, self.reuse)

    def run(self, task: Task) -> None:
        """Advance all prompts scale by scale, as many together as their children fit into one batch."""
        card = task.generator.card
        branching.run(task, every_step(card.family, card.steps, self.score), self.score, 1.0, self.reuse)
