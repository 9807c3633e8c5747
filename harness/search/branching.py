"""What beam, greedy and lookahead share: prefixes that branch at some steps, and the best of whose children live on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias

from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search.base import Plan, Task
from harness.search.checks import check_steps
from harness.search.deadline import Deadline
from harness.search.frontier import (
    Frontier,
    Name,
    advance,
    groups,
    grow,
    itself,
    keep,
    name_of,
    of_prompts,
    preview,
    roots,
)
from harness.search.planned_cost import PlannedCost
from harness.search.rollout_states import RolloutStates
from harness.search.rollouts import roll_out
from harness.search.rounds import Branch, Round, best_scored, mark_final
from harness.search.sizing import largest_plan
from models.base import Family

Score: TypeAlias = Literal["rollout", "preview"]


def every_step(family: Family, steps: int, score: Score) -> tuple[int, ...]:
    """Steps at which branching can make a difference: all, but for diffusion's last, which takes no noise.

    A search on previews needs the last step nevertheless, to finish its survivors.
    """
    return tuple(range(steps - 1 if family == "diffusion" and score == "rollout" else steps))


def plan(
    budget: Budget,
    prices: Prices,
    points: Sequence[int],
    width: int,
    candidates: int | None,
    score: Score,
    reuse: bool = False,
) -> Plan:
    """The most children that the budget buys, at least two a prefix.

    Raises:
        BudgetTooSmall: these are not affordable.
        Unfit: the images have no step at which noise could branch.
    """
    prices.check(budget)
    if prices.family == "diffusion":
        check_steps(prices.steps, "beam branches from")

    def sized(children: int) -> Plan:
        planned = _planned(prices, points, width, children, score, reuse)
        parameters = {"width": width, "candidates": children, "score": score, **({"reuse": True} if reuse else {})}
        return Plan(parameters, planned.rounds, looks=planned.looks)

    return largest_plan(budget, sized, candidates, 2, lambda size: f"width {width} with {size} children a prefix")


def check_reuse(score: Score, reuse: bool) -> None:
    """Raise ValueError where there is no rollout to go on with."""
    if reuse and score != "rollout":
        raise ValueError("reuse=True makes a child of its parent's rollout, and score=preview has none: leave one of them out")


def _planned(prices: Prices, points: Sequence[int], width: int, candidates: int, score: Score, reuse: bool) -> PlannedCost:
    """One round a branching point; after the first, a rollout that goes on as a child of its own is paid for."""
    planned, steps = PlannedCost(prices), prices.steps
    rows = width * candidates
    planned.start(rows)
    for index, point in enumerate(points):
        if reuse and index == 1:
            rows = width * (candidates - 1)
        if prices.family == "diffusion" and point == steps - 1:
            rows = width
        last = index == len(points) - 1
        if score == "rollout" or last:
            planned.path(point, steps, rows)
            planned.finish(rows)
            if not last:
                planned.predicted(points[index + 1])
        else:
            planned.path(point, point + 1, rows)
            planned.look(point + 1, rows)
            if prices.family == "ar":
                planned.predict(point + 1, width)
                planned.predicted(point + 1)
        planned.end_round()
    return planned


def run(task: Task, points: Sequence[int], score: Score, level: float, reuse: bool = False) -> None:
    """Advance all prompts from branching point to branching point, as many together as fill one batch with children."""
    deadline = Deadline(task)
    for prompts in groups(task, lambda prompt: _rows(task, prompt)):
        _Tree(task, points, score, level, deadline, reuse).run(prompts)
    mark_final(task)


def _rows(task: Task, prompt: int) -> int:
    parameters = task.plans[prompt].parameters
    return int(parameters["width"] * parameters["candidates"])


class _Tree:
    """The prompts of one group."""

    def __init__(
        self, task: Task, points: Sequence[int], score: Score, level: float, deadline: Deadline, reuse: bool
    ) -> None:
        self._task, self._points, self._score, self._level, self._deadline = task, points, score, level, deadline
        self._steps = task.generator.card.steps
        self._states = RolloutStates(points) if reuse else None
        self._born: dict[int, int] = {}
        """Children that each of a prompt's survivors gets next."""

    def run(self, prompts: Sequence[int]) -> None:
        task = self._task
        frontier = roots(task, {prompt: _rows(task, prompt) for prompt in prompts}, step=1)
        for index, point in enumerate(self._points):
            alive = {branch.prompt for part in frontier for branch in part.branches}
            if self._score == "rollout":
                alive = {prompt for prompt in alive if self._deadline.allows(prompt, index, index + 1)}
                frontier = of_prompts(task, frontier, alive)
            last = index == len(self._points) - 1
            complete = self._score == "rollout" or last
            this = Round(task, sorted(alive), complete)
            # The children of the first point are the roots, each its own.
            level = self._level if index else None
            drawn = list(grow(task, frontier, self._children(frontier, point) if index else itself(frontier), level))
            stop = self._steps if last else self._points[index + 1]
            going = self._states.going(task, frontier, stop) if self._states and index else []
            frontier = [*going, *self._look(drawn, this, complete, stop)]
            old = [one for part in going for one in part.branches]
            kept = set() if last else self._survivors(this, alive, old, index + 1)
            if self._states:
                self._states.keep(task, kept)
            this.close(kept)
            for prompt in alive:
                self._deadline.done(prompt, index + 1)
            frontier = [part.predicted(task) for part in keep(task, frontier, kept)]

    def _children(self, frontier: Frontier, point: int) -> dict[Name, list[Branch]]:
        task = self._task
        single = task.generator.card.family == "diffusion" and point == self._steps - 1
        children = {}
        for parent in (branch for part in frontier for branch in part.branches):
            count = 1 if single else self._born[parent.prompt]
            numbers = self._states.numbers(name_of(parent), count) if self._states else range(count)
            born = [Branch(parent.prompt, (*parent.path, j), parent.path, point + 1) for j in numbers]
            children[name_of(parent)] = born
        return children

    def _look(self, frontier: Frontier, this: Round, complete: bool, stop: int) -> Frontier:
        """Score the children; returns them at the next branching point."""
        if not complete:
            return advance(self._task, preview(self._task, frontier, this), stop)
        seen = []
        for part in frontier:
            at_stop = advance(self._task, [part], stop)[0].predicted(self._task)
            end = self._states.follow(self._task, at_stop) if self._states else at_stop
            this.score(part.branches, roll_out(self._task, end.state, part.branches))
            seen.append(at_stop)
        return seen

    def _size(self, prompt: int, rounds: int, most: int | None) -> int:
        """Survivors after so many rounds and how many children each will get; where only `most` have a score they share those of all.

        On previews only the last round finishes images: where time runs out there are fewer of both, at least one, and no
        round is left out.
        """
        parameters = self._task.plans[prompt].parameters
        rows = parameters["width"] * parameters["candidates"]
        if self._score == "preview":
            # Diffusion's survivors finish alone, which fewer children make no cheaper.
            alone = self._task.generator.card.family == "diffusion"
            rows = max(1, int(rows * self._deadline.rest(prompt, rounds, whole=int(alone))))
        width = min(parameters["width"], rows, most or rows)
        paid = parameters["width"] if self._states else 0  # children that are their parent's rollout
        self._born[prompt] = bool(paid) + (rows - paid) // width
        return int(width)

    def _survivors(self, this: Round, prompts: Collection[int], going: Sequence[Branch], rounds: int) -> set[Name]:
        """The best of the round's children and of the rollouts that go on, whose scores are known."""
        kept: set[Name] = set()
        for prompt in prompts:
            old = [one for one in going if one.prompt == prompt]
            names = [name_of(one) for one in (*old, *this.branches(prompt))]
            values_NM = this.values(prompt)
            if self._states:
                values_NM = self._states.values(old, this.branches(prompt), values_NM)
            order = best_scored(self._task.judges[0], values_NM)
            lost = len(order) < len(names)
            kept |= {names[n] for n in order[: self._size(prompt, rounds, len(order) if lost else None)]}
        return kept
