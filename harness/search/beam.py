"""Beam search over the scales of an autoregressive generator, and greedy token optimisation, which is its width 1.

arXiv 2510.16751: keep w prefixes; at every scale draw c children of each (w * c of the empty prefix at the first),
finish each child to a complete image, score the images, keep the w best children. K * w * c images, K (K + 1) / 2 * w
* c evaluations. Beyond the paper: the best image ever finished is returned, and predictions are shared, which changes
no image: siblings share the pass of their parent, and a survivor keeps the pass that its rollout has begun with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from harness.batches import batches
from harness.ledger import Budget, Cost
from harness.prices import Prices
from harness.search.affordable import given, most
from harness.search.base import Plan, Task
from harness.search.deadline import Deadline
from harness.search.launch import Roots, draw, roll_out
from harness.search.rounds import Branch, Round, best_first, mark_final
from harness.seeds import Path
from models.base import Family, Images, Prefixed

Score: TypeAlias = Literal["rollout", "preview"]
Children: TypeAlias = list[tuple[int, Branch]]
"""Row of the parent in its state, and the child."""


@dataclass(frozen=True, slots=True)
class Beam:
    """w prefixes, c children each; not given, the width is 2 and the children are as many as the budget buys."""

    name: ClassVar[str] = "beam"
    families: ClassVar[tuple[Family, ...]] = ("ar",)
    needs: ClassVar[tuple[type, ...]] = (Prefixed,)
    pools: ClassVar[bool] = False

    width: int | None = None
    """Prefixes kept per scale."""
    candidates: int | None = None
    """Children of each prefix."""
    score: Score = "rollout"
    """What children are judged by: complete images, or decodes of the prefix alone."""

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most children that the budget buys, at least two a prefix. Raises BudgetTooSmall."""
        return _plan(budget, prices, self.width or 2, self.candidates, self.score)

    def run(self, task: Task) -> None:
        """Advance all prompts scale by scale, as many together as their children fit into one batch."""
        _run(task, self.score)


@dataclass(frozen=True, slots=True)
class Greedy:
    """One prefix, c children per scale, the best kept."""

    name: ClassVar[str] = "greedy"
    families: ClassVar[tuple[Family, ...]] = ("ar",)
    needs: ClassVar[tuple[type, ...]] = (Prefixed,)
    pools: ClassVar[bool] = False

    candidates: int | None = None
    """Children per scale; None for as many as the budget buys."""
    score: Score = "rollout"
    """What children are judged by: complete images, or decodes of the prefix alone."""

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most children that the budget buys, at least two. Raises BudgetTooSmall."""
        return _plan(budget, prices, 1, self.candidates, self.score)

    def run(self, task: Task) -> None:
        """Advance all prompts scale by scale, as many together as their children fit into one batch."""
        _run(task, self.score)


def _plan(budget: Budget, prices: Prices, width: int, candidates: int | None, score: Score) -> Plan:
    prices.check(budget)

    def rounds(children: int) -> tuple[Cost, ...]:
        return tuple(_round(prices, step, width, children, score) for step in range(prices.steps))

    def cost(children: int) -> Cost:
        return sum(rounds(children), Cost())

    if candidates is None:
        candidates = most(budget, cost, 2, f"width {width} with 2 children a prefix")
    given(budget, cost(candidates), f"width {width} with {candidates} children a prefix")
    return Plan({"width": width, "candidates": candidates, "score": score}, rounds(candidates))


def _round(prices: Prices, step: int, width: int, children: int, score: Score) -> Cost:
    """One scale of one prompt; the first also pays the text and the empty prefix's prediction."""
    last = step == prices.steps - 1
    if score == "rollout" or last:
        each = prices.draw(step) + prices.path(step + 1, prices.steps) + prices.decode() + prices.score()
        shared = Cost()
    else:
        each = prices.draw(step) + prices.preview(step + 1) + prices.score()
        shared = prices.predict(step + 1) * width
    first = prices.opening() + prices.predict(0) if step == 0 else Cost()
    return first + shared + each * (width * children)


def _run(task: Task, score: Score) -> None:
    deadline = Deadline(task)
    for prompts in _groups(task):
        _run_group(task, prompts, score, deadline)
    mark_final(task)


def _groups(task: Task) -> Iterator[list[int]]:
    """Prompts whose children fill one batch; at least one prompt, whose children may then need several batches."""
    group: list[int] = []
    rows = 0
    for prompt, plan in enumerate(task.plans):
        children = plan.parameters["width"] * plan.parameters["candidates"]
        if group and rows + children > task.max_rows:
            yield group
            group, rows = [], 0
        group.append(prompt)
        rows += children
    if group:
        yield group


def _run_group(task: Task, prompts: list[int], score: Score, deadline: Deadline) -> None:
    frontier: list[tuple[Any, list[Branch]]] = [
        (Roots(task, prompts).prefixes, [Branch(prompt, ()) for prompt in prompts])
    ]
    steps = task.generator.card.steps
    for step in range(steps):
        alive = {prompt for _, parents in frontier for prompt in {parent.prompt for parent in parents}}
        alive = {prompt for prompt in alive if deadline.allows(prompt, step, step + 1)}
        complete = score == "rollout" or step == steps - 1
        this = Round(task, sorted(alive), complete)
        grown: list[tuple[Any, list[Branch]]] = []
        for parents_state, parents in frontier:
            for batch in batches(_children(task, parents, alive, step), task.max_rows):
                branches = [branch for _, branch in batch]
                state = draw(task, task.generator.select(parents_state, [row for row, _ in batch]), branches)
                state, images = _look(task, state, branches, complete)
                this.score(branches, images)
                grown.append((state, branches))
        kept = _survivors(task, this, alive) if step < steps - 1 else set()
        this.close(kept)
        for prompt in alive:
            deadline.done(prompt, step + 1)
        frontier = list(_shrink(task, grown, kept))


def _children(task: Task, parents: list[Branch], alive: Collection[int], step: int) -> Children:
    children: Children = []
    for row, parent in enumerate(parents):
        if parent.prompt in alive:
            parameters = task.plans[parent.prompt].parameters
            count = parameters["candidates"] * (parameters["width"] if step == 0 else 1)
            children += [(row, Branch(parent.prompt, (*parent.path, j), parent.path, step + 1)) for j in range(count)]
    return children


def _look(task: Task, state: Any, branches: list[Branch], complete: bool) -> tuple[Any, Images]:
    """Images of the children, and their state, predicted where the images have needed it."""
    if not complete:
        return task.generator.preview(state)
    if state.step < task.generator.card.steps:
        state = task.generator.predict(state)
    return state, roll_out(task, state, branches)


def _survivors(task: Task, this: Round, prompts: Collection[int]) -> set[tuple[int, Path]]:
    kept: set[tuple[int, Path]] = set()
    for prompt in prompts:
        branches = this.branches(prompt)
        width = task.plans[prompt].parameters["width"]
        kept |= {(prompt, branches[n].path) for n in best_first(task.judges[0], this.values(prompt))[:width]}
    return kept


def _shrink(
    task: Task, grown: list[tuple[Any, list[Branch]]], kept: Collection[tuple[int, Path]]
) -> Iterator[tuple[Any, list[Branch]]]:
    """The survivors, predicted and in the order of their rows, so that the order does not depend on the batches."""
    for state, branches in grown:
        rows = [row for row, branch in enumerate(branches) if (branch.prompt, branch.path) in kept]
        if rows:
            yield task.generator.predict(task.generator.select(state, rows)), [branches[row] for row in rows]
