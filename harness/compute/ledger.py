"""The ledger: what one operation costs, what a budget allows, and what each prompt has spent.

Every method, autoregressive or diffusion, is charged in these columns at the generator and verifier boundary
(`harness/compute/meter.py`, `harness/compute/verifier_meter.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import reduce
from math import inf, isclose
from numbers import Real
from operator import add, attrgetter
from typing import Any

from harness.compute import amounts
from harness.errors import WrongInput, unknown


def _column(nothing: float, unit: str, meaning: str) -> Any:
    return field(default=nothing, metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of compute, one field per ledger column with its unit and meaning; costs add and scale.

    All FLOPs are 2 per multiply-add; images that a search starts from are encoded, and count as `decode_flops`.
    """

    nfe: int = _column(0, "passes", "one per candidate and transformer pass; guidance counts once, nothing is saved by sharing")
    forwards: int = _column(0, "sequences", "sequences really passed through the transformer: sharing saves, guidance counts twice")
    model_flops: int = _column(0, "FLOP", "generator transformer, 2 per multiply-add")
    decode_flops: int = _column(0, "FLOP", "image encoder and decoder, previews included")
    text_flops: int = _column(0, "FLOP", "text encoders, once per prompt")
    verifier_flops: int = _column(0, "FLOP", "verifier networks")
    images: int = _column(0, "images", "complete images decoded to be scored")
    verifier_calls: int = _column(0, "images", "images given to the verifier, previews included")
    seconds: float = _column(0.0, "s", "wall time of everything charged, device synchronised, shared evenly by the rows of a batch")
    verifier_seconds: float = _column(0.0, "s", "the part of seconds spent in the verifier")

    @property
    def flops(self) -> int:
        """All floating point operations: model, decoder, text and verifier."""
        return self.model_flops + self.decode_flops + self.text_flops + self.verifier_flops

    def __add__(self, other: Cost) -> Cost:
        return Cost(*map(add, _values(self), _values(other)))

    def __mul__(self, times: int) -> Cost:
        return Cost(*[value * times for value in _values(self)])

    __rmul__ = __mul__

    def __sub__(self, other: Cost) -> Cost:
        return self + -1 * other

    def amount(self, unit: Unit) -> float:
        """This cost on one axis: NFE, FLOPs, complete images, or seconds."""
        return float(getattr(self, unit.value))

    def as_columns(self) -> dict[str, int | float]:
        """Column name to value, `flops` included, in table order."""
        return {name: getattr(self, name) for name in COST_COLUMNS}


def total(parts: Iterable[tuple[Cost, int]]) -> Cost:
    """Sum of cost x times; same result as adding one by one, but faster."""
    values = [0] * len(COLUMNS)
    for cost, times in parts:
        values = [value + own * times for value, own in zip(values, _values(cost), strict=True)]
    return Cost(*values)


def added(costs: Iterable[Cost]) -> Cost:
    """Sum of costs; same result as `sum` with `Cost.__add__`, but faster."""
    columns = zip(*map(_values, costs), strict=True)
    return Cost(*[reduce(add, column) for column in columns])  # `sum` of floats rounds otherwise


COLUMNS: tuple[str, ...] = tuple(one.name for one in fields(Cost))
COST_COLUMNS: tuple[str, ...] = (*COLUMNS[:6], "flops", *COLUMNS[6:])
_SAID = {one.name: (one.metadata["unit"], one.metadata["meaning"]) for one in fields(Cost)}
_SAID["flops"] = ("FLOP", "model, decoder, text and verifier together: the all-in axis")
MEANINGS: Mapping[str, tuple[str, str]] = {name: _SAID[name] for name in COST_COLUMNS}
"""Unit and meaning of every column, in table order."""
_values = attrgetter(*COLUMNS)


class Unit(StrEnum):
    """What a budget is counted in."""

    NFE = "nfe"
    FLOPS = "flops"
    IMAGES = "images"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount in a unit, for each prompt: a search plans to use it up and never exceeds it.

    Raises WrongInput for an amount that is no number from 0, or a unit that is none; a unit may be given by its name, in any case.
    """

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        unit = str(self.unit).lower()
        if unit not in list(Unit):
            raise WrongInput(unknown("unit", str(self.unit), list(Unit)))
        object.__setattr__(self, "unit", Unit(unit))
        if not isinstance(self.amount, Real) or not 0 <= self.amount < inf:
            raise WrongInput(f"budget {self.amount} is not a number from 0: give what a prompt may spend, such as 100")

    def affords(self, cost: Cost) -> bool:
        """Whether `cost` stays within this budget; seconds but for what their sums round, which depends on the order of adding."""
        spent = cost.amount(self.unit)
        return spent <= self.amount or (self.unit is Unit.SECONDS and isclose(spent, self.amount))

    def __str__(self) -> str:
        return amounts.budget(self.amount, self.unit.value)


class BudgetTooSmall(WrongInput):
    """Raised by a planner when a budget is below the minimum that the search needs; holds that minimum and what it buys."""

    def __init__(self, budget: Budget, smallest: float, what: str) -> None:
        self.budget, self.smallest, self.what = budget, smallest, what
        super().__init__(f"budget {budget} cannot buy {what}: the smallest that can is {self.least}; {self.advice}")

    @property
    def least(self) -> Budget:
        """The smallest budget that is enough."""
        return Budget(self.smallest, self.budget.unit)

    @property
    def advice(self) -> str:
        """What to do: the smallest budget with all the digits that have to be typed, more than the error message shows."""
        return f"give --budget {amounts.no_less(self.smallest)} or more"


class Ledger:
    """What each prompt of a task has spent so far."""

    def __init__(self, prompts: int) -> None:
        self._spent = [Cost()] * prompts

    def charge(self, prompt: int, cost: Cost) -> None:
        """Add `cost` to the account of the prompt with this index."""
        self._spent[prompt] = self._spent[prompt] + cost

    def spent(self, prompt: int) -> Cost:
        """The total charged to the prompt with this index."""
        return self._spent[prompt]
