"""Adaptive allocation: one total for many prompts, spent where the verifier says that it helps.

Wraps any search. All prompts are searched once with an even part of the total; in every later round the prompts with
the best scores rest, as do those whose score is good enough or has stopped rising, and the part of that round is
divided evenly among the others. Each prompt's later searches begin at new roots; the best image of all is returned.
A prompt of which no finished image could be scored rests, until no other is left: more of them would teach nothing.

This is the one strategy whose plan for a prompt depends on other prompts: those that share its total, its pool, are
part of what determines the result, and stay together whatever the batch, the order or the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, runtime_checkable

from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.compute.prices import Prices
from harness.search.allocation import Standing, most_telling
from harness.search.base import Plan, Search, Task, Unfit
from harness.search.lookahead import Lookahead
from harness.search.random import Random
from harness.search.rounds import mark_final
from harness.search.subtask import check_wrappable, search_again
from models.base import Family


@runtime_checkable
class Allocating(Protocol):
    """A search whose prompts share one total, so that they are one unit of work."""

    @property
    def pool(self) -> int | None:
        """Prompts that share a total; None for all of the run."""
        ...


def as_large_as_it_may(search: Search) -> bool:
    """Whether a larger budget always buys more: an allocating search goes on as long as anything is left."""
    if isinstance(search, Allocating) or getattr(search, search.size) is None:
        return True
    wrapped: Search | None = getattr(search, "search", None)
    return wrapped is not None and as_large_as_it_may(wrapped)


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Rounds of another search; who is searched again depends on the scores so far."""

    name: ClassVar[str] = "adaptive"
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "rounds"

    rounds: int = 4
    """Searches of a prompt that never rests; fewer where the budget cannot buy as many."""
    served: float = 0.5
    """Share of the prompts that a round serves after the first: those whose best score is lowest."""
    patience: int | None = None
    """Rounds without a better image after which a prompt rests until no other is left; None for no limit."""
    enough: float | None = None
    """Score that is good enough to stop for good; None for no such score."""
    pool: int | None = None
    """Prompts that share a total, in the suite's order; None for all of the run."""
    scales: int | None = None
    """Scales to branch at after the first round: as many of those that `search=lookahead` has branched at, where the
    children of one parent differed most in score; None for all."""
    search: Search = Random()  # noqa: RUF009 - immutable
    """What is run in each round."""

    def __post_init__(self) -> None:
        if self.rounds < 2:
            raise ValueError(f"rounds={self.rounds} leaves nothing to move between prompts: give 2 or more")
        if not 0 < self.served <= 1:
            raise ValueError(f"served={self.served:g} is not a share, a number above 0 and up to 1")
        check_wrappable(self.search)
        if self.scales is not None and not isinstance(self.search, Lookahead):
            raise ValueError(f"scales={self.scales} chooses where to branch: give search=lookahead:… after it")

    @property
    def families(self) -> tuple[Family, ...]:
        """Those of the search within."""
        return self.search.families

    @property
    def needs(self) -> tuple[type, ...]:
        """Those of the search within."""
        return self.search.needs

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """What a prompt spends that has its total to itself and never rests: the searches that `run` buys it one after another.

        In a pool scores decide who gets more; all together get no more than their budgets.

        Raises:
            BudgetTooSmall: two rounds of the search within are not affordable.
            Unfit: `enough` under a verifier whose scores are ranks.
        """
        if self.enough is not None and prices.ranks:
            raise Unfit("enough compares scores of prompts, which an ensemble's ranks do not allow: leave it out")
        for rounds in range(self.rounds, 1, -1):
            plans = self._alone(budget, prices, rounds)
            if len(plans) < 2:
                continue
            parameters = {"rounds": rounds, "search": dict(plans[0].parameters)}
            return Plan(parameters, tuple(plan.cost for plan in plans), exact=False, looks=sum(plan.looks for plan in plans))
        least = 2 * _smallest(self.search, budget.unit, prices)
        raise BudgetTooSmall(budget, least, f"two rounds of {self.search.name}")

    def _alone(self, budget: Budget, prices: Prices, rounds: int) -> list[Plan]:
        """Searches of one prompt out of its own budget, as `run` grants them; none where the first has no even part."""
        plans: list[Plan] = []
        left, ahead, opened = budget.amount, rounds, prices.opened
        while True:
            part = Budget(left / ahead, budget.unit)
            try:
                plans.append(self.search.plan(part, opened if plans else prices))
            except BudgetTooSmall:
                return plans
            left -= plans[-1].limited.amount(budget.unit)
            ahead = max(1, ahead - 1)

    def run(self, task: Task) -> None:
        """Round after round on the prompts that need it most, until the total buys no further search of any."""
        total = task.budget.amount * len(task.prompts)
        task.limits = dict.fromkeys(range(len(task.prompts)), Budget(total, task.budget.unit))
        standing = Standing(task, self.served, self.patience, self.enough)
        purse = _Purse(task, self.search, total)
        ahead = min(plan.parameters["rounds"] for plan in task.plans)
        while members := purse.served(standing.neediest(), ahead):
            grant = purse.grant(members, ahead)
            plans = [purse.search.plan(grant, purse.prices(prompt)) for prompt in members]
            before = {prompt: purse.spent(prompt) for prompt in members}
            search_again(task, purse.search, members, grant, plans)
            if self.scales is not None and not purse.begun and isinstance(self.search, Lookahead):
                purse.search = replace(self.search, scales=most_telling(task, self.scales))
            standing.note(members)
            purse.begun.update(members)
            if purse.left() < 0:
                for prompt in members:
                    task.limits[prompt] = Budget(before[prompt] + grant.amount, grant.unit)
                break
            ahead = max(1, ahead - 1)
        mark_final(task)


