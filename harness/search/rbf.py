"""Rollover budget forcing (Kim et al., arXiv 2503.19385): the first child that is better is taken, what is left rolls over.

Several noises are looked at and the best is taken; its first step is its own. Then every step has a quota of children, drawn one
at a time by the stochastic step and looked at; the first that is better than all before is taken and the rest of the quota goes to the
next step; without one, the best of the quota is. The last step that takes noise uses up what is left.

No prompt waits for another: the next children of all prompts, each at its own step, are predicted together where the
generator can (`Mixed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from harness.batches import batches
from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search.base import Plan, Task, Unfit
from harness.search.checks import check_level, check_noisy, check_steps
from harness.search.deadline import Deadline
from harness.search.frontier import Frontier, Name, Part, advance, finish, gather, groups, keep, name_of, preview, roots
from harness.search.planned_cost import PlannedCost
from harness.search.rollouts import draw
from harness.search.rounds import Branch, Round, best_first, mark_final, mark_kept
from harness.search.sizing import largest_plan
from models.base import Family, Mutable, Stochastic


@dataclass(frozen=True, slots=True)
class RBF:
    """As many evaluations as the budget buys, a tenth of them for the first noise: 25 of 250 in the paper's setting."""

    name: ClassVar[str] = "rbf"
    families: ClassVar[tuple[Family, ...]] = ("diffusion",)
    needs: ClassVar[tuple[type, ...]] = (Stochastic, Mutable)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "looks"

    looks: int | None = None
    """Previews in all, first noises and children; None for as many as the budget buys."""
    first: float = 0.1
    """Part of them that looks for the first noise."""
    level: float = 1.0
    """Noise of a step, above 0 to 1: 1 is ancestral sampling, the paper's variance-preserving SDE."""

    def __post_init__(self) -> None:
        check_level(self.level)
        if not 0 < self.first < 1:
            raise ValueError(f"first={self.first:g} is not a part, a number between 0 and 1")

    def split(self, looks: int, steps: int) -> tuple[int, list[int]]:
        """Looks at first noises, and the quota of each step but the last: at least one, and one of the first, which takes no noise."""
        starts = max(1, min(int(looks * self.first), looks - (steps - 1)))
        quota, more = divmod(looks - starts - 1, steps - 2)
        return starts, [1, *(quota + (step < more) for step in range(steps - 2))]

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """As many looks as the budget buys: at least one at a noise, one at a child a step, and one more.

        Raises:
            BudgetTooSmall: these are not affordable.
            Unfit: fewer looks were asked for, or the images have fewer than three steps.
        """
        prices.check(budget)
        check_steps(prices.steps, "rbf looks at")
        check_noisy(prices.steps, "rbf")

        # What is left of a quota goes to later steps, which may be cheaper: then the plan is the most that can be spent.
        exact = len({prices.predict(step).model_flops for step in range(2, prices.steps)}) == 1

        def sized(looks: int) -> Plan:
            planned = PlannedCost(prices)
            starts, quotas = self.split(looks, prices.steps)
            planned.predict(0, starts)
            planned.look_again(0, starts)
            planned.end_round()
            for step, quota in enumerate(quotas):
                for _ in range(quota):
                    planned.draw(step, 1)
                    planned.look(step + 1, 1)
                    planned.end_round()
            planned.draw(prices.steps - 1, 1)
            planned.finish(1)
            planned.end_round()
            return Plan({"looks": looks}, planned.rounds, exact, planned.looks, placed=False)

        least = prices.steps + 1
        if self.looks is not None and self.looks < least:
            raise Unfit(f"looks={self.looks} are fewer than the least for {prices.steps} steps: give looks={least} or more")
        why = ", at a noise, at a child a step and one more"
        return largest_plan(budget, sized, self.looks, least, lambda size: f"{size} looks{why if size == least else ''}")

    def run(self, task: Task) -> None:
        """All prompts at once, each at its own step; their next children are looked at together."""
        deadline, steps = Deadline(task), task.generator.card.steps

        def split(prompt: int) -> tuple[int, list[int]]:
            return self.split(task.plans[prompt].parameters["looks"], steps)

        for prompts in batches(range(len(task.prompts)), task.max_rows):
            lines = {prompt: _Line(*split(prompt)) for prompt in prompts}
            # Noises are many, and of each prompt one goes on: later steps are of more prompts than fill a batch of noises.
            noises = groups(task, lambda prompt: split(prompt)[0], prompts)
            frontier = [part for some in noises for part in self._first(task, {prompt: lines[prompt] for prompt in some})]
            while looking := [prompt for prompt, line in lines.items() if line.step < steps - 1]:
                frontier = self._look(task, frontier, lines, looking, deadline)
            last = gather(task, frontier, [(name_of(line.parent), line.parent) for line in lines.values()])
            finish(task, [_ended(part, steps) for part in advance(task, last, steps)])
        mark_final(task)

    def _first(self, task: Task, lines: dict[int, _Line]) -> Frontier:
        this = Round(task, list(lines), complete=False)
        frontier = preview(task, roots(task, {prompt: line.starts for prompt, line in lines.items()}), this)
        for prompt, line in lines.items():
            best = best_first(task.judges[0], this.values(prompt))[0]
            line.highest_M = this.values(prompt)[best]
            line.go_on(this.branches(prompt)[best])
            line.spent = 1
        this.close({name_of(line.parent) for line in lines.values()})
        return keep(task, frontier, {name_of(line.parent) for line in lines.values()})

    def _look(self, task: Task, frontier: Frontier, lines: dict[int, _Line], looking: Sequence[int], deadline: Deadline) -> Frontier:
        """The next child of every prompt; the best of a step's is taken when it is better, or when quota or time are used up."""
        drawn: Frontier = []
        for step in sorted({lines[prompt].step for prompt in looking}):
            wanted = [(name_of(lines[prompt].parent), lines[prompt].child()) for prompt in looking if lines[prompt].step == step]
            drawn += [Part(draw(task, part.state, part.branches, self.level), part.branches) for part in gather(task, frontier, wanted)]
        states = task.generator.predict_all([part.state for part in drawn])
        this = Round(task, looking, complete=False)
        seen = preview(task, [Part(state, part.branches) for state, part in zip(states, drawn, strict=True)], this)
        for prompt in looking:
            lines[prompt].look(task, this.branches(prompt)[0], this.values(prompt)[0])
            deadline.done(prompt, lines[prompt].spent)
        ended = [prompt for prompt in looking if self._ends(task, lines[prompt], prompt, deadline)]
        this.close()
        for prompt in ended:  # the best of a quota may be a child of an earlier round
            mark_kept(task, lines[prompt].taken)
            lines[prompt].go_on(lines[prompt].taken)
        held = {name for line in lines.values() for name in line.held(task.judges[0].ranks)}
        return keep(task, [*frontier, *seen], held)

    def _ends(self, task: Task, line: _Line, prompt: int, deadline: Deadline) -> bool:
        left, last = len(line.quotas) + 2, line.step == len(line.quotas) - 1
        late = not deadline.allows(prompt, line.spent, min(line.spent + left, len(task.plans[prompt].rounds)))
        return line.quota == 0 or late or (line.better and not last)


