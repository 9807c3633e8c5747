"""What one call of a model was measured to take: the median of all times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

SEARCH = "search"
"""The operation that is a whole search."""


class Call(NamedTuple):
    """One operation at one step, done once."""

    operation: str
    step: int
    """-1 for the whole search."""
    rows: int
    """Rows really worked on."""
    seconds: float
    flops: int
    """By the ledger's price of those rows."""
    peak_gigabytes: float
    """NaN without an accelerator."""


@dataclass(frozen=True)
class Measured:
    """One operation at one step and batch size, measured one or more times."""

    batch: int
    operation: str
    step: int
    """-1 for the whole search."""
    rows: int
    """Rows really worked on."""
    seconds: float
    """Of a call, device synchronised, after a warm-up of the same shape: the median of `calls`."""
    seconds_lowest: float
    seconds_highest: float
    calls: int
    """How often it was measured."""
    tflop: float
    """By the ledger's price of those rows."""
    tflop_per_second: float
    share_of_peak: float
    """Of the card's dense bfloat16 peak; NaN where it is not known or the model does not compute in 16 bits."""
    peak_gigabytes: float
    """Most memory allocated up to then, weights included; NaN without an accelerator."""


def measured(batch: int, peak: float, times: Sequence[Call]) -> Measured:
    """One operation at one step, of all the times that it was called."""
    first, seconds = times[0], [call.seconds for call in times]
    middle = median(seconds)
    rate = first.flops / middle
    return Measured(
        batch, first.operation, first.step, first.rows, middle, min(seconds), max(seconds), len(times), first.flops / 1e12, rate / 1e12,
        rate / peak, max(call.peak_gigabytes for call in times),
    )
