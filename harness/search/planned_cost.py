"""What a search will do for one prompt and what that costs, counted by its planner as the meter will charge it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from harness.compute.ledger import Cost, total
from harness.compute.nfe import NfeCount
from harness.compute.prices import Prices


class PlannedCost:
    """Rows of each operation, and the cost of each round; the first round holds what a prompt pays once."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._evaluations = NfeCount()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._passes: Counter[int] = Counter()
        self._nfe = 0
        self._ahead = -1
        self._looks = 0
        self._open = prices.opening()
        self._rounds: list[Cost] = []

    def predict(self, step: int, rows: int) -> None:
        """Distinct rows through the transformer."""
        self._counts["predict", step] += rows
        self._passes[step] += rows
        self._nfe += self._evaluations.predicted(rows)

    def draw(self, step: int, rows: int) -> None:
        """Rows that take a step whose prediction is there."""
        self._counts["draw", step] += rows
        self._nfe += self._evaluations.drawn(rows, self._prices.draw(step).nfe)

    def start(self, rows: int) -> None:
        """The first prediction of independent rows: one for all where the empty prefix is shared."""
        self.predict(0, 1 if self._prices.family == "ar" else rows)
        self._ahead = 0

    def path(self, first: int, last: int, rows: int) -> None:
        """Rows from `first` to `last` draws; the first prediction is there after `start` and after a `look` that needed it."""
        for step in range(first, last):
            if step != self._ahead:
                self.predict(step, rows)
            self.draw(step, rows)

    def look(self, step: int, rows: int) -> None:
        """Rows scored on previews after `step` draws; a diffusion preview needs the next prediction, which is kept."""
        if self._prices.family == "diffusion":
            self.predict(step, rows)
            self._ahead = step
        self.look_again(step, rows)

    def look_again(self, step: int, rows: int) -> None:
        """A look whose prediction is there."""
        self._counts["preview", step] += rows
        self._counts["score", 0] += rows
        self._looks += rows

    def describe(self, step: int, rows: int) -> None:
        """Rows whose previews after `step` draws are described by features and not scored."""
        self._counts["preview", step] += rows
        self._counts["patches", 0] += rows
        self._looks += rows

    def finish(self, rows: int) -> None:
        """Finished rows decoded and scored."""
        self._counts["decode", self._prices.steps] += rows
        self._counts["score", 0] += rows

    def predicted(self, step: int) -> None:
        """The rows' next prediction is there, of an earlier operation."""
        self._ahead = step

    def end_round(self) -> None:
        """End the round."""
        counted = [(self._prices.of(operation, step), rows) for (operation, step), rows in self._counts.items()]
        self._rounds.append(
            total([(self._open, 1), *counted, (self._prices.settling(self._counts["score", 0]), 1), (Cost(nfe=self._nfe), 1)])
        )
        self._open, self._nfe = Cost(), 0
        self._counts.clear()

    @property
    def rounds(self) -> tuple[Cost, ...]:
        """Cost of each round that has ended."""
        return tuple(self._rounds)

    @property
    def passes(self) -> tuple[int, ...]:
        """Rows through the transformer at each step."""
        return tuple(self._passes[step] for step in range(self._prices.steps))

    @property
    def looks(self) -> int:
        """Previews looked at, in all rounds."""
        return self._looks


def lockstep_cost(prices: Prices, rows: int, left: Mapping[int, int], described: Collection[int] = ()) -> PlannedCost:
    """Rows that advance together, a round a step, and are finished after the last.

    `left` has the draws done at each look, and how many rows go on after it; at those in `described` previews are not scored.
    """
    planned = PlannedCost(prices)
    planned.start(rows)
    for step in range(prices.steps):
        planned.path(step, step + 1, rows)
        done = step + 1
        if done in left:
            planned.describe(done, rows) if done in described else planned.look(done, rows)
            rows = left[done]
        elif done == prices.steps:
            planned.finish(rows)
        planned.end_round()
    return planned
