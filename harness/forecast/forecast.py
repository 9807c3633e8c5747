"""What one search of a run will do and cost, worked out before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.assignments import members_of, name_of
from harness.compute.ledger import COST_COLUMNS, Budget, Cost
from harness.search.base import Plan
from harness.search.simulation import Call, Simulated


@dataclass(frozen=True, slots=True)
class Variant:
    """Prompts of one text length under one model: they share a plan."""

    prompts: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class Forecast:
    """One model with one search under one verifier and budget."""

    model: str
    search: str
    verifier: str
    budget: Budget
    variants: tuple[Variant, ...]
    """By text length, shortest first."""
    seeds: int
    rows: Mapping[str, tuple[int, ...]]
    """Operation to rows at each step, of the prompt with the longest text, which has its budget to itself; where this is a `bound`
    at most so many passes, or all of them an `example`."""
    depends_on_scores: bool
    """Whether a run can spend something else than the plan: less, or in a pool of prompts more on some."""
    shared: Simulated | None
    """Of a search whose prompts share a total: all prompts of one seed, with made-up scores."""
    timed: bool
    """Whether seconds are estimated."""
    lasting: Cost | None
    """Seconds of all prompts of one seed, rehearsed unit by unit with measured speeds of whole batches; None without such, when
    seconds are those of a row in one size of batch."""
    unmeasured: frozenset[str]
    """What lasts nothing in it, as it was not measured."""
    refining: float
    """The second model's share of the FLOPs, of a pair; 0 of one model."""
    image_decoding: float
    """The decoder's share of the FLOPs of one image alone, as in `random`."""
    unread: int
    """Prompts whose end the model does not read; without weights as far as words tell, each at least a token."""
    calls: Mapping[Call, int]
    """Of all prompts of one seed, every call that was rehearsed and how often it is made; none without measured speeds."""

    @property
    def prompts(self) -> int:
        """Prompts of the run."""
        return sum(variant.prompts for variant in self.variants)

    @property
    def bound(self) -> bool:
        """Whether a run spends at most what is planned: scores decide how much less."""
        return self.depends_on_scores and not self.shared

    @property
    def example(self) -> bool:
        """Whether scores decide about more than passes that are shared, so that rows are those of made-up scores."""
        plan = self.variants[-1].plan
        return not self.shared and (not plan.placed or (self.bound and not plan.passes))

    @property
    def total(self) -> Cost:
        """Of all prompts and seeds."""
        if self.shared:
            return self.shared.spent * self.seeds
        planned = sum((each.plan.cost * each.prompts for each in self.variants), Cost())
        if self.lasting:
            planned = replace(planned, seconds=self.lasting.seconds, verifier_seconds=self.lasting.verifier_seconds)
        return planned * self.seeds

    def divided(self, flops: float) -> dict[str, float]:
        """FLOPs of this search by the names of the models that compute them; a verifier's are with the only or the first model's."""
        first, *second = map(name_of, members_of(self.model))
        parts = {first: flops * (1 - self.refining)}
        for name in second:
            parts[name] = parts.get(name, 0.0) + flops * self.refining
        return parts

    @property
    def decoding(self) -> float:
        """The decoder's share of all FLOPs, previews included."""
        return self.total.decode_flops / (self.total.flops or 1)

    def unused(self) -> tuple[float, float]:
        """The least and the most that a prompt leaves of its budget, in the budget's unit; where prompts share a total, its mean."""
        if self.shared:
            spent = self.shared.spent + Cost(images=self.shared.looks)
            return (self.budget.amount - spent.amount(self.budget.unit) / self.prompts,) * 2
        left = [each.plan.unused(self.budget) for each in self.variants]
        return min(left), max(left)

    def per_prompt(self) -> dict[str, tuple[float, float]]:
        """Ledger column to its least and most over the prompts; to its mean where these share a total, or were rehearsed together."""
        if self.shared:
            return {name: (value / self.prompts,) * 2 for name, value in self.shared.spent.as_columns().items()}
        costs = [each.plan.cost.as_columns() for each in self.variants]
        ends = {name: (min(cost[name] for cost in costs), max(cost[name] for cost in costs)) for name in COST_COLUMNS}
        if self.lasting:
            ends |= {name: (value / self.prompts,) * 2 for name, value in self.lasting.as_columns().items() if name.endswith("seconds")}
        return ends

    def looks(self) -> tuple[float, float]:
        """The least and the most previews that a prompt looks at; where prompts share a total, their mean."""
        if self.shared:
            return (self.shared.looks / self.prompts,) * 2
        found = [each.plan.looks for each in self.variants]
        return min(found), max(found)

    def as_values(self) -> dict[str, Any]:
        """Plain values, for programs; seconds are left out where nothing was measured."""
        columns = [name for name in COST_COLUMNS if self.timed or not name.endswith("seconds")]
        total, each = self.total.as_columns(), self.per_prompt()
        return {
            "model": self.model,
            "search": self.search,
            "verifier": self.verifier,
            "budget": self.budget.amount,
            "unit": self.budget.unit.value,
            "prompts": self.prompts,
            "seeds": self.seeds,
            "parameters": [{"prompts": one.prompts, **one.plan.parameters} for one in self.variants],
            "rows": {name: list(counts) for name, counts in self.rows.items()},
            "per_prompt": {name: {"least": each[name][0], "most": each[name][1]} for name in columns},
            "unused": dict(zip(("least", "most"), self.unused(), strict=True)),
            "depends_on_scores": self.depends_on_scores,
            "total": {name: total[name] for name in columns},
        }
