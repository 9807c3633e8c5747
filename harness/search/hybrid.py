"""Hybrid search on a pair: the autoregressive model drafts, the diffusion model refines, one budget pays for both.

A search on the first model spends a share of the budget; the best images that it has made are noised to the step that
the strength names and finished by the second model, each time with other noise, as often as the rest of the budget
allows. The best image of all, drafts included, is returned. Where all drafts of a prompt are blanks there is nothing to
refine: the rest of its budget buys more drafts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nextafter
from typing import ClassVar

import numpy as np

from harness.batches import batches
from harness.compute.amounts import counted
from harness.compute.ledger import Budget, BudgetTooSmall, Cost, Unit, total
from harness.compute.prices import Prices
from harness.search.base import Candidate, Plan, Search, Task
from harness.search.deadline import Deadline
from harness.search.random import Random
from harness.search.rounds import Branch, Round, best_scored, mark_final
from harness.search.sizing import largest_size
from harness.search.subtask import check_wrappable, search_again
from models.base import Family, Images, Refinable, Row, first_step
from models.blank import are_blank

_ROUND = 8
"""Refinements of a prompt that are made together; a deadline can come between two rounds."""


@dataclass(frozen=True, slots=True)
class Hybrid:
    """A share of the budget for drafts, the rest for refinements of the best of them."""

    name: ClassVar[str] = "hybrid"
    families: ClassVar[tuple[Family, ...]] = ("pair",)
    needs: ClassVar[tuple[type, ...]] = (Refinable,)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "refinements"

    share: float = 0.5
    """Of the budget, for drafts; refinements get what these leave."""
    strength: float = 0.6
    """How much of the second model's way a draft is sent back: 1 keeps nothing of it."""
    drafts: int = 1
    """Best drafts that are refined, in turn."""
    refinements: int | None = None
    """Images by the second model; None for as many as the budget buys."""
    search: Search = Random()  # noqa: RUF009 - immutable
    """What searches the drafts."""

    def __post_init__(self) -> None:
        check_wrappable(self.search)
        for name in ("share", "strength"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name):g} is no number above 0 and up to 1")

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The drafts' own plan and as many refinements as the rest buys: at least one, for which drafts make room.

        Raises:
            BudgetTooSmall: drafts and one refinement are not affordable.
            Unfit: the search of the drafts is, on the first model.
        """
        prices.check(budget)
        least = self.refinements or 1
        try:
            drafts = self.search.plan(self._grant(budget, prices), prices)
        except BudgetTooSmall as error:
            smallest = self._smallest(error.smallest, budget.unit, prices)
            what = f"drafts by {self.search.name} from {self.share:g} of it and {counted(least, 'refinement')}"
            raise BudgetTooSmall(budget, smallest, what) from None
        base = drafts.cost + self._encode(prices)
        taken = base + Cost(images=drafts.looks)

        def cost(images: int) -> Cost:
            return taken + total((self._together(prices, rows), 1) for rows in _rounds(images))

        count = largest_size(budget, cost, 1, "drafts and one refinement") if self.refinements is None else self.refinements
        parameters = {
            "share": self.share, "strength": self.strength, "drafts": self.drafts, "refinements": count,
            "search": dict(drafts.parameters),
        }  # fmt: skip
        rounds = (base, *(self._together(prices, rows) for rows in _rounds(count)))
        return Plan(parameters, rounds, drafts.exact, drafts.looks, drafts.passes)

    def _grant(self, budget: Budget, prices: Prices) -> Budget:
        """What drafts may spend: their share of the budget, or less where that leaves no refinement; not above what is there."""
        kept = self._kept(prices).amount(budget.unit)
        return Budget(max(0.0, min(budget.amount * self.share, budget.amount - kept)), budget.unit)

    def _smallest(self, drafts: float, unit: Unit, prices: Prices) -> float:
        """The smallest budget that grants drafts so much."""
        smallest = max(drafts / self.share, drafts + self._kept(prices).amount(unit))
        while self._grant(Budget(smallest, unit), prices).amount < drafts:  # dividing and taking away round
            smallest = nextafter(smallest, inf)
        return smallest

    def _kept(self, prices: Prices) -> Cost:
        """The refinements that there have to be."""
        return self._encode(prices) + total((self._together(prices, rows), 1) for rows in _rounds(self.refinements or 1))

    def _encode(self, prices: Prices) -> Cost:
        if prices.refining is None:
            raise ValueError("hybrid refines with a second model: give a pair, DRAFT+REFINE")
        return prices.refining.encode()

    def _together(self, prices: Prices, images: int) -> Cost:
        """One round of refinements."""
        assert prices.refining is not None
        return self._refinement(prices.refining) * images + prices.settling(images)

    def _refinement(self, prices: Prices) -> Cost:
        first = first_step(self.strength, prices.steps)
        return prices.embed() + prices.path(first, prices.steps) + prices.decode() + prices.score()

    def run(self, task: Task) -> None:
        """Drafts of all prompts, then refinements of all prompts, a round at a time."""
        everyone = range(len(task.prompts))
        grants = [self._grant(task.budget, each) for each in task.prices]
        plans = [self.search.plan(grant, each) for grant, each in zip(grants, task.prices, strict=True)]
        latest = min(grants, key=lambda grant: grant.amount)
        search_again(task, self.search, everyone, latest, plans)
        deadline, chosen = Deadline(task), {prompt: self._best(task, prompt) for prompt in everyone}
        for prompt in everyone:
            deadline.done(prompt, 1)
            if not chosen[prompt]:
                self._draft_on(task, prompt)
        for index in range(1, max(len(plan.rounds) for plan in task.plans)):
            alive = [
                prompt for prompt in everyone
                if index < len(task.plans[prompt].rounds) and chosen[prompt] and deadline.allows(prompt, index, index + 1)
            ]  # fmt: skip
            if alive:
                self._refine(task, index - 1, {prompt: chosen[prompt] for prompt in alive})
            for prompt in alive:
                deadline.done(prompt, index + 1)
        mark_final(task)

    def _draft_on(self, task: Task, prompt: int) -> None:
        """Spend what is left of a prompt's budget on drafts, where it buys any."""
        rest = task.budget.amount - task.limited(prompt).amount(task.budget.unit)
        left = Budget(max(0.0, rest), task.budget.unit)
        try:
            plan = self.search.plan(left, task.prices[prompt].opened)
        except BudgetTooSmall:
            return
        search_again(task, self.search, [prompt], left, [plan])

    def _best(self, task: Task, prompt: int) -> list[Candidate]:
        """Drafts to refine, best first; none where there is none but blanks, which are no drafts."""
        entered = [one for one in task.candidates[task.judges[0].card.name][prompt] if one.complete and not any(are_blank(one.image[None]))]
        if not entered:
            return []
        values_NM = np.array([one.values_M for one in entered], dtype=np.float64)
        return [entered[place] for place in best_scored(task.judges[0], values_NM)[: self.drafts]]

    def _refine(self, task: Task, index: int, chosen: dict[int, list[Candidate]]) -> None:
        """One round: refinement n of a prompt is made from its draft n modulo their number, and is a root of its own."""
        branches: list[tuple[Branch, Candidate]] = []
        for prompt, drafts in chosen.items():
            count = task.plans[prompt].parameters["refinements"]
            for n in range(index * _ROUND, min((index + 1) * _ROUND, count)):
                draft = drafts[n % len(drafts)]
                branches.append((Branch(prompt, (task.roots[prompt] + n,), draft.path, task.generator.card.steps), draft))
        this = Round(task, chosen)
        for batch in batches(branches, task.max_rows):
            this.score([branch for branch, _ in batch], self._finish(task, batch))
        this.close()

    def _finish(self, task: Task, batch: Sequence[tuple[Branch, Candidate]]) -> Images:
        import torch

        assert task.refiner is not None
        generator = task.refiner.generator
        rows = [Row(branch.prompt, task.seed(branch.prompt, branch.path, -1)) for branch, _ in batch]
        images = torch.stack([draft.image for _, draft in batch])
        state = generator.start_image(task.refiner.conditioning, rows, images, self.strength)
        while state.step < generator.card.steps:
            seeds = [task.seed(branch.prompt, branch.path, state.step) for branch, _ in batch]
            state = generator.draw(generator.predict(state), seeds)
        return generator.decode(state)


def _rounds(images: int) -> list[int]:
    """So many refinements in rounds."""
    return [min(_ROUND, images - done) for done in range(0, images, _ROUND)]
