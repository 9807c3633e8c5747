"""Throughput of every search against the prompts that it has in flight, one at a time being 1 (`make bench-speed`).

A search that is run prompt by prompt fills its batches with the rows of one prompt alone; here rows of all prompts in
flight advance together. What is measured is function evaluations a second, planning and records included. The numbers
in flight take turns in one run and their ratios are what is reported. Without an accelerator a second is one of processor
time on one thread, which other work on the machine changes little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

import torch

from harness.batches import batches
from harness.bench.speed import TEXTS
from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.compute.prices import Prices
from harness.markdown import table_lines
from harness.registry import EMBEDDED, entries, entry
from harness.search.base import Search
from harness.search.prepare import prepare
from harness.search.spec import fits, parse_search
from harness.seeds import Seeds
from models.base import Generator
from models.pair import Pair
from suites.base import Prompt
from verifiers.base import Verifier
from verifiers.features import described, features_of

IN_FLIGHT = (1, 2, 4, 8)
"""Prompts advanced together; the first is the reference."""
ROWS = 64
"""Most rows of one batch, as by default in a run."""
ENOUGH = 30.0
"""Function evaluations a prompt; a search that needs more gets the least that it needs."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """One search with one model."""

    model: str
    search: str
    budget: Budget
    ratios: Mapping[int, float]
    """Prompts in flight to evaluations a second, as a multiple of those with one prompt at a time."""


def throughput(
    search: Search,
    generator: Generator,
    verifier: Verifier,
    prompts: Sequence[Prompt],
    sizes: Sequence[int] = IN_FLIGHT,
) -> Throughput:
    """Search all prompts, so many at a time, each number in its turn, after one unmeasured turn of the largest."""
    budget = enough(search, generator, verifier, prompts)
    _rate(search, generator, verifier, prompts, budget, max(sizes))
    rates = {size: _rate(search, generator, verifier, prompts, budget, size) for size in sizes}
    return Throughput(generator.card.name, search.name, budget, {size: rate / rates[sizes[0]] for size, rate in rates.items()})


def enough(search: Search, generator: Generator, verifier: Verifier, prompts: Sequence[Prompt]) -> Budget:
    """`ENOUGH` evaluations, or the least that the search needs for any of the prompts."""
    least = ENOUGH
    for tokens in set(generator.text_tokens([prompt.text for prompt in prompts])):
        try:
            search.plan(Budget(ENOUGH, Unit.NFE), Prices(generator, verifier, tokens))
        except BudgetTooSmall as error:
            least = max(least, error.smallest)
    return Budget(least, Unit.NFE)


def _rate(
    search: Search, generator: Generator, verifier: Verifier, prompts: Sequence[Prompt], budget: Budget, size: int
) -> float:
    """Function evaluations a second, `size` prompts at a time."""
    now = process_time if generator.device.type == "cpu" else perf_counter
    evaluations, begin = 0, now()
    for part in batches(prompts, size):
        task = prepare(search, generator, [verifier], part, budget, Seeds(0, "speed"), ROWS)
        search.run(task)
        evaluations += sum(task.spent(prompt, task.judges[0]).nfe for prompt in range(len(part)))
    return evaluations / (now() - begin)


def measure() -> Iterator[Throughput]:
    """Every registered search with every model that it fits, and with the two as a pair."""
    verifier = described([entry("verifier", "shapes-reward").resolve()()], features_of("shapes"))[0]
    prompts = [Prompt(str(n), TEXTS[n % len(TEXTS)], "") for n in range(max(IN_FLIGHT))]
    made: dict[str, Generator] = {name: entry("model", name).resolve()() for name in EMBEDDED}
    for name, generator in made.items():
        for search in map(parse_search, entries("search")):
            if fits(search, entry("model", name), name) is None:
                yield throughput(search, generator, verifier, prompts)
    pair: Generator = Pair("+".join(made), *made.values())  # type: ignore[assignment]
    for search in map(parse_search, entries("search")):
        if "pair" in search.families:
            yield throughput(search, pair, verifier, prompts)


def lines(found: Sequence[Throughput]) -> list[str]:
    """The table in Markdown, least gain first within a model."""
    sizes = list(found[0].ratios)
    head = ["model", "search", "NFE a prompt", *(f"{size} in flight" for size in sizes)]
    ordered = sorted(found, key=lambda one: ([each.model for each in found].index(one.model), one.ratios[sizes[-1]]))
    rows = [[one.model, f"`{one.search}`", f"{one.budget.amount:g}", *(f"{one.ratios[n]:.2f}" for n in sizes)] for one in ordered]
    return list(table_lines(head, rows, right=head[2:]))


def main() -> None:
    """Print the table for this machine."""
    torch.set_num_threads(1)
    print("\n".join(lines(list(measure()))))


if __name__ == "__main__":
    main()
