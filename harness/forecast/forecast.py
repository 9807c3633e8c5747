"""What a run will do and cost, worked out before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.compute.ledger import COST_COLUMNS, Budget, Cost
from harness.run.prepared import Run
from harness.run.session import Session
from harness.run.units import WorkUnit
from harness.search.adaptive import Allocating
from harness.search.base import Plan
from harness.search.simulation import Simulated, simulate
from models.base import Reading
from models.pair import Pair
from suites.base import Prompt


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
    image_decoding: float
    """The decoder's share of the FLOPs of one image alone, as in `random`."""
    unread: int
    """Prompts whose end the model does not read; without weights as far as words tell, each at least a token."""

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


def forecasts(run: Run) -> Iterator[Forecast]:
    """A forecast of every search that a prepared run holds, in the order they run."""
    session = run.session
    units: dict[tuple[str, str, str, Budget], list[WorkUnit]] = {}
    for unit in run.units:
        for verifier, budgets in unit.budgets.items():
            for budget in budgets:
                units.setdefault((unit.model, unit.search, verifier, budget), []).append(unit)
    for key, own in units.items():
        yield _forecast(session, *key, [unit for unit in own if unit.seed == own[0].seed])


def computed_flops(run: Run, every: Sequence[Forecast]) -> dict[str, float]:
    """FLOPs that the run really does, by model: a pool of images serves every verifier and smaller budget at once."""
    flops = dict.fromkeys((one.model for one in every), 0.0)
    for unit in run.units:
        if not _shares(run.session, unit.search):
            flops[unit.model] += unit.planned_flops
    for one in every:
        if one.shared:
            flops[one.model] += one.total.flops
    return flops


def computed_seconds(units: Sequence[WorkUnit], every: Sequence[Forecast]) -> float:
    """Seconds that the searches of these units are expected to take in all; a pool is made once, and every verifier is given all of it."""
    found = {(one.model, one.search, one.verifier, one.budget): one for one in every}
    seconds = 0.0
    for unit in units:
        own = [found[unit.model, unit.search, name, given[-1]] for name, given in unit.budgets.items()]
        part = len(unit.prompts) / (own[0].prompts * own[0].seeds)
        totals = [one.total for one in own]
        calls = max(total.verifier_calls for total in totals)  # the cheapest verifier's budget buys the most, which all are given
        judging = sum(total.verifier_seconds * calls / max(total.verifier_calls, 1) for total in totals)
        seconds += (max(total.seconds - total.verifier_seconds for total in totals) + judging) * part
    return seconds


def _shares(session: Session, search: str) -> bool:
    return isinstance(session.searches[search], Allocating)


def _forecast(
    session: Session, model: str, search: str, verifier: str, budget: Budget, units: Sequence[WorkUnit]
) -> Forecast:
    """`units`: those of one seed."""

    speeds = session.speeds(model)

    def simulated(prompts: Sequence[Prompt], whole: bool = True) -> Simulated:
        """`whole`: the prompts are those of a unit, and share its batches; else what one asks for is counted."""
        return simulate(
            session.searches[search], session.models[model], session.verifiers[verifier], prompts, budget, session.calibration(model),
            speeds.speeds if speeds and whole else None, session.max_rows(model),
        )  # fmt: skip

    lengths = session.text_tokens(model, session.prompts)
    variants = tuple(
        Variant(lengths.count(length), session.plan(model, search, verifier, budget, length))
        for length in sorted(set(lengths))
    )
    longest = session.prompts[lengths.index(max(lengths))]
    alone = simulated([longest], whole=False)
    rows = alone.rows
    if variants[-1].plan.passes:
        rows = {**rows, "predict": (*variants[-1].plan.passes, 0)}
    shared = lasting = None
    if _shares(session, search):
        pools = [simulated(unit.prompts) for unit in units]
        shared = Simulated({}, sum((one.spent for one in pools), Cost()), sum(one.looks for one in pools))
    elif speeds:
        sizes = Counter(len(unit.prompts) for unit in units)
        first = {len(unit.prompts): unit.prompts for unit in reversed(units)}  # units of as many prompts last as long
        lasting = sum((simulated(first[size]).spent * count for size, count in sizes.items()), Cost())
    generator, image = session.models[model], session.prices(model, verifier, max(lengths)).image()
    parts = (generator.draft, generator.refine) if isinstance(generator, Pair) else (generator,)
    texts = [prompt.text for prompt in session.prompts]
    unread = sum(map(any, zip(*(part.truncated(texts) for part in parts if isinstance(part, Reading)), strict=True)))
    return Forecast(
        model, search, verifier, budget, variants, len(session.settings.seeds), rows,
        not all(variant.plan.exact for variant in variants), shared, session.calibration(model) is not None,
        lasting, alone.operations & speeds.speeds.unmeasured if speeds else frozenset(),
        image.decode_flops / (image.flops or 1), unread,
    )  # fmt: skip
