"""What planners share: the largest size of a search that a budget affords."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log10

from harness.compute.ledger import Budget, BudgetTooSmall, Cost
from harness.search.base import Plan

_ENDLESS = 1 << 30
"""No budget that is not refused for its size buys so many of anything."""


def largest_plan(
    budget: Budget, sized: Callable[[int], Plan], asked: int | None, least: int, what: Callable[[int], str]
) -> Plan:
    """The plan of the size asked for or, without one, of the largest that the budget affords, from `least` on.

    `sized` is the plan of a size and `what` its words; a larger size costs more. Raises BudgetTooSmall.
    """

    def cost(size: int) -> Cost:
        return sized(size).limited

    size = largest_size(budget, cost, least, what(least)) if asked is None else asked
    check_affordable(budget, cost(size), what(size))
    return sized(size)


def largest_size(budget: Budget, cost: Callable[[int], Cost], least: int, what: str) -> int:
    """The largest n with `cost(n)` within the budget; `cost` grows with n.

    Raises:
        BudgetTooSmall: `least` is not affordable.
        ValueError: nothing limits n.
    """
    if not budget.affords(cost(least)):
        raise too_small(budget, cost(least), what)
    high = least + 1
    while budget.affords(cost(high)):
        high = least + 2 * (high - least)
        if high > _ENDLESS:
            raise ValueError(f"{what}: {high} cost {cost(high).amount(budget.unit):g} {budget.unit}, so that no budget limits them")
    low = least + (high - least) // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if budget.affords(cost(middle)) else (low, middle)
    return low


def check_affordable(budget: Budget, cost: Cost, what: str) -> None:
    """Check that what the user asked for fits. Raises BudgetTooSmall."""
    if not budget.affords(cost):
        raise too_small(budget, cost, what)


def too_small(budget: Budget, cost: Cost, what: str) -> BudgetTooSmall:
    """The error, its smallest budget rounded up to the six digits that are printed, so that typing it in works."""
    smallest = cost.amount(budget.unit)
    if smallest != float(f"{smallest:g}"):
        digit = 10.0 ** (floor(log10(smallest)) - 5)
        smallest = ceil(smallest / digit) * digit
    return BudgetTooSmall(budget, smallest, what)