def _ended(part: Part, steps: int) -> Part:
    """Finished rows under names of their own: their last previews have been entered already."""
    return Part(part.state, tuple(Branch(one.prompt, (*one.path, 0), one.path, steps) for one in part.branches))


@dataclass(slots=True)
class _Line:
    """One prompt's search."""

    starts: int
    quotas: Sequence[int]
    """Of each step that takes noise."""
    step: int = -1
    """At which its next children are drawn; before the first noise none."""
    quota: int = 0
    """Children that may still be drawn at this step."""
    spent: int = 0
    """Rounds done."""
    highest_M: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """The scores of the best so far; it stands first where children are compared with it."""
    tried: list[tuple[Branch, np.ndarray]] = field(default_factory=list)
    """The children of this step."""
    better: bool = False
    parent: Branch = field(default_factory=lambda: Branch(0, ()))
    taken: Branch = field(default_factory=lambda: Branch(0, ()))
    """The best child of this step so far."""

    def child(self) -> Branch:
        """The next child of this step."""
        return Branch(self.parent.prompt, (*self.parent.path, len(self.tried)), self.parent.path, self.step + 1)

    def go_on(self, parent: Branch) -> None:
        """From this row to the next step, whose quota is added to what is left."""
        self.parent, self.tried, self.better, self.step = parent, [], False, self.step + 1
        if self.step < len(self.quotas):
            self.quota += self.quotas[self.step]

    def held(self, ranks: bool) -> set[Name]:
        """Rows that may still be gone on from; under ranks any child of this step, as another one changes them."""
        children = [child for child, _ in self.tried] if ranks else [self.taken] if self.tried else []
        return {name_of(self.parent), *map(name_of, children)}

    def look(self, task: Task, child: Branch, values_M: np.ndarray) -> None:
        """Enter a child and its scores: the best of the step is taken so far."""
        self.tried.append((child, values_M))
        self.quota -= 1
        self.spent += 1
        children_NM = np.array([values for _, values in self.tried])
        best = best_first(task.judges[0], children_NM)[0]
        self.taken = self.tried[best][0]
        self.better = best_first(task.judges[0], np.vstack([self.highest_M, children_NM[best]]))[0] == 1
        if self.better:
            self.highest_M = children_NM[best]
