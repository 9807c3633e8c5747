"""What a run will do and cost, worked out before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.ledger import COST_COLUMNS, Budget, Cost
from harness.runner import Run
from harness.search.base import Plan
from harness.search.rehearsal import rehearse
from harness.session import Session


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
    """Operation to rows at each step, of the prompt with the longest text."""
    depends_on_scores: bool
    """Whether a run can spend something else than the plan: less, or in a pool of prompts more on some."""
    timed: bool
    """Whether seconds are estimated."""

    @property
    def prompts(self) -> int:
        """Prompts of the run."""
        return sum(variant.prompts for variant in self.variants)

    @property
    def total(self) -> Cost:
        """Of all prompts and seeds."""
        return sum((each.plan.cost * each.prompts for each in self.variants), Cost()) * self.seeds

    def unused(self) -> tuple[float, float]:
        """The least and the most that a prompt leaves of its budget, in the budget's unit."""
        left = [each.plan.unused(self.budget) for each in self.variants]
        return min(left), max(left)

    def per_prompt(self) -> dict[str, tuple[float, float]]:
        """Ledger column to its least and most over the prompts."""
        costs = [each.plan.cost.as_columns() for each in self.variants]
        return {name: (min(cost[name] for cost in costs), max(cost[name] for cost in costs)) for name in COST_COLUMNS}

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


def forecasts(run: Run) -> Iterator[Forecast]:
    """A forecast of every search that a prepared run holds, in the order they run."""
    session = run.session
    seen: set[tuple[str, str, str, Budget]] = set()
    for unit in run.units:
        for verifier, budgets in unit.budgets.items():
            for budget in budgets:
                key = (unit.model, unit.search, verifier, budget)
                if key not in seen:
                    seen.add(key)
                    yield _forecast(session, *key)


def computed_flops(run: Run) -> float:
    """FLOPs that the run really does: a pool of images serves every verifier and smaller budget at once."""
    return sum(unit.planned_flops for unit in run.units)


def computed_seconds(run: Run) -> float:
    """Seconds that the searches are expected to take in all; a pool is made once, and every verifier looks at it."""
    session, seconds = run.session, 0.0
    for unit in run.units:
        for tokens in session.text_tokens(unit.model, unit.prompts):
            costs = [session.plan(unit.model, unit.search, name, given[-1], tokens).cost for name, given in unit.budgets.items()]
            seconds += max(one.seconds - one.verifier_seconds for one in costs) + sum(one.verifier_seconds for one in costs)
    return seconds


def _forecast(session: Session, model: str, search: str, verifier: str, budget: Budget) -> Forecast:
    lengths = session.text_tokens(model, session.prompts)
    variants = tuple(
        Variant(lengths.count(length), session.plan(model, search, verifier, budget, length))
        for length in sorted(set(lengths))
    )
    longest = session.prompts[lengths.index(max(lengths))]
    rehearsed = rehearse(
        session.searches[search], session.models[model], session.verifiers[verifier], longest, budget,
        session.calibration(model),
    )  # fmt: skip
    return Forecast(
        model, search, verifier, budget, variants, len(session.settings.seeds), rehearsed.rows,
        not all(variant.plan.exact for variant in variants), session.calibration(model) is not None,
    )  # fmt: skip