class _Purse:
    """What is left of a total, and whom it serves."""

    def __init__(self, task: Task, search: Search, total: float) -> None:
        self._task, self._total = task, total
        self.search = search
        """What is run next."""
        self._unit = task.budget.unit
        self._least: dict[tuple[int, bool], float] = {}
        self.begun: set[int] = set()
        """Prompts whose text has been paid for."""

    def spent(self, prompt: int) -> float:
        """All that a prompt has taken of the total; of one in images previews too, as they do of the parts that plans fill."""
        return self._task.limited(prompt).amount(self._unit)

    def left(self) -> float:
        """What nobody has spent; below 0 where a deadline was missed."""
        return self._total - sum(self.spent(prompt) for prompt in range(len(self._task.prompts)))

    def prices(self, prompt: int) -> Prices:
        """A prompt's prices: its text is paid once."""
        prices = self._task.prices[prompt]
        return prices.opened if prompt in self.begun else prices

    def served(self, prompts: Sequence[int], ahead: int) -> list[int]:
        """The first of `prompts`, as many as an even part of what is left for this round can buy a search."""
        for share in dict.fromkeys((self.left() / ahead, self.left())):
            least = 0.0
            served: list[int] = []
            for prompt in prompts:
                least = max(least, self._smallest(prompt))
                if least * (len(served) + 1) > share:
                    break
                served.append(prompt)
            if served:
                return served
        return []

    def grant(self, members: Sequence[int], ahead: int) -> Budget:
        """The even part of each member, out of the share of this round or, where that buys nothing, of all that is left."""
        least = max(map(self._smallest, members))
        share = self.left() / ahead / len(members)
        return Budget(share if share >= least else self.left() / len(members), self._unit)

    def _smallest(self, prompt: int) -> float:
        key = (prompt, prompt in self.begun)
        if key not in self._least:
            self._least[key] = _smallest(self.search, self._unit, self.prices(prompt))
        return self._least[key]


def _smallest(search: Search, unit: Unit, prices: Prices) -> float:
    """The smallest budget that a search can use."""
    nothing = Budget(0.0, unit)
    try:
        return search.plan(nothing, prices).limited.amount(unit)
    except BudgetTooSmall as error:
        return error.smallest
