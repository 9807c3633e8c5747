"""Seconds of whole calls by the number of their rows, as `vistas bench-model` measures them: what a rehearsal's clock goes by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from harness.compute.prices import REFINING, Calibration

LARGE = 1.25
"""Of a machine that does nothing else, calls of the same shape differ by less than this factor, all together."""


@dataclass(frozen=True)
class Swing:
    """How far calls that were measured several times lie from their medians, all together."""

    lowest: float
    """All at their fastest, over all at their median."""
    highest: float

    @classmethod
    def of(cls, calls: Iterable[tuple[float, float, float]]) -> Swing:
        """From the median, lowest and highest seconds of each call; no swing where there are none, or all take no time."""
        middle, lowest, highest = (sum(column) for column in zip((0.0, 0.0, 0.0), *calls, strict=True))
        return cls(lowest / middle, highest / middle) if middle else cls(1.0, 1.0)

    @property
    def told(self) -> str:
        """A sentence if the machine was disturbed, or nothing."""
        if self.highest <= LARGE * self.lowest:
            return ""
        return (f"calls took {self.lowest:.2f} to {self.highest:.2f} times their median: something else may have kept the machine busy, "
                "and planned hours may be as far off or further: measure again when it is not")  # fmt: skip


class Lasting(NamedTuple):
    """Seconds of a call, and between which bounds they lie where so many rows were not measured."""

    likely: float
    least: float
    most: float


@dataclass(frozen=True)
class Speeds:
    """Measured calls of a model's operations and its verifiers'."""

    calls: Mapping[tuple[str, int], Mapping[int, float]]
    """(operation, step) to rows to seconds of a call on so many rows, rows ascending."""
    unmeasured: frozenset[str] = frozenset()
    """Operations that `filled` has let last nothing."""

    @classmethod
    def of(cls, lines: Iterable[tuple[str, int, int, float]]) -> Speeds:
        """From (operation, step, rows, seconds); of calls that were measured more than once the slowest counts."""
        calls: dict[tuple[str, int], dict[int, float]] = {}
        for operation, step, rows, seconds in sorted(lines):
            calls.setdefault((operation, step), {})[rows] = seconds  # sorted: the slowest comes last
        return cls(calls)

    @property
    def operations(self) -> set[str]:
        """What has been measured."""
        return {operation for operation, _ in self.calls} - self.unmeasured

    def lasting(self, operation: str, step: int, rows: int) -> Lasting:
        """How long a call on so many rows takes.

        Between two measured numbers of rows, a line: a part of a call's time is there whatever its rows, the rest grows with
        them. Above the largest, rows are as slow as in it, below the smallest a call takes as long as that; both are upper
        bounds. Bounds hold where a larger batch takes no less time, and a row of it no more.

        At a step that was not measured, the mean of those that were. Raises KeyError for an operation that was not measured.
        """
        if (operation, step) in self.calls:
            return _lasting(self.calls[operation, step], rows)
        steps = [known for (name, _), known in self.calls.items() if name == operation]
        if not steps:
            raise KeyError(f"operation {operation!r} was not measured")
        return Lasting(*map(fmean, zip(*(_lasting(known, rows) for known in steps), strict=True)))

    def total(self, calls: Mapping[tuple[str, int, int], int]) -> Lasting:
        """How long calls, (operation, step, rows) to how often, take one after another."""
        each = ((often, self.lasting(*call)) for call, often in calls.items())
        return Lasting(*map(sum, zip((0.0,) * 3, *([often * end for end in ends] for often, ends in each), strict=True)))

    def supposing(self, rows: int) -> Speeds:
        """As if every call on so many rows had been measured too, and taken what is likely."""
        with_it = {key: dict(sorted({**known, rows: _lasting(known, rows).likely}.items())) for key, known in self.calls.items()}
        return Speeds(with_it, self.unmeasured)

    def per_row(self, rows: int) -> Calibration:
        """What plans go by: seconds of a row in the largest measured batch of at most so many, or else in the smallest."""
        sizes = {key: max((size for size in known if size <= rows), default=min(known)) for key, known in self.calls.items()}
        return Calibration({key: known[sizes[key]] / sizes[key] for key, known in self.calls.items()})

    def filled(self, operations: Collection[str]) -> Speeds:
        """With every one of these operations; those that were not measured last nothing."""
        missing = frozenset(operations) - self.operations
        return Speeds({**self.calls, **{(operation, 0): {1: 0.0} for operation in missing}}, self.unmeasured | missing)

    def refined_by(self, other: Speeds) -> Speeds:
        """Those of a pair: this model drafts and the other refines."""
        second = {(REFINING + operation, step): known for (operation, step), known in other.calls.items()}
        return Speeds({**self.calls, **second}, self.unmeasured | {REFINING + name for name in other.unmeasured})


def _lasting(known: Mapping[int, float], rows: int) -> Lasting:
    if rows in known:
        return Lasting(*(known[rows],) * 3)
    sizes = list(known)
    place = bisect_left(sizes, rows)
    smaller, larger = sizes[:place][-1:], sizes[place:][:1]
    least = max([*(known[size] for size in smaller), *(known[size] * rows / size for size in larger)])
    most = min([*(known[size] * rows / size for size in smaller), *(known[size] for size in larger)])
    if not (smaller and larger):
        return Lasting(most, least, most)
    (few,), (many,) = smaller, larger
    likely = known[few] + (known[many] - known[few]) * (rows - few) / (many - few)
    return Lasting(likely, min(least, most, likely), max(least, most, likely))
