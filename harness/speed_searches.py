"""Every search with its prompts in flight together against one at a time, as ratios in one run (`make bench-speed`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from harness.ledger import Budget, BudgetTooSmall, Unit
from harness.registry import entries, entry
from harness.search.base import Search
from harness.search.prepare import prepare
from harness.search.spec import fits, parse
from harness.seeds import Seeds
from harness.speed import TEXTS, Comparison, compare, table
from models.base import Generator
from suites.base import Prompt
from verifiers.base import Verifier
from verifiers.features import described

ROWS = 64
IN_FLIGHT = (4, 1)
"""Prompts advanced together; the first is the reference."""
BUDGET = Budget(60, Unit.NFE)


def run_together(search: Search, generator: Generator, verifier: Verifier, prompts: Sequence[Prompt], size: int) -> None:
    """All prompts, `size` at a time."""
    for first in range(0, len(prompts), size):
        part = prompts[first : first + size]
        search.run(prepare(search, generator, [verifier], part, BUDGET, Seeds(0, "speed"), ROWS))


def measure(models: Sequence[str] = ("shapes-infinity", "shapes-flux"), rounds: int = 1) -> list[Comparison]:
    """Every registered search that fits a model and the budget."""
    verifier = described([entry("verifier", "shapes-reward").resolve()()], "shapes")[0]
    prompts = [Prompt(str(n), TEXTS[n % len(TEXTS)], "") for n in range(IN_FLIGHT[0])]
    found: list[Comparison] = []
    for model in models:
        generator: Generator = entry("model", model).resolve()()
        for name in entries("search"):
            search = parse(name)
            if fits(search, entry("model", model), model):
                continue
            work = partial(run_together, search, generator, verifier, prompts)
            contestants: dict[str, Callable[[], object]] = {f"{size} in flight": partial(work, size) for size in IN_FLIGHT}
            try:
                found += compare(f"{model}: {name}, {len(prompts)} prompts at {BUDGET}", contestants, rounds)
            except BudgetTooSmall:
                continue
    return found


def main() -> None:
    """Print the table for this machine."""
    print(table(measure()))


if __name__ == "__main__":
    main()
