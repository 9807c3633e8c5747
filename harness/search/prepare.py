"""From a search, models and prompts to a task that can be run: text encoded and charged, every prompt planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.compute.drawn import Drawn
from harness.compute.ledger import Budget, BudgetTooSmall, Ledger
from harness.compute.meter import MeteredGenerator
from harness.compute.prices import Calibration, Prices
from harness.compute.verifier_meter import MeteredVerifier
from harness.search.base import Plan, Refiner, Search, Task
from harness.seeds import Seeds
from models.base import Generator
from models.pair import Pair
from suites.base import Prompt
from verifiers.base import Verifier, cascading, listeners


class Attempt:
    """A search that is run with a number of rows a batch, again with fewer where memory runs out (`harness.memory.with_fewer_rows`)."""

    def __init__(self, search: Search, prepared: Callable[[int], Task]) -> None:
        """`prepared` is a new task for a number of rows."""
        self._search, self._prepared = search, prepared
        self._largest = 0

    def __call__(self, rows: int) -> Task:
        """The task, run."""
        self._largest = 0
        task = self._prepared(rows)
        try:
            self._search.run(task)
        finally:
            self._largest = task.largest_batch
        return task

    def used(self) -> int:
        """Rows of the largest batch of the last run, 0 where it came to none."""
        return self._largest


def prepare(
    search: Search,
    generator: Generator | Pair,
    verifiers: Sequence[Verifier],
    prompts: Sequence[Prompt],
    budget: Budget,
    seeds: Seeds,
    max_rows: int,
    calibration: Calibration | None = None,
    now: Callable[[], float] | None = None,
    drawn: Drawn | None = None,
) -> Task:
    """A task ready for `search.run`; `calibration` is needed for budgets in seconds, `now` is a clock other than the machine's,
    `drawn` what the model has drawn for other tasks.

    Raises:
        BudgetTooSmall: naming the smallest budget that serves every prompt.
        ValueError: several verifiers for a search that is guided by one, or seconds without a calibration.
    """
    if len(verifiers) != 1 and not search.pools:
        raise ValueError(f"{search.name} is guided by one verifier and got {len(verifiers)}: run it once for each")
    if len(verifiers) != 1 and any(map(cascading, verifiers)):
        raise ValueError(f"{search.name} serves several verifiers from one pool, which a cascade is no part of: run it alone")
    ledger, texts = Ledger(len(prompts)), [prompt.text for prompt in prompts]
    told = listeners(verifiers)
    refiner: Refiner | None = None
    if isinstance(generator, Pair):
        first, second = generator.draft, MeteredGenerator(generator.refine, ledger, told, now, drawn)
        refiner = Refiner(second, second.encode(texts))
    else:
        first = generator
    metered = MeteredGenerator(first, ledger, told, now, drawn)
    conditioning = metered.encode(texts)
    prices = {tokens: Prices(generator, verifiers[0], tokens, calibration) for tokens in set(conditioning.text_tokens)}
    plans = plan_lengths(search, generator, verifiers, set(conditioning.text_tokens), budget, calibration)
    return Task(
        tuple(prompts),
        conditioning,
        metered,
        tuple(MeteredVerifier(verifier, Ledger(len(prompts)), now) for verifier in verifiers),
        seeds,
        budget,
        tuple(plans[tokens] for tokens in conditioning.text_tokens),
        max_rows,
        tuple(prices[tokens] for tokens in conditioning.text_tokens),
        refiner=refiner,
    )


def plan_lengths(
    search: Search,
    generator: Generator | Pair,
    verifiers: Sequence[Verifier],
    text_tokens: set[int],
    budget: Budget,
    calibration: Calibration | None = None,
) -> dict[int, Plan]:
    """Text length to plan; a pool has the plan of the cheapest of its verifiers and so serves all of them.

    Raises BudgetTooSmall with the smallest budget that serves the longest of the texts.
    """
    plans: dict[int, Plan] = {}
    refusals: list[BudgetTooSmall] = []
    for tokens in sorted(text_tokens):
        offers: list[Plan] = []
        refused: list[BudgetTooSmall] = []
        for verifier in verifiers:
            try:
                offers.append(search.plan(budget, Prices(generator, verifier, tokens, calibration)))
            except BudgetTooSmall as error:
                refused.append(error)
        if offers:
            plans[tokens] = max(offers, key=lambda plan: len(plan.rounds))
        else:
            refusals.append(min(refused, key=lambda error: error.smallest))
    if refusals:
        raise max(refusals, key=lambda error: error.smallest)
    return plans
