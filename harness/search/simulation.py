"""A search run without its models: what it will ask of them, row by row, before anything is loaded onto it.

The meter, the prices and the search are the real ones; only images and scores are made up, and time passes as measured
speeds have it, not as the stand-ins take it. So what is counted is what a run will be charged, unless the strategy lets
scores decide how much it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from harness.compute.ledger import Budget, Cost
from harness.compute.meter import MeteredGenerator
from harness.compute.prices import REFINING, Calibration
from harness.compute.speeds import Speeds
from harness.search.base import Search
from harness.search.prepare import prepare
from harness.search.stand_ins import StandInGenerator, StandInVerifier
from harness.seeds import Path, Seeds
from models.base import Generator
from models.pair import Pair
from suites.base import Prompt
from verifiers.base import Verifier

_MANY = 1 << 16
Call = tuple[str, int, int]
"""Operation, step and rows."""
_WORK = ("predict", "draw", "preview", "decode")


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a search has asked of its models for all prompts together."""

    rows: Mapping[str, tuple[int, ...]]
    """Operation to rows at each step: "predict" passes, "draw" candidates, "preview" and "decode" images."""
    spent: Cost
    """As the meter has charged it; seconds by the speeds or the calibration, 0 without either."""
    looks: int
    """Previews looked at, which a budget in images pays for as images."""
    operations: frozenset[str] = frozenset()
    """All that was timed: of a pair's second model after the prefix of its speeds."""
    calls: Mapping[Call, int] = field(default_factory=dict)
    """With speeds, every call that took its time, and how often it was made."""


def simulate(
    search: Search,
    generator: Generator,
    verifier: Verifier,
    prompts: Sequence[Prompt],
    budget: Budget,
    calibration: Calibration | None = None,
    speeds: Speeds | None = None,
    max_rows: int = _MANY,
) -> Simulated:
    """Run a search on prompts, `budget` for each, with stand-ins for the models; raises BudgetTooSmall as its planner does.

    With `speeds` every call lasts what so many rows do, in batches of at most `max_rows`; without, batches change nothing and are
    large. The plan is by the calibration.
    """
    clock, flat = _Clock(speeds), calibration if speeds is None else None
    stand_in: Any = _stand_in_pair(generator, flat, clock) if isinstance(generator, Pair) else StandInGenerator(generator, flat, clock.take)
    judge = StandInVerifier(verifier, flat, clock.take)
    task = prepare(search, stand_in, [judge], prompts, budget, _QuickSeeds(0, ""), max_rows if speeds else _MANY, calibration,
                   now=lambda: clock.seconds)  # fmt: skip
    search.run(task)
    rows = _rows(task.generator)
    clocks = [task.generator.clock, *(judge.clock for judge in task.judges)]
    used = {operation for one in clocks for operation, _ in one}
    if task.refiner:
        rows |= {REFINING + name: counts for name, counts in _rows(task.refiner.generator).items()}
        used |= {REFINING + operation for operation, _ in task.refiner.generator.clock}
    everyone = range(len(prompts))
    spent = sum((task.spent(prompt, task.judges[0]) for prompt in everyone), Cost())
    return Simulated(rows, spent, sum(task.generator.looks[prompt] for prompt in everyone), frozenset(used), clock.calls)


class _Clock:
    """Goes on by what calls take, and stands still without speeds."""

    def __init__(self, speeds: Speeds | None) -> None:
        self.seconds, self.calls = 0.0, Counter[Call]()
        self._lasting = cache(speeds.lasting) if speeds else None

    def take(self, operation: str, step: int, rows: int) -> None:
        if self._lasting is not None:
            self.seconds += self._lasting(operation, step, rows).likely
            self.calls[operation, step, rows] += 1

    def take_refining(self, operation: str, step: int, rows: int) -> None:
        self.take(REFINING + operation, step, rows)


def _rows(generator: MeteredGenerator) -> dict[str, tuple[int, ...]]:
    counts: Counter[tuple[str, int]] = Counter()
    for (operation, step), timing in generator.clock.items():
        counts[operation, step] += timing.rows
    rows = {name: tuple(counts[name, step] for step in range(generator.card.steps + 1)) for name in _WORK}
    return {name: each for name, each in rows.items() if any(each)}


def _stand_in_pair(pair: Pair, calibration: Calibration | None, clock: _Clock) -> Pair:
    draft = StandInGenerator(pair.draft, calibration, clock.take)
    refine = StandInGenerator(pair.refine, calibration and calibration.of_refining(), clock.take_refining)
    return Pair(pair.card.name, draft, refine)  # type: ignore[arg-type]


class _QuickSeeds(Seeds):
    """Seeds of a candidate's path and step alone: nothing is drawn but children, and hashing a million names takes as long as all else."""

    def at(self, prompt_id: str, path: Path, step: int) -> int:
        return hash((path, step)) & 0x7FFF_FFFF_FFFF_FFFF  # of whole numbers, so the same in every process
