"""What hours of a card buy: how many prompts of a planned search, or of all searches of a plan."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import cycle, islice
from math import floor
from typing import NamedTuple

from harness.compute.amounts import amount, hours
from harness.compute.ledger import Cost
from harness.forecast.forecast import Forecast
from harness.forecast.gpu_hours import gpu_hours
from harness.forecast.hours_lines import line_hours
from harness.forecast.in_all import computed_flops, computed_seconds
from harness.forecast.rehearsed import rehearsed
from harness.run.prepared import Run
from harness.run.progress import duration


class Bought(NamedTuple):
    """What hours buy."""

    prompts: int | None
    """Each under all seeds; None where nothing takes time."""
    one: float
    """Seconds of a single prompt, under all seeds."""

    def __str__(self) -> str:
        if self.prompts is None:
            return "any number of prompts"
        if not self.prompts:
            return f"no prompt, {self.told}"
        return f"about {float(f'{self.prompts:.3g}'):,.0f} prompt{'' if self.prompts == 1 else 's'}"

    @property
    def told(self) -> str:
        """How long one takes."""
        return f"one takes {duration(self.one) if self.one >= 60 else amount(self.one, 'seconds')}"


class Affordable:
    """What hours buy of each line of a plan, if this is all that runs, and of all: by measured speeds if there are any, else by FLOPs."""

    def __init__(self, run: Run, every: Sequence[Forecast], speeds: Mapping[str, float], given: float) -> None:
        """`given`: the hours; `speeds`: FLOP/s by model, where they were not measured."""
        self._run, self._every, self._speeds, self.given = run, every, speeds, given
        self._unit = cache(self._rehearsed_unit)

    def by_line(self, place: int) -> Bought:
        """Of the line at this place."""
        return self._bought(lambda count: self._line_seconds(place, count))

    def of_all(self) -> Bought:
        """Of all lines together, a pool of images made once for all who use it."""
        return self._bought(self._all_seconds)

    def line(self) -> str:
        """`of_all` for people."""
        seeds, found = self._every[0].seeds, self.of_all()
        each = f", each under {seeds} seeds" if seeds > 1 else ""
        said = f"{hours(self.given)} {'hour pays' if self.given == 1 else 'hours pay'} for"
        if found.prompts == 0:
            return f"{said} no prompt of everything above: {found.told}{each}, before loading, grading and the report"
        return f"{said} {found} of everything above{each}, before loading, grading and the report"

    def _bought(self, seconds: Callable[[int], float]) -> Bought:
        """Whole units of as many prompts as fit, and of the one after them as many as still do; `seconds` of so many prompts."""
        chunk = self._run.session.settings.chunk
        given, whole = self.given * 3600, seconds(chunk)
        if not whole:
            return Bought(None, 0.0)
        full = floor(given / whole) * chunk
        return Bought(full + bisect_right(range(1, chunk), given, key=lambda rest: seconds(full + rest)), seconds(1))

    def _line_seconds(self, place: int, count: int) -> float:
        one = self._every[place]
        return self._of(place, count).total.seconds if one.timed else line_hours(one, self._speeds) * 3600 * count / one.prompts

    def _all_seconds(self, count: int) -> float:
        units, every = self._run.units, self._every
        if every[0].timed:
            return computed_seconds(units, [self._of(place, count) for place in range(len(every))])
        return gpu_hours(computed_flops(units, every), self._speeds) * 3600 * count / every[0].prompts

    def _of(self, place: int, count: int) -> Forecast:
        """A line with the seconds of so many prompts. Of measured calls of whole batches those of a unit that is not full are fewer
        than its part of a full one's, and each takes longer a row."""
        one, share = self._every[place], count / self._every[place].prompts
        if one.shared:
            return replace(one, shared=replace(one.shared, spent=_lasting(one.shared.spent, share)))
        if not one.lasting:
            return replace(one, lasting=_lasting(one.total, share / one.seeds))
        full, rest = divmod(count, self._run.session.settings.chunk)
        units = [(self._run.session.settings.chunk, full), (rest, 1)]
        return replace(one, lasting=sum((_lasting(self._unit(place, size), often) for size, often in units if size and often), Cost()))

    def _rehearsed_unit(self, place: int, size: int) -> Cost:
        """What a unit of so many prompts takes: one of the plan, or else of its prompts, in turn where there are fewer."""
        one, session = self._every[place], self._run.session
        planned = next((unit.prompts for unit in self._run.units if len(unit.prompts) == size), None)
        prompts = planned or [*islice(cycle(session.prompts), size)]
        return rehearsed(session, one.model, one.search, one.verifier, one.budget, prompts).spent


def _lasting(cost: Cost, share: float) -> Cost:
    return Cost(seconds=cost.seconds * share, verifier_seconds=cost.verifier_seconds * share, verifier_calls=cost.verifier_calls)
